"""Bringing folders and index together: leftovers of interrupted saves, files without rows, rows without files.

The folders are right and the index follows them; nothing that may be a picture is deleted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from studio.core.paths import Folders
from studio.gallery.durable import leftover_parts, move_new, read_regular
from studio.gallery.index import Index, Place
from studio.gallery.names import is_id, is_storable
from studio.gallery.png import FILE_MAX, is_whole
from studio.gallery.rows import Entry, row_from_file

PORTION = 500  # pictures added in one transaction


@dataclass(frozen=True, slots=True)
class Swept:
    """Leftovers of interrupted saves: pictures that were complete, and unfinished files kept in the trash."""

    recovered: int = 0
    unfinished: int = 0

    def notices(self) -> tuple[str, ...]:
        words = []
        if self.recovered:
            words.append(
                f"{_count(self.recovered, 'picture was', 'pictures were')} recovered from an interrupted save."
            )
        if self.unfinished:
            files = _count(
                self.unfinished, "unfinished file of an interrupted save is", "unfinished files of saves are"
            )
            words.append(f"{files} kept in the trash folder.")
        return tuple(words)


@dataclass(frozen=True, slots=True)
class Matched:
    """What the index learned: pictures it did not know, and pictures that are gone since it last looked."""

    added: int = 0
    missing: int = 0

    def notices(self, rebuilt: bool) -> tuple[str, ...]:
        words = []
        if self.added and not rebuilt:
            pictures = _count(self.added, "picture was", "pictures were")
            words.append(f"{pictures} found in the folder and added to the history.")
        if self.missing:
            pictures = _count(self.missing, "picture is", "pictures are")
            words.append(f"{pictures} missing from the folder; the history shows what is there.")
        return tuple(words)


def sweep(folders: Folders) -> Swept:
    """Deal with every `.part` that nobody is writing.

    A complete picture gets its name, as the save would have given it; others with bytes in them go to the trash.
    Parts of control pictures, copies and thumbnails can be made again and are removed.
    """
    recovered = unfinished = 0
    for part, final in leftover_parts(folders.pictures):
        with suppress(OSError, ValueError):
            data = read_regular(part, FILE_MAX)
            if final.exists() or not data:
                part.unlink()
            elif is_whole(data):
                move_new(part, final)
                recovered += 1
            else:
                move_new(part, folders.trash / "unfinished" / part.name)
                unfinished += 1
    for folder in (folders.inputs, folders.imported, folders.thumbnails):
        for part, _ in leftover_parts(folder):
            with suppress(OSError):
                part.unlink()
    return Swept(recovered, unfinished)


def match(
    index: Index,
    folders: Folders,
    on_change: Callable[[], None] = lambda: None,
    lock: AbstractContextManager[object] | None = None,
) -> Matched:
    """Make the index say what the folders hold. May raise sqlite3.Error.

    Others may save and throw away meanwhile: what seems to have changed is looked at once more under their `lock`.
    Pictures that are not known are added in portions, newest first, so that a long rebuild can be watched:
    `on_change` is called after each.
    """
    places = index.places()  # before the folders, so that what is saved meanwhile does not seem to be missing
    here = set(files_below(folders.pictures))
    thrown = set(files_below(folders.trash)) - here
    there = here | thrown
    known = {place.id: place for place in places if is_id(place.id)}
    garbled = [place._replace(missing=1) for place in places if place.id not in known and not place.missing]
    names = {place.file for place in known.values()}
    followed: dict[str, Place] = {}
    added: set[str] = set()
    count = 0
    for portion in _portions(sorted(there - names, reverse=True)):
        rows: dict[str, Entry] = {}
        for file in portion:
            entry = row_from_file(folders, file, int(file in thrown))
            if entry is None:
                continue
            if entry.id not in known:
                if entry.id not in added:
                    rows[entry.id] = entry
            elif known[entry.id].file not in there:  # moved inside the folder; otherwise it is a copy
                followed[entry.id] = known[entry.id]._replace(file=file)
        if rows:
            count += index.insert(rows.values())
            added |= rows.keys()
            on_change()
    fresh = [_now(followed.get(place.id, place), here, thrown) for place in known.values()]
    changed = [place for place in fresh if place != known[place.id]]
    gone = 0
    for start in range(0, len(changed), PORTION):
        with lock or nullcontext():
            certain = list(_certain(index, folders, changed[start : start + PORTION]))
            index.move(certain)
        gone += sum(1 for place in certain if place.missing and not place.trashed and not known[place.id].missing)
    if garbled:
        index.move(garbled)
    if changed or garbled:
        on_change()
    return Matched(count, gone)


def _certain(index: Index, folders: Folders, changed: list[Place]) -> Iterator[Place]:
    """Of rows that seemed to be wrong those that are, with what is right now."""
    now = {place.id: place for place in index.places_of([place.id for place in changed])}
    for place in changed:
        row = now.get(place.id)
        if row is None:
            continue
        for file in dict.fromkeys((place.file, row.file)):
            here, thrown = (folders.pictures / file).is_file(), (folders.trash / file).is_file()
            if here or thrown:
                fresh = row._replace(file=file, trashed=int(not here), missing=0)
                break
        else:
            fresh = row._replace(missing=1)
        if fresh != row:
            yield fresh


def _portions(files: list[str]) -> Iterator[list[str]]:
    return (files[start : start + PORTION] for start in range(0, len(files), PORTION))


def _now(place: Place, here: set[str], thrown: set[str]) -> Place:
    if place.file in here:
        return place._replace(trashed=0, missing=0)
    if place.file in thrown:
        return place._replace(trashed=1, missing=0)
    return place._replace(missing=1)


def files_below(folder: Path, inside: str = "") -> Iterator[str]:
    """Regular .png files below a folder as relative names with "/"; links are not followed."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError:
        return
    for entry in found:
        relative = f"{inside}{entry.name}"
        with suppress(OSError):
            if entry.is_dir(follow_symlinks=False):
                yield from files_below(Path(entry.path), f"{relative}/")
            elif relative[-4:].lower() == ".png" and entry.is_file(follow_symlinks=False) and is_storable(relative):
                yield relative


def _count(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
