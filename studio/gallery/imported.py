"""Other folders of the artist's, shown in the history without moving or changing a file in them.

A picture there is known by its content, so that its marks follow it when it is renamed; one whose settings no reader
understands is passed over. A folder that has vanished keeps its rows.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from PIL import Image

from studio.core.errors import BadInputImage, BadRecipe, StudioError
from studio.core.picture import Picture
from studio.gallery.damage import damage_of
from studio.gallery.durable import read_regular
from studio.gallery.foreign.door import FILE_MAX, OURS, read_foreign
from studio.gallery.index import GONE, UNREAD, Folder, Index, Place
from studio.gallery.names import is_storable, new_id, shown, time_of
from studio.gallery.png import read_imprint
from studio.gallery.rows import UNKNOWN, Entry, row_of

PORTION = 100
WRITING_SECONDS = 60.0  # a file that breaks off and is younger is being written: it is looked at again the next time
_ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True, slots=True)
class Visit:
    """What a look into a folder found: pictures new to the history, files without settings, pictures no longer there."""

    added: int = 0
    without: int = 0
    missing: int = 0
    gone: bool = False  # the folder itself cannot be reached

    def sentence(self, folder: str) -> str:
        """For the artist."""
        name = f"“{Path(folder).name or folder}”"
        if self.gone:
            return f"The folder {name} cannot be reached; its pictures stay in the history and come back with it."
        words = []
        if self.added or not self.missing:
            pictures = "1 picture" if self.added == 1 else f"{self.added:,} pictures"
            words.append(f"From the folder {name} {pictures} came into the history; the files stay where they are")
        if self.without and words:
            words.append(f"{self.without:,} without settings that the studio can read")
        if self.missing and words:
            words.append(f"{self.missing:,} no longer there")
        elif self.missing:
            pictures = "1 picture is" if self.missing == 1 else f"{self.missing:,} pictures are"
            words.append(f"{pictures} no longer in the folder {name}; the history shows what is there")
        return "; ".join(words) + "."


def visit(
    index: Index,
    folder: Folder,
    on_change: Callable[[], None] = lambda: None,
    stopped: Callable[[], bool] = lambda: False,
    passed_over: set[tuple[str, int]] | None = None,
) -> Visit:
    """Make the index say what a folder holds. May raise sqlite3.Error. One that is stopped is UNREAD if it was so before.

    `passed_over` remembers files without settings by path and time of change, so that they are not read each time.
    """
    passed = set() if passed_over is None else passed_over
    places = index.places(folder.seq)
    known = {place.file: place for place in places}
    root = Path(folder.folder)
    if not root.is_dir():
        return _gone(index, folder, places)
    if folder.gone == GONE:
        mark_folder(index, folder, UNREAD)
    there = set(_pictures(root))
    lost = {place.id: place for place in places if place.file not in there}
    back = [place._replace(missing=0) for place in places if place.file in there and place.missing]
    added = without = 0
    for portion in _portions(sorted(there - known.keys(), reverse=True)):
        if stopped():
            return Visit(added, without)
        entries: dict[str, Entry] = {}
        for file in portion:
            stamp = _stamp(root / file)
            if stamp in passed:
                continue
            entry = entry_from_file(root, file)
            if entry is None:
                without += 1
                passed.add(stamp)
            elif entry.id in lost:  # renamed or moved inside the folder
                back.append(lost.pop(entry.id)._replace(file=file, missing=0))
            else:
                entries[entry.id] = entry._replace(row=entry.row._replace(place=folder.seq))
        fresh = set(entries) - {row.id for row in index.rows_of(entries)}
        if fresh:
            index.insert(entries[picture_id] for picture_id in fresh)
            added += len(fresh)
            on_change()
    newly = [place._replace(missing=1) for place in lost.values() if not place.missing]
    if newly or back:
        hidden = {place.id: place.trashed for place in index.places(folder.seq)}  # perhaps changed meanwhile
        index.move(place._replace(trashed=hidden.get(place.id, place.trashed)) for place in newly + back)
        on_change()
    if folder.gone:
        mark_folder(index, folder, 0)
    return Visit(added, without, len(newly))


def entry_from_file(root: Path, file: str) -> Entry | None:
    """The entry of a picture with settings; None for one without, or that cannot be read."""
    path = root / file
    try:
        picture = _own(path) or _foreign(path)
    except Exception:  # foreign bytes: a decoder may raise anything, its warning of too many pixels included
        return None
    return None if picture is None else row_of(picture, file)


def check_folder(folder: Path, own: Path) -> Path:
    """The folder as it is kept. Raises StudioError for one that is not there or holds, or lies in, the library itself."""
    clean = Path(os.path.abspath(folder))
    if not clean.is_dir():
        raise StudioError(f"“{clean.name}” is not a folder that can be read.", "Nothing was imported.", str(clean))
    if not is_storable(str(clean)):
        name = shown(clean.name)
        raise StudioError(f"The name of “{name}” holds bytes that are no letters.", "Rename it; nothing was imported.")
    mine = Path(os.path.abspath(own))
    if clean == mine or clean in mine.parents or mine in clean.parents:
        raise StudioError(
            "This folder belongs to the studio's own library.", "Its pictures are in the history already."
        )
    return clean


def folders_after(known: list[Folder], told: dict[str, bool | None]) -> tuple[list[Folder], list[int]]:
    """The list of folders after what a journal says, and the numbers of those that leave it."""
    folders = {folder.folder: folder for folder in known}
    left = [folders.pop(path).seq for path, watched in told.items() if watched is None and path in folders]
    number = max((folder.seq for folder in known), default=0)
    for path, watched in told.items():
        if watched is None:
            continue
        if path in folders:
            folders[path] = folders[path]._replace(watched=int(watched))
        else:
            number += 1
            folders[path] = Folder(number, path, int(watched), UNREAD)
    return list(folders.values()), left


def named_by_content(changed: float, data: bytes) -> tuple[str, datetime]:
    """The id of another program's picture, and when it was made: from its time of change (seconds since 1970), bytes."""
    made = datetime.fromtimestamp(min(max(changed, 0), 4e9), UTC)
    return new_id(made, "")[:-8] + hashlib.sha256(data).hexdigest()[:8], made


def _own(path: Path) -> Picture | None:
    try:
        imprint = read_imprint(path)
    except (BadRecipe, BadInputImage):
        return None
    if not imprint.id:
        return None
    return Picture(
        id=imprint.id,
        recipe=imprint.recipe,
        made_with=imprint.made_with or UNKNOWN,
        file=path,
        width=imprint.width,
        height=imprint.height,
        created=imprint.created or time_of(imprint.id),
        parents=imprint.parents,
    )


def _foreign(path: Path) -> Picture | None:
    data = read_regular(path, FILE_MAX)
    reading = read_foreign(data)
    changed = path.stat().st_mtime
    if reading is None or reading.recipe is None:
        return None
    if time.time() - changed < WRITING_SECONDS and damage_of(data):
        return None  # its name would be that of half of it
    with Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP"]) as image:
        width, height = image.size
    picture_id, made = named_by_content(changed, data)
    return Picture(
        id=picture_id,
        recipe=reading.recipe,
        made_with=replace(UNKNOWN, studio="" if reading.source == OURS else reading.source),
        file=path,
        width=width,
        height=height,
        created=made,
    )


def _gone(index: Index, folder: Folder, places: list[Place]) -> Visit:
    here = [place._replace(missing=1) for place in places if not place.missing]
    if here:
        index.move(here)
    if folder.gone != GONE:
        mark_folder(index, folder, GONE)
    return Visit(missing=len(here), gone=True)


def mark_folder(index: Index, folder: Folder, gone: int) -> None:
    """Write down whether a folder is there and looked through: see `Folder`. May raise sqlite3.Error."""
    index.set_folders(other._replace(gone=gone) if other.seq == folder.seq else other for other in index.folders())


def _stamp(path: Path) -> tuple[str, int]:
    try:
        return str(path), path.stat().st_mtime_ns
    except OSError:
        return str(path), 0


def _portions(files: list[str]) -> Iterator[list[str]]:
    return (files[start : start + PORTION] for start in range(0, len(files), PORTION))


def _pictures(root: Path) -> Iterator[str]:
    for here, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(here, name)
            relative = file.relative_to(root).as_posix()
            if name.lower().endswith(_ENDINGS) and is_storable(relative) and file.is_file() and not file.is_symlink():
                yield relative
