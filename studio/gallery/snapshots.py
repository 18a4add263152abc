"""Copies of the index by SQLite's own backup: daily and before each migration. One counts only after it was checked."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from studio.core.safe_files import sync_names
from studio.gallery.durable import make_folder, rename_new
from studio.gallery.index import BUSY_SECONDS, connect_to_read
from studio.gallery.schema import APPLICATION_ID, SCHEMA

KEPT = 10
BYTES_MAX = 2_000_000_000  # of all snapshots together; the newest two are kept whatever their size
_PREFIX = "index-"


def folder_of(index: Path) -> Path:
    """Where the snapshots of an index lie."""
    return index.parent / "snapshots"


def take(index: Path, why: str) -> Path | None:
    """A checked snapshot of an index file, None when its rows do not hold what SQLite demands.

    `why` is a word for its name ("daily", "schema-1"). Raises sqlite3.Error, OSError; then nothing is left behind.
    """
    folder = folder_of(index)
    make_folder(folder)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    part = folder / f"{_PREFIX}{stamp}-{why}.{secrets.token_hex(4)}.part"
    try:
        with closing(connect_to_read(index)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file, no log beside it
        if not is_sound(part):
            return None
        _sync(part)
        kept = folder / f"{_PREFIX}{stamp}-{why}.sqlite3"
        with suppress(FileExistsError):
            rename_new(part, kept)
        sync_names(folder)
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                os.unlink(f"{part}{ending}")
    prune(folder)
    return kept


def is_taken(index: Path, now: datetime) -> bool:
    """Whether there is a snapshot of this day (UTC) already."""
    today = f"{_PREFIX}{now.strftime('%Y%m%d')}-"
    return any(file.name.startswith(today) for file in newest_first(folder_of(index)))


def newest_first(folder: Path) -> list[Path]:
    """All snapshots, the newest first: their names begin with the time."""
    try:
        return sorted(folder.glob(f"{_PREFIX}*.sqlite3"), reverse=True)
    except OSError:
        return []


def sound_ones(index: Path) -> Iterator[Path]:
    """Snapshots that a damaged index can be replaced by, the newest first."""
    return (file for file in newest_first(folder_of(index)) if is_sound(file))


def is_sound(file: Path) -> bool:
    """Whether a file is an index of ours, not newer than this studio, and passes SQLite's checks with rows in it."""
    try:
        if file.stat().st_size == 0:  # which SQLite calls a sound empty database
            return False
        uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                return False
            if not 1 <= version <= SCHEMA or connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                return False
            return connection.execute("SELECT 1 FROM pictures LIMIT 1").fetchone() is not None
    except (OSError, sqlite3.Error, UnicodeDecodeError):
        return False


def prune(folder: Path) -> None:
    """Keep the newest ten, and fewer where they are very large."""
    room = BYTES_MAX
    for number, file in enumerate(newest_first(folder)):
        with suppress(OSError):
            room -= file.stat().st_size
            if number >= KEPT or (number >= 2 and room < 0):
                file.unlink()


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
