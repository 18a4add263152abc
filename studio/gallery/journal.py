"""What only the artist can make, kept a second time: one JSON line per change, only ever appended. Knows no index.

The index can be lost and built anew from the PNGs; ratings, tags, boards, notes and other folders then come from here.
A line is whole or is not there: what a kill left half is passed over, and the next line begins on a line of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from studio.core.library import Marks
from studio.core.safe_files import sync_names
from studio.gallery.durable import make_folder
from studio.gallery.marks import marks_from, marks_text
from studio.gallery.names import is_id, is_storable

LINE_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Told:
    """What a stretch of the journal says: of each picture the last word, likewise of each other folder.

    `hidden` are pictures of other folders that the artist took out of the history, and False for those brought back;
    `folders` says by path whether a folder is watched, None for one that was taken out again.
    """

    end: int
    marks: dict[str, Marks] = field(default_factory=dict)
    hidden: dict[str, bool] = field(default_factory=dict)
    folders: dict[str, bool | None] = field(default_factory=dict)


class Journal:
    """One file. Holds nothing in memory; several processes may append to it."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def size(self) -> int:
        """Bytes of the file, 0 when there is none."""
        try:
            return self.file.stat().st_size
        except OSError:
            return 0

    def mark(self, marks: dict[str, Marks]) -> None:
        """Append marks by id; on disk when this returns. Raises OSError, and then nothing was appended."""
        self._append([{"picture": key, **json.loads(marks_text(value) or "{}")} for key, value in marks.items()])

    def hide(self, ids: Iterable[str], hidden: bool) -> None:
        """Append that pictures of other folders are out of the history, or back. Raises OSError."""
        self._append([{"hide": picture_id, "hidden": hidden} for picture_id in ids])

    def folder(self, path: str, watched: bool | None) -> None:
        """Append that a folder belongs to the library, or with None no longer. Raises OSError."""
        self._append([{"folder": path, "watched": watched}])

    def read(self, start: int = 0) -> Told:
        """What was appended from byte `start` on. Raises OSError unless there is no file at all."""
        if not self.file.is_file():
            return Told(0)
        with self.file.open("rb") as stream:
            stream.seek(start)
            data = stream.read()
        whole = data.rfind(b"\n") + 1  # the rest is being written, or was by a kill
        told = Told(start + whole)
        for line in data[:whole].split(b"\n"):
            with suppress(ValueError, RecursionError):
                if 0 < len(line) <= LINE_MAX:
                    _take(told, json.loads(line))
        return told

    def _append(self, records: Iterable[dict[str, object]]) -> None:
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        if not lines:
            return
        make_folder(self.file.parent)
        fresh = not self.file.exists()
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        descriptor = os.open(self.file, flags, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            data = (b"" if _ends_a_line(descriptor, size) else b"\n") + lines.encode("utf-8", "replace")
            try:
                _write(descriptor, data)
                os.fsync(descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(descriptor, size)
                raise
        finally:
            os.close(descriptor)
        if fresh:
            sync_names(self.file.parent)


def _ends_a_line(descriptor: int, size: int) -> bool:
    if not size:
        return True
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1) == b"\n"


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _take(told: Told, record: object) -> None:
    if not isinstance(record, dict):
        return
    picture, hide, folder = record.get("picture"), record.get("hide"), record.get("folder")
    if isinstance(picture, str) and is_id(picture):
        told.marks[picture] = marks_from(record)
    elif isinstance(hide, str) and is_id(hide):
        told.hidden[hide] = record.get("hidden") is True
    elif isinstance(folder, str) and folder and is_storable(folder):
        watched = record.get("watched")
        told.folders[folder] = watched if isinstance(watched, bool) else None
