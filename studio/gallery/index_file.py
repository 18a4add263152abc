"""Opening the index whatever state its file is in: a damaged one is set aside, a newer one left alone. Never fatal."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path

from studio.gallery import snapshots
from studio.gallery.durable import make_folder, rename_new
from studio.gallery.index import BUSY_SECONDS, Index, lenient_text
from studio.gallery.migration import migrate
from studio.gallery.schema import APPLICATION_ID, PROBE_1, PROBES, SCHEMA

CHECKED_AT_ONCE = 16_000_000  # bytes; a larger file is read through in the background (`GalleryStore.care`)
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT}
_NEWER = "The history index was written by a newer Diffusion Studio; it is left as it is and another one is used."
_REBUILT = "The history index was damaged and is rebuilt from the pictures; the old file is kept as {}."
_RESTORED = (
    "The history index was damaged and is restored from the copy {} and the pictures; the old file is kept as {}."
)
IN_MEMORY = "The history index cannot be written, so it lives in memory and is built from the pictures at each start."


class _State(Enum):
    ABSENT = auto()
    GOOD = auto()
    OLDER = auto()
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
    if state is _State.OLDER:
        state = _migrated(file)
    if state in (_State.DAMAGED, _State.NEWER):
        kept = set_aside(file)
        if kept is None:
            return memory_index(), (*notices, IN_MEMORY)
        copy = _restore(file)
        notices.append(_RESTORED.format(copy, kept.name) if copy else _REBUILT.format(kept.name))
        state = _look_at(file)
    if state is not _State.UNUSABLE:
        with suppress(sqlite3.Error, OSError):
            return _on_disk(file, new=state is _State.ABSENT), tuple(notices)
    return memory_index(), (*notices, IN_MEMORY)


def open_to_read(file: Path) -> Index | None:
    """An index that another studio has open, only to look at; None when it cannot be used as it is."""
    if _look_at(file, check=False) is not _State.GOOD:
        return None
    with suppress(sqlite3.Error, OSError):
        return Index(file, read_only=True)
    return None


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


def is_sound(file: Path) -> bool:
    """Whether the whole file passes SQLite's checks: reads all of it. What cannot be read at the moment is not damage."""
    return _look_at(file, check=True) is not _State.DAMAGED


def memory_index() -> Index:
    """An empty index that is gone when it is closed."""
    index = Index(None)
    index.create()
    return index


def _look_at(file: Path, check: bool | None = None) -> _State:
    try:
        if not os.path.lexists(file):
            return _State.ABSENT
        if not file.is_file() or file.stat().st_size == 0:  # SQLite calls a file of zero bytes a sound empty database
            return _State.DAMAGED
        return _check(file, file.stat().st_size <= CHECKED_AT_ONCE if check is None else check)
    except OSError:
        return _State.UNUSABLE
    except UnicodeDecodeError:  # Python's module decodes even the words of an error strictly
        return _State.DAMAGED
    except sqlite3.Error as error:
        return _State.DAMAGED if is_damage(error) else _State.UNUSABLE


def _check(file: Path, whole: bool) -> _State:
    uri = f"{file.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
        connection.text_factory = lenient_text
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID or version < 1:
            return _State.DAMAGED
        if version > SCHEMA:
            return _State.NEWER
        if whole and connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
            return _State.DAMAGED
        for probe in (PROBE_1,) if version < SCHEMA else PROBES:
            connection.execute(probe).fetchall()
        if version == SCHEMA and connection.execute("SELECT count(*) FROM state").fetchone()[0] != 2:
            return _State.DAMAGED
    return _State.GOOD if version == SCHEMA else _State.OLDER


def _migrated(file: Path) -> _State:
    """What became of an older index: when its rows cannot be brought over, it is built anew from the pictures."""
    try:
        migrate(file, 1)
    except OSError:
        return _State.UNUSABLE
    except sqlite3.Error as error:
        return _State.DAMAGED if is_damage(error) else _State.UNUSABLE
    return _look_at(file)


def _restore(file: Path) -> str:
    """Put the newest sound snapshot in the place of a lost index: its name, or "" when there is none."""
    for copy in snapshots.sound_ones(file):
        draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}.new")
        try:
            shutil.copyfile(copy, draft)
            rename_new(draft, file)
            if _look_at(file) is _State.OLDER:
                migrate(file, 1)
            if _look_at(file) is _State.GOOD:
                with closing(Index(file)) as index:
                    index.count_anew()
                return copy.name
        except (OSError, sqlite3.Error):
            pass
        with suppress(OSError):
            draft.unlink()
        set_aside(file)
    return ""


def _on_disk(file: Path, new: bool) -> Index:
    if new:
        _create(file)
    index = Index(file)
    try:
        index.page(0, 1)
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
