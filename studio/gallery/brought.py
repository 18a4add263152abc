"""Single picture files copied into the library, byte for byte: ours among our own, others' into a folder beside them.

The file that was given stays where it is. What is copied is a whole picture with settings; everything else is told.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from pathlib import Path

from PIL import Image

from studio.core.errors import BadInputImage, BadRecipe, StorageProblem, StudioError
from studio.core.library import Brought
from studio.gallery.damage import damage_of
from studio.gallery.durable import read_regular, storage_problem, write_new
from studio.gallery.foreign.door import FILE_MAX, read_foreign
from studio.gallery.imported import entry_from_file, named_by_content
from studio.gallery.index import Index, Place
from studio.gallery.names import file_of, shown
from studio.gallery.png import read_imprint
from studio.gallery.rows import Entry, Row, picture_of, row_from_file
from studio.gallery.shelf import Shelf

_KINDS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}
_STEM_MAX, _STEM_BYTES = 80, 200  # a name has at most 255 bytes, with a digest, an ending and that of a part


class _Refused(Exception):
    """Why one file is not taken, as the rest of a sentence that begins with its name."""


class _There(Enum):
    """What the history knows of a picture already."""

    NOT = 0
    SEEN = 1
    TRASHED = 2
    MISSING = 3


@dataclass(slots=True)
class _Tally:
    added: list[str] = field(default_factory=list)
    known: int = 0
    trashed: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    trouble: StorageProblem | None = None

    def told(self) -> Brought:
        return Brought(
            added=tuple(self.added),
            known=self.known,
            trashed=self.trashed,
            refused=tuple(self.refused),
            trouble=self.trouble,
        )


def bring(
    shelf: Shelf,
    files: Iterable[Path],
    on_change: Callable[[], None] = lambda: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Brought:
    """Copy picture files into the library. Raises StorageProblem when nothing can be written at all.

    A disk that refuses in the middle ends it (`Brought.trouble`); what was copied by then is in the history.
    """
    shelf.check_writable()
    tally = _Tally()
    for file in files:
        if stopped():
            break
        try:
            _take(shelf, file, tally)
        except _Refused as reason:
            tally.refused.append((shown(file.name), str(reason)))
            continue
        except OSError as error:
            kept = f"{len(tally.added):,} are in the history, the files you gave are untouched"
            what = "Not all pictures could be copied into the history"
            tally.trouble = storage_problem(what, kept, shelf.folders.root, error)
            break
        on_change()
    if tally.added:
        _show_again(shelf, tally)
        shelf.look(lambda index: shelf.absorb(index, anew=True))  # marks that it had when it was here before
    return tally.told()


def _show_again(shelf: Shelf, tally: _Tally) -> None:
    """What comes in is seen, whatever was said of it when it was here before and left by other means than the trash."""
    try:
        hidden = shelf.journal.read().hidden
        shelf.journal.hide([picture_id for picture_id in tally.added if hidden.get(picture_id)], False)
    except OSError as error:
        what, kept = "Pictures that were in the trash before stay there", "they are copied"
        tally.trouble = tally.trouble or storage_problem(what, kept, shelf.folders.root, error)


def _take(shelf: Shelf, file: Path, tally: _Tally) -> None:
    data = _read(file)
    kind = _kind(data)
    if problem := damage_of(data):
        raise _Refused(f"is damaged: {problem}")
    try:
        imprint = read_imprint(data)
    except (BadRecipe, BadInputImage):
        imprint = None
    _decode(data, kind)
    if imprint is not None and imprint.id:
        _take_own(shelf, data, imprint.id, tally)
    else:
        _take_foreign(shelf, file, data, kind, tally)


def _take_own(shelf: Shelf, data: bytes, picture_id: str, tally: _Tally) -> None:
    with shelf.lock:
        row = shelf.look(lambda index: index.get(picture_id))
        there = _there(shelf, row) if shelf.find_unlisted(picture_id) is None else _There.SEEN
        if there in (_There.SEEN, _There.TRASHED):
            _count(tally, there)
            return
        relative = row.file if row is not None and not row.place else file_of(picture_id).as_posix()
        with suppress(FileExistsError):  # it lies there, only its row was wrong or lost
            write_new(shelf.folders.pictures / relative, data)
        if row is not None and not row.place:
            shelf.move(Place(picture_id, relative, 0, 0))
        else:  # new, or of another folder where it is missing
            entry = row_from_file(shelf.folders, relative, 0)
            if entry is None:
                raise _Refused("cannot be read again after it was copied")
            shelf.look(partial(_put, entry=entry))
        tally.added.append(picture_id)


def _take_foreign(shelf: Shelf, file: Path, data: bytes, kind: str, tally: _Tally) -> None:
    reading = read_foreign(data)
    if reading is None:
        raise _Refused("carries no settings that the studio can read")
    if reading.recipe is None:
        raise _Refused(f"was made by {reading.source}, but its settings cannot be used")
    try:
        stat = file.stat()
    except OSError:
        raise _Refused("does not exist any more") from None
    picture_id, _ = named_by_content(stat.st_mtime, data)
    with shelf.lock:
        place = _place(shelf)
        copy = _free_name(shelf.folders.imported, file, data, _KINDS[kind])
        there = _there(shelf, shelf.look(lambda index: index.get(picture_id)))
        if there is _There.MISSING or there is _There.NOT:
            there = _there(shelf, shelf.look(lambda index: index.at(place, copy.name)))  # of another time of change
        if there in (_There.SEEN, _There.TRASHED):
            _count(tally, there)
            return
        if not copy.exists():
            write_new(copy, data)
        os.utime(copy, ns=(stat.st_mtime_ns, stat.st_mtime_ns))  # its day in the history, and half of its name there
        entry = entry_from_file(shelf.folders.imported, copy.name)
        if entry is None:
            raise _Refused("cannot be read again after it was copied")
        placed = entry._replace(row=entry.row._replace(place=place))
        shelf.look(partial(_put, entry=placed))
        tally.added.append(placed.id)


def _place(shelf: Shelf) -> int:
    """The number of the folder for others' pictures, which becomes one of the history's with the first of them."""
    folder = os.path.abspath(shelf.folders.imported)
    for attempt in range(2):
        known = next((known for known in shelf.look(Index.folders) if known.folder == folder), None)
        if known is not None:
            return known.seq
        if not attempt:
            shelf.journal.folder(folder, False)
            shelf.look(shelf.absorb)
    raise StorageProblem("The pictures could not be imported.", "The history cannot be written at the moment.")


def _put(index: Index, entry: Entry) -> None:
    index.forget([entry.id])
    index.insert([entry])


def _there(shelf: Shelf, row: Row | None) -> _There:
    """What the history knows, as far as the file is where it says: folders and the trash change by other means too."""
    if row is None:
        return _There.NOT
    picture = picture_of(row, shelf.folders, {folder.seq: folder.folder for folder in shelf.look(Index.folders)})
    if row.missing or picture is None or not picture.file.is_file():
        return _There.MISSING
    return _There.TRASHED if row.trashed else _There.SEEN


def _count(tally: _Tally, there: _There) -> None:
    if there is _There.TRASHED:
        tally.trashed += 1
    else:
        tally.known += 1


def _read(file: Path) -> bytes:
    try:
        return read_regular(file, FILE_MAX)
    except FileNotFoundError:
        raise _Refused("does not exist any more") from None
    except OSError as error:
        if error.errno == errno.EISDIR:
            raise _Refused("is a folder") from None
        raise _Refused(f"cannot be read ({(error.strerror or 'error').lower()})") from None
    except ValueError as error:
        raise _Refused(str(error)) from None


def _kind(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    raise _Refused("is empty" if not data else "is no PNG, JPEG or WebP picture")


def _decode(data: bytes, kind: str) -> None:
    """Raises _Refused for a picture whose pixels do not come out."""
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _Refused("has too many pixels") from None
    except Exception:  # a decoder may raise anything on damaged bytes
        raise _Refused("is damaged: its pixels cannot be read") from None


def _free_name(folder: Path, file: Path, data: bytes, suffix: str) -> Path:
    """A name in the folder that is free or holds these very bytes."""
    stem = "".join(c for c in file.stem if c.isprintable() and c not in '\\/:*?"<>|').strip(". ")[:_STEM_MAX]
    stem = stem.encode()[:_STEM_BYTES].decode("utf-8", "ignore").rstrip(". ") or "picture"
    ending = file.suffix.lower() if file.suffix.lower() in (*_KINDS.values(), ".jpeg") else suffix
    digest = hashlib.sha256(data).hexdigest()
    first = folder / f"{stem}{ending}"
    try:
        if not first.exists() or hashlib.sha256(read_regular(first, FILE_MAX)).hexdigest() == digest:
            return first
    except (OSError, ValueError, StudioError):
        pass
    return folder / f"{stem} {digest[:12]}{ending}"
