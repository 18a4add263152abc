"""Opening the index whatever state its file is in: a damaged one is set aside, a newer one left alone. Never fatal."""

from __future__ import annotations

import os
import secrets
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path

from studio.gallery.durable import make_folder, rename_new
from studio.gallery.index import ANY_ROW, APPLICATION_ID, BUSY_SECONDS, SCHEMA, Index, lenient_text

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT}
_NEWER = "The history index was written by a newer Diffusion Studio; it is left as it is and another one is used."
_REBUILT = "The history index was damaged and is rebuilt from the pictures; the old file is kept as {}."
IN_MEMORY = "The history index cannot be written, so it lives in memory and is built from the pictures at each start."


class _State(Enum):
    ABSENT = auto()
    GOOD = auto()
    DAMAGED = auto()
    NEWER = auto()
    UNUSABLE = auto()  # locked, read-only, on a broken disk: not damaged as far as one can tell


def open_index(file: Path) -> tuple[Index, tuple[str, ...]]:
    """An index that works, and sentences for the artist about what had to be done for it."""
    notices: list[str] = []
    state = _look_at(file)
    if state is _State.NEWER:
        notices.append(_NEWER)
        file = file.with_name(f"{file.stem}-v{SCHEMA}{file.suffix}")
        state = _look_at(file)
    if state in (_State.DAMAGED, _State.NEWER):
        kept = set_aside(file)
        if kept is None:
            return memory_index(), (*notices, IN_MEMORY)
        notices.append(_REBUILT.format(kept.name))
        state = _State.ABSENT
    if state is not _State.UNUSABLE:
        with suppress(sqlite3.Error, OSError):
            return _on_disk(file, new=state is _State.ABSENT), tuple(notices)
    return memory_index(), (*notices, IN_MEMORY)


def set_aside(file: Path) -> Path | None:
    """Rename an index with its log to a free name beside it; None when the folder does not allow it."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    kept = file.with_name(f"{file.name}.damaged-{stamp}")
    try:
        os.replace(file, kept)
    except OSError:
        return None
    for ending in ("-wal", "-shm"):
        with suppress(OSError):
            os.replace(f"{file}{ending}", f"{kept}{ending}")
    return kept


def is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file itself is broken, and not that it is locked or the disk is full."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF in _DAMAGE


def _look_at(file: Path) -> _State:
    try:
        if not os.path.lexists(file):
            return _State.ABSENT
        if not file.is_file() or file.stat().st_size == 0:  # SQLite calls a file of zero bytes a sound empty database
            return _State.DAMAGED
        return _check(file)
    except OSError:
        return _State.UNUSABLE
    except UnicodeDecodeError:  # Python's module decodes even the words of an error strictly
        return _State.DAMAGED
    except sqlite3.Error as error:
        return _State.DAMAGED if is_damage(error) else _State.UNUSABLE


def _check(file: Path) -> _State:
    uri = f"{file.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
        connection.text_factory = lenient_text
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID or version < 1:
            return _State.DAMAGED
        if version > SCHEMA:
            return _State.NEWER
        if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            return _State.DAMAGED
        connection.execute(ANY_ROW).fetchall()
    return _State.GOOD


def _on_disk(file: Path, new: bool) -> Index:
    if new:
        _create(file)
    index = Index(file)
    try:
        index.count()
    except sqlite3.Error:
        index.close()
        raise
    return index


def _create(file: Path) -> None:
    """A new index appears whole: a kill half-way, or a second studio starting, never finds one without its table."""
    make_folder(file.parent)
    for ending in ("-wal", "-shm"):  # a log without its database would be played into the new one
        with suppress(FileNotFoundError):
            os.unlink(f"{file}{ending}")
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}.new")
    try:
        index = Index(draft)
        try:
            index.create()
        finally:
            index.close()
        with suppress(FileExistsError):
            rename_new(draft, file)
    finally:
        for ending in ("", "-wal", "-shm"):
            with suppress(OSError):
                os.unlink(f"{draft}{ending}")


def memory_index() -> Index:
    """An empty index that is gone when it is closed."""
    index = Index(None)
    index.create()
    return index
