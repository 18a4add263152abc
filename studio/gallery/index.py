"""The table of pictures: rows and queries. The PNGs are the truth; this is their index. Knows no folders and no PNG."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

APPLICATION_ID = 0x44535455  # "DSTU"
SCHEMA = 1
BUSY_SECONDS = 5.0

_TABLES = """
CREATE TABLE pictures (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    file TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    created TEXT NOT NULL,
    prompt TEXT NOT NULL,
    recipe TEXT NOT NULL,
    made_with TEXT NOT NULL,
    checksum INTEGER NOT NULL,
    trashed INTEGER NOT NULL DEFAULT 0,
    missing INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX pictures_seen ON pictures (id) WHERE trashed = 0 AND missing = 0;
"""
_COLUMNS = "id, file, width, height, created, prompt, recipe, made_with, checksum, trashed, missing"
ANY_ROW = f"SELECT {_COLUMNS} FROM pictures LIMIT 1"  # fails when the table is not as this version needs it
_SEEN = "trashed = 0 AND missing = 0"


class Row(NamedTuple):
    """One picture in the table. `file` is relative to the pictures folder, or to the trash with `trashed`."""

    id: str
    file: str
    width: int
    height: int
    created: str
    prompt: str
    recipe: str
    made_with: str
    checksum: int  # of what does not change, because SQLite does not notice a changed letter
    trashed: int = 0
    missing: int = 0


class Place(NamedTuple):
    """Where a picture is: what the repair compares with the folders."""

    id: str
    file: str
    trashed: int
    missing: int


class Index:
    """One writer connection, which alone writes and checkpoints, and a short read-only connection for each query.

    `file` None keeps the table in memory. Every method may be called from any thread and may raise sqlite3.Error.
    """

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self._lock = threading.RLock()
        self._writer = connect(file)

    def create(self) -> None:
        """Make the table in an empty database."""
        with self._lock:
            self._writer.executescript(
                f"BEGIN;{_TABLES}PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {SCHEMA};COMMIT;"
            )

    def insert(self, rows: Iterable[Row]) -> None:
        """Add rows; a row whose id is there already is left out."""
        marks = ", ".join("?" * len(Row._fields))
        with self._writing() as writer:
            writer.executemany(f"INSERT INTO pictures ({_COLUMNS}) VALUES ({marks}) ON CONFLICT (id) DO NOTHING", rows)

    def move(self, places: Iterable[Place]) -> None:
        """Say anew where pictures are and whether they are in the trash or missing."""
        values = [(place.file, place.trashed, place.missing, place.id) for place in places]
        with self._writing() as writer:
            writer.executemany("UPDATE pictures SET file = ?, trashed = ?, missing = ? WHERE id = ?", values)

    def get(self, picture_id: str) -> Row | None:
        """The row of an id, also of a picture in the trash."""
        rows = self._read(f"SELECT {_COLUMNS} FROM pictures WHERE id = ?", (picture_id,))
        return Row._make(rows[0]) if rows else None

    def page(self, offset: int, limit: int) -> list[Row]:
        """Rows of the pictures that can be seen, newest first: ids sort by time."""
        query = f"SELECT {_COLUMNS} FROM pictures WHERE {_SEEN} ORDER BY id DESC LIMIT ? OFFSET ?"
        return [Row._make(row) for row in self._read(query, (limit, offset))]

    def count(self) -> int:
        """How many pictures can be seen."""
        return int(self._read(f"SELECT count(*) FROM pictures WHERE {_SEEN}")[0][0])

    def places(self) -> list[Place]:
        """Where every known picture was when last looked at."""
        return [Place._make(row) for row in self._read("SELECT id, file, trashed, missing FROM pictures")]

    def last_id(self, before: str) -> str:
        """The greatest id below `before`, "" when there is none."""
        return str(self._read("SELECT coalesce(max(id), '') FROM pictures WHERE id < ?", (before,))[0][0])

    def close(self) -> None:
        """Bring everything into the one file and let go of it."""
        with self._lock:
            self._writer.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def _read(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:  # Any: what the columns hold
        if self.file is None:
            with self._lock:
                return self._writer.execute(query, values).fetchall()
        uri = f"{self.file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as reader:
            reader.text_factory = lenient_text
            return reader.execute(query, values).fetchall()


def lenient_text(stored: bytes) -> str:
    """Text of a row; damaged letters are for its checksum to find and not an error of the whole page."""
    return stored.decode("utf-8", "replace")


def connect(file: Path | None) -> sqlite3.Connection:
    """A connection that writes: write-ahead log, every commit on disk before it returns. Raises sqlite3.Error."""
    target = ":memory:" if file is None else str(file)
    connection = sqlite3.connect(target, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.text_factory = lenient_text
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error:
        connection.close()
        raise
    return connection
