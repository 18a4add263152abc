"""Bringing folders and index together: leftovers of interrupted saves, files without rows, rows without files.

The folders are right and the index follows them; nothing that may be a picture is deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from studio.core.paths import Folders
from studio.gallery.durable import leftover_parts, move_new, read_regular
from studio.gallery.index import Index, Place, Row
from studio.gallery.names import is_id
from studio.gallery.png import FILE_MAX, is_whole
from studio.gallery.rows import row_from_file


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
    Parts of control pictures and thumbnails can be made again and are removed.
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
    for folder in (folders.inputs, folders.thumbnails):
        for part, _ in leftover_parts(folder):
            with suppress(OSError):
                part.unlink()
    return Swept(recovered, unfinished)


def match(index: Index, folders: Folders) -> Matched:
    """Make the index say what the folders hold. May raise sqlite3.Error."""
    here = set(_pngs(folders.pictures))
    thrown = set(_pngs(folders.trash)) - here
    places = index.places()
    known = {place.id: place for place in places if is_id(place.id)}
    garbled = [place._replace(missing=1) for place in places if place.id not in known and not place.missing]
    names = {place.file for place in known.values()}
    rows: dict[str, Row] = {}
    followed: dict[str, Place] = {}
    for file in sorted((here | thrown) - names):
        row = row_from_file(folders, file, int(file in thrown))
        if row is None:
            continue
        if row.id not in known:
            rows.setdefault(row.id, row)
        elif known[row.id].file not in here | thrown:  # moved by the artist inside the folder; otherwise it is a copy
            followed[row.id] = known[row.id]._replace(file=file)
    fresh = [_now(followed.get(place.id, place), here, thrown) for place in known.values()]
    changed = [place for place in fresh if place != known[place.id]]
    index.insert(rows.values())
    index.move(changed + garbled)
    gone = sum(1 for place in changed if place.missing and not place.trashed and not known[place.id].missing)
    return Matched(len(rows), gone)


def _now(place: Place, here: set[str], thrown: set[str]) -> Place:
    if place.file in here:
        return place._replace(trashed=0, missing=0)
    if place.file in thrown:
        return place._replace(trashed=1, missing=0)
    return place._replace(missing=1)


def _pngs(folder: Path) -> Iterator[str]:
    """Regular .png files below a folder as relative names with "/"; links are not followed."""
    for root, _, names in os.walk(folder):
        for name in names:
            file = Path(root, name)
            relative = file.relative_to(folder).as_posix()
            if (
                name.lower().endswith(".png")
                and os.path.isfile(file)
                and not os.path.islink(file)
                and relative.isprintable()
            ):
                yield relative


def _count(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
