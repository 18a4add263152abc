"""What a library needs from time to time, done beside the work: comparing, copies, looks, other folders, the cache.

Each step can be interrupted between two pictures and goes on at the next start; none of them may fail the others.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from studio.core.errors import StorageProblem, StudioError
from studio.core.own_root import check
from studio.core.paths import Folders
from studio.core.picture import Picture
from studio.core.safe_files import sync_names
from studio.gallery import snapshots, to_copy
from studio.gallery.columns import seqs_of
from studio.gallery.durable import storage_problem
from studio.gallery.imported import Visit, check_folder, mark_folder, visit
from studio.gallery.index import GONE, UNREAD, Index
from studio.gallery.index_file import CHECKED_AT_ONCE, is_damage, is_sound
from studio.gallery.looks import look_of
from studio.gallery.names import is_inside
from studio.gallery.rows import picture_of
from studio.gallery.shelf import Shelf
from studio.gallery.thumbs import Thumbnails

LOOKED_AT = 32  # pictures between two writes of looks
WORKERS_MAX = 4  # threads that look at pictures: decoding and resizing let go of the interpreter
FEW = 4  # for so many pictures no threads are started

Stopped = Callable[[], bool]
OnChange = Callable[[], None]
Look = Callable[[Picture | None], bytes | None]


def tend(shelf: Shelf, thumbnails: Thumbnails, on_change: OnChange, stopped: Stopped) -> None:
    """Everything that `GalleryStore.open_quickly` left for later. Raises nothing; what was found is in the notices."""
    if shelf.read_only:
        return
    steps: tuple[Callable[[], object], ...] = (
        shelf.sweep,
        lambda: _check(shelf, on_change),
        lambda: None if shelf.compared else shelf.compare(shelf.opened(), on_change),
        lambda: visit_folders(shelf, on_change, stopped, everything=True),
        lambda: to_copy.go_on(shelf, on_change, stopped),
        lambda: _snapshot(shelf),
        lambda: look_at_new(shelf, thumbnails, stopped),
        thumbnails.prune,
    )
    for step in steps:
        if stopped():
            return
        try:
            check(shelf.folders.root)
            step()
        except (sqlite3.Error, OSError, StudioError) as error:
            shelf.notice(f"The library could not be looked after just now ({error}); it goes on at the next start.")


def look_at_new(shelf: Shelf, thumbnails: Thumbnails, stopped: Stopped, workers: int | None = None) -> int:
    """Work out how pictures look that were not looked at yet, newest first: how many. May raise sqlite3.Error.

    `workers` threads at most, by default one for each processor up to four; the looks and their order are those of one.
    """
    index = shelf.opened()
    query = (
        "SELECT group_concat(seq) FROM (SELECT seq FROM pictures WHERE trashed = 0 AND missing = 0 "
        "AND seq NOT IN (SELECT seq FROM looks) ORDER BY id DESC)"
    )
    waiting = [int(seq) for seq in seqs_of(index, query)]
    folders = {folder.seq: folder.folder for folder in index.folders()}
    done = 0

    def look(picture: Picture | None) -> bytes | None:
        if picture is not None and not stopped():
            with suppress(StudioError):
                return look_of(thumbnails.thumbnail(picture))
        return None

    with _workers(len(waiting), workers) as look_at_all:
        for start in range(0, len(waiting), LOOKED_AT):
            rows = index.rows_at(waiting[start : start + LOOKED_AT])
            found = look_at_all(look, [picture_of(row, shelf.folders, folders) for row in rows.values()])
            looks = [(seq, known) for seq, known in zip(rows, found, strict=True) if known is not None]
            if looks:
                index.set_looks(looks)
                done += len(looks)
            if stopped():
                break
    return done


@contextmanager
def _workers(
    count: int, workers: int | None
) -> Iterator[Callable[[Look, list[Picture | None]], Iterable[bytes | None]]]:
    """What applies a function to pictures, in their order, in as many threads as are of use for `count` of them."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = min(WORKERS_MAX, processors) if workers is None else workers
    if count <= FEW or threads < 2:
        yield map
        return
    with ThreadPoolExecutor(threads, "looks") as pool:
        yield pool.map


def visit_folders(shelf: Shelf, on_change: OnChange, stopped: Stopped, everything: bool) -> None:
    """Look into the watched folders, with `everything` also whether the others are there and have their rows."""
    index = shelf.opened()
    for folder in index.folders():
        if stopped() or not (everything or folder.watched):
            continue
        is_here = Path(folder.folder).is_dir()
        if folder.watched or folder.gone == UNREAD or is_here == (folder.gone == GONE):  # UNREAD also with a new index
            found = visit(index, folder, on_change, stopped, shelf.passed_over)
            if found.added:
                shelf.absorb(index, anew=True)
                on_change()
            if found.added or found.missing or (found.gone and folder.gone != GONE):
                shelf.notice(found.sentence(folder.folder))


def import_folder(shelf: Shelf, path: Path, watched: bool, on_change: OnChange, stopped: Stopped) -> Visit:
    """Take a folder into the library. Raises StudioError, StorageProblem."""
    shelf.check_writable()
    folder = str(check_folder(path, shelf.folders.root))
    try:
        shelf.journal.folder(folder, watched)
    except OSError as error:
        raise storage_problem(
            "The folder could not be imported", "nothing changed", shelf.folders.root, error
        ) from None
    with shelf.lock:
        shelf.look(shelf.absorb)
    known = next((known for known in shelf.look(Index.folders) if known.folder == folder), None)
    if known is None:
        raise StorageProblem("The folder could not be imported.", "The history cannot be written at the moment.")
    shelf.look(
        lambda index: mark_folder(index, known, UNREAD)
    )  # until it is done: what is cut off goes on at the next start
    found = shelf.look(lambda index: visit(index, known._replace(gone=UNREAD), on_change, stopped))
    shelf.look(lambda index: shelf.absorb(index, anew=True))
    return found


def forget_folder(shelf: Shelf, path: Path) -> None:
    """Take a folder out of the library again; its files and marks stay. Raises StorageProblem."""
    shelf.check_writable()
    folder = os.path.abspath(path)
    try:
        shelf.journal.folder(folder, None)
    except OSError as error:
        raise storage_problem(
            "The folder could not be taken out", "it stays in the history", shelf.folders.root, error
        ) from None
    shelf.look(shelf.absorb)
    for other in shelf.look(Index.folders):  # what they have in common with it was passed over there
        if not other.gone:
            shelf.look(partial(mark_folder, folder=other, gone=UNREAD))


def empty_trash(shelf: Shelf, thumbnails: Thumbnails) -> int:
    """Delete for good what lies in the trash: how many pictures. Only ever on the artist's own wish.

    Copies of other programs' pictures are ours to delete too; the artist's own folders are not touched and what is
    hidden of them stays hidden. Raises StorageProblem; what was deleted by then stays deleted.
    """
    shelf.check_writable()
    with shelf.lock:
        thrown = shelf.look(partial(_thrown, shelf.folders))
        deleted: list[str] = []
        try:
            check(shelf.folders.root)
            _unlink(shelf.folders, thrown, deleted)
        except OSError as error:
            what, kept = "The trash could not be emptied", f"{len(deleted):,} pictures are deleted, the others kept"
            raise storage_problem(what, kept, shelf.folders.trash, error) from None
        finally:
            for picture_id in deleted:
                thumbnails.forget(picture_id)
            shelf.look(lambda index: index.forget(deleted))
    return len(deleted)


def _thrown(folders: Folders, index: Index) -> list[tuple[str, Path]]:
    """Ids and files of what lies in the trash. A copy that another row needs is left out."""
    own = os.path.abspath(folders.imported)
    places = {folder.seq: folders.imported for folder in index.folders() if folder.folder == own}
    query = "SELECT id, place, file FROM pictures WHERE trashed = 1"
    rows = [(str(row[0]), int(row[1]), str(row[2])) for row in index.read(query)]
    needed = {row.file for place in places for row in index.places(place) if not row.trashed}
    found = []
    for picture_id, place, file in rows:
        if is_inside(file) and (place == 0 or (place in places and file not in needed)):
            found.append((picture_id, (places[place] if place else folders.trash) / file))
    return found


def _unlink(folders: Folders, thrown: list[tuple[str, Path]], deleted: list[str]) -> None:
    for picture_id, file in thrown:
        file.unlink(missing_ok=True)
        deleted.append(picture_id)
    unfinished = folders.trash / "unfinished"
    for part in unfinished.iterdir() if unfinished.is_dir() else ():
        part.unlink()
    for folder in (folders.trash, folders.imported):
        if folder.is_dir():
            sync_names(folder)


def _check(shelf: Shelf, on_change: OnChange) -> None:
    """Read the whole index through once; a damaged one is replaced."""
    file = shelf.opened().file
    large = file is not None and file.exists() and file.stat().st_size > CHECKED_AT_ONCE
    if large and file is not None and not is_sound(file):
        shelf.replace(shelf.opened())
        on_change()


def _snapshot(shelf: Shelf) -> None:
    index, now = shelf.opened(), datetime.now(UTC)
    if index.file is None or index.is_empty() or snapshots.is_taken(index.file, now):
        return
    try:
        index.check_words()
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        index.describe_anew()
    snapshots.take(index.file, "daily")
