"""The table of pictures: rows and queries. The PNGs are the truth; this is their index. Knows no folders and no PNG."""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from studio.core.library import Marks
from studio.gallery.marks import marks_from_text, marks_text
from studio.gallery.network import is_on_network
from studio.gallery.rows import Entry, Row, entry_of, mark_facets, tag_words
from studio.gallery.schema import APPLICATION_ID, SCHEMA, TABLES, WORDS
from studio.gallery.words import spaced

BUSY_SECONDS = 5.0
TOUCHED_MAX = 2000  # rows changed since last asked; above, everything is read anew

_COLUMNS = ", ".join(Row._fields)
_ABOUT = (("facets", "seq"), ("links", "seq"), ("looks", "seq"), ("words", "rowid"), ("pictures", "seq"))
_SEEN = "trashed = 0 AND missing = 0"
_INSERT = (
    f"INSERT INTO pictures ({_COLUMNS}, made, seed, steps, guidance, rating) "
    f"VALUES ({', '.join('?' * (len(Row._fields) + 5))}) ON CONFLICT (id) DO NOTHING"
)


GONE, UNREAD = 1, 2


class Place(NamedTuple):
    """Where a picture is: what the repair compares with the folders."""

    id: str
    file: str
    trashed: int
    missing: int


class Folder(NamedTuple):
    """A folder of the artist's that is shown but never touched. `gone`: GONE, it was not there when last looked at;
    UNREAD, it is there, but was not looked through to its end yet."""

    seq: int
    folder: str
    watched: int
    gone: int


class Touched(NamedTuple):
    """What this process changed: the change counter before and after, and the rows; None stands for all."""

    before: int
    after: int
    seqs: frozenset[int] | None


class Index:
    """One writer connection, which alone writes and checkpoints, and a short read-only connection for each query.

    `file` None keeps the table in memory; `read_only` never writes to the file. Every method may be called from any
    thread and may raise sqlite3.Error.
    """

    def __init__(self, file: Path | None, read_only: bool = False) -> None:
        self.file, self.read_only = file, read_only
        self._lock = threading.RLock()
        self._writer = connect(file, read_only)
        self._touched = Touched(0, 0, frozenset())

    def create(self) -> None:
        """Make the tables in an empty database."""
        with self._lock:
            self._writer.executescript(
                f"BEGIN;{TABLES}PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {SCHEMA};COMMIT;"
            )
        self.count_anew()

    def count_anew(self) -> None:
        """Let the change counter begin at a number of its own, so that no cache of another index is taken for ours."""
        with self._writing() as writer:
            writer.execute("UPDATE state SET value = ? WHERE name = 'changes'", (secrets.randbits(40) << 20,))
            self._touch([])

    def insert(self, entries: Iterable[Entry]) -> int:
        """Add pictures, how many; one whose id is there already is left out."""
        with self._writing() as writer:
            seqs = _insert(writer, entries)
            self._touch(seqs)
        return len(seqs)

    def move(self, places: Iterable[Place]) -> None:
        """Say anew where pictures are and whether they are in the trash or missing."""
        values = [(place.file, place.trashed, place.missing, place.id) for place in places]
        with self._writing() as writer:
            writer.executemany("UPDATE pictures SET file = ?, trashed = ?, missing = ? WHERE id = ?", values)
            self._touch(self._seqs(writer, [value[3] for value in values]))

    def set_marks(self, marks: dict[str, Marks], hidden: dict[str, bool], journal: int) -> None:
        """Write marks by id, which pictures of other folders are hidden, and up to where the journal is known.

        Unknown ids are passed over, and what is so already is not written.
        """
        with self._writing() as writer:
            seqs = [seq for seq in (_set_marks(writer, *item) for item in marks.items()) if seq]
            for picture_id, is_hidden in hidden.items():
                query = "UPDATE pictures SET trashed = ? WHERE id = ? AND place > 0 AND trashed <> ? RETURNING seq"
                seqs += [row[0] for row in writer.execute(query, (int(is_hidden), picture_id, int(is_hidden)))]
            query = "UPDATE state SET value = ? WHERE name = 'journal' AND value <> ?"
            if writer.execute(query, (journal, journal)).rowcount or seqs:
                self._touch(seqs)

    def check_words(self) -> None:
        """Compare the full-text index with its texts, which SQLite's own check does not. Raises sqlite3.Error."""
        with self._writing() as writer:
            writer.execute("INSERT INTO words (words) VALUES ('integrity-check')")

    def forget(self, ids: Iterable[str]) -> None:
        """Take pictures out of the table for good."""
        with self._writing() as writer:
            gone = self._seqs(writer, list(ids))
            _forget(writer, gone)
            self._touch(gone)

    def describe_anew(self) -> None:
        """Make words, facets and links of all rows again; for tables that do not belong together."""
        with self._writing() as writer:
            writer.execute("DROP TABLE words")
            writer.execute(WORDS)
            for table in ("facets", "links"):
                writer.execute(f"DELETE FROM {table}")
            writer.execute("DELETE FROM looks WHERE seq NOT IN (SELECT seq FROM pictures)")
            rows = writer.execute(f"SELECT seq, {_COLUMNS} FROM pictures")
            while batch := rows.fetchmany(1000):
                for seq, *fields in batch:
                    entry = entry_of(Row(*fields))
                    numbers = (entry.made, entry.seed, entry.steps, entry.guidance, entry.rating, seq)
                    writer.execute(
                        "UPDATE pictures SET made = ?, seed = ?, steps = ?, guidance = ?, rating = ? WHERE seq = ?",
                        numbers,
                    )
                    _describe(writer, seq, entry)
            self._touch([])
            self._touched = self._touched._replace(seqs=None)

    def is_described(self) -> bool:
        """Whether there are words for each picture, as a cheap sign that all tables belong together."""
        counts = self.read("SELECT (SELECT count(*) FROM pictures), (SELECT count(*) FROM words_docsize)")[0]
        return bool(counts[0] == counts[1])

    def set_looks(self, looks: Iterable[tuple[int, bytes]]) -> None:
        """Keep how pictures look, by row number."""
        with self._writing() as writer:
            writer.executemany("INSERT OR REPLACE INTO looks VALUES (?, ?)", looks)
            self._touch([])

    def set_folders(self, folders: Iterable[Folder], left: Iterable[int] = ()) -> None:
        """Write the list of other folders anew, and forget the rows of those that `left` it."""
        with self._writing() as writer:
            writer.execute("DELETE FROM places")
            writer.executemany("INSERT INTO places VALUES (?, ?, ?, ?)", folders)
            gone = [seq for place in left for seq in _of_place(writer, place)]
            _forget(writer, gone)
            self._touch(gone)

    def get(self, picture_id: str) -> Row | None:
        """The row of an id, also of a picture in the trash."""
        return next(iter(self.rows_of([picture_id])), None)

    def at(self, place: int, file: str) -> Row | None:
        """The row of a file of another folder that is not missing."""
        query = f"SELECT {_COLUMNS} FROM pictures WHERE place = ? AND file = ? AND missing = 0"
        return next((Row._make(row) for row in self.read(query, (place, file))), None)

    def rows_of(self, ids: Iterable[str]) -> list[Row]:
        """The rows of ids in no order; unknown ones are left out."""
        query = f"SELECT {_COLUMNS} FROM pictures WHERE id IN (SELECT value FROM json_each(?))"
        return [Row._make(row) for row in self.read(query, (json.dumps(list(ids)),))]

    def rows_at(self, seqs: Iterable[int]) -> dict[int, Row]:
        """Rows by their numbers; unknown ones are left out."""
        query = f"SELECT seq, {_COLUMNS} FROM pictures WHERE seq IN (SELECT value FROM json_each(?))"
        return {row[0]: Row._make(row[1:]) for row in self.read(query, (json.dumps(list(seqs)),))}

    def page(self, offset: int, limit: int) -> list[Row]:
        """Rows of the pictures that can be seen, newest first: ids sort by time."""
        query = f"SELECT {_COLUMNS} FROM pictures WHERE {_SEEN} ORDER BY id DESC LIMIT ? OFFSET ?"
        return [Row._make(row) for row in self.read(query, (limit, offset))]

    def count(self) -> int:
        """How many pictures can be seen."""
        return int(self.read(f"SELECT count(*) FROM pictures WHERE {_SEEN}")[0][0])

    def is_empty(self) -> bool:
        """Whether there is no picture at all, also none in the trash."""
        return not self.read("SELECT 1 FROM pictures LIMIT 1")

    def places(self, folder: int = 0) -> list[Place]:
        """Where every picture known in a folder was when last looked at; 0 is our own."""
        query = "SELECT id, file, trashed, missing FROM pictures WHERE place = ?"
        return [Place._make(row) for row in self.read(query, (folder,))]

    def places_of(self, ids: Iterable[str]) -> list[Place]:
        """Where pictures are by their ids, in no order; unknown ones are left out."""
        query = "SELECT id, file, trashed, missing FROM pictures WHERE id IN (SELECT value FROM json_each(?))"
        return [Place._make(row) for row in self.read(query, (json.dumps(list(ids)),))]

    def folders(self) -> list[Folder]:
        """The other folders whose pictures are shown."""
        return [Folder._make(row) for row in self.read("SELECT seq, folder, watched, gone FROM places ORDER BY seq")]

    def counts_by_place(self) -> dict[int, int]:
        """How many pictures that can be seen lie in each other folder, by its number."""
        query = f"SELECT place, count(*) FROM pictures WHERE place > 0 AND {_SEEN} GROUP BY place"
        return {int(place): int(count) for place, count in self.read(query)}

    def last_id(self, before: str) -> str:
        """The greatest id below `before`, "" when there is none."""
        return str(self.read("SELECT coalesce(max(id), '') FROM pictures WHERE id < ?", (before,))[0][0])

    def journal_at(self) -> int:
        """How many bytes of the journal of marks are in these rows."""
        return int(self.read("SELECT value FROM state WHERE name = 'journal'")[0][0])

    def changes(self) -> int:
        """A number that grows with every change by any process."""
        return int(self.read("SELECT value FROM state WHERE name = 'changes'")[0][0])

    def take_touched(self) -> Touched:
        """What this process changed since the last call."""
        with self._lock:
            touched = self._touched
            self._touched = Touched(touched.after, touched.after, frozenset())
            return touched

    def close(self) -> None:
        """Bring everything into the one file and let go of it."""
        with self._lock:
            self._writer.close()

    def read(self, query: str, values: tuple[object, ...] = ()) -> list[Any]:  # Any: what the columns hold
        """All rows of one query, by a connection of its own that is gone when this returns."""
        if self.file is None:
            with self._lock:
                return self._writer.execute(query, values).fetchall()
        with closing(connect_to_read(self.file)) as reader:
            return reader.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if self.read_only:
            raise sqlite3.OperationalError("attempt to write a readonly database")
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                self._touched = self._touched._replace(seqs=None)
                raise

    def _touch(self, seqs: Iterable[int]) -> None:
        """Count a change, and remember which rows it was about."""
        query = "UPDATE state SET value = value + 1 WHERE name = 'changes' RETURNING value"
        now = int(self._writer.execute(query).fetchone()[0])
        old, fresh = self._touched, frozenset(seqs)
        if old.before == old.after:  # nothing is waiting to be told
            self._touched = Touched(now - 1, now, fresh)
        elif old.seqs is None or now != old.after + 1 or len(old.seqs | fresh) > TOUCHED_MAX:
            self._touched = Touched(old.before, now, None)  # another process wrote in between, or it is too much
        else:
            self._touched = Touched(old.before, now, old.seqs | fresh)

    @staticmethod
    def _seqs(writer: sqlite3.Connection, ids: list[str]) -> list[int]:
        query = "SELECT seq FROM pictures WHERE id IN (SELECT value FROM json_each(?))"
        return [row[0] for row in writer.execute(query, (json.dumps(ids),))]


def lenient_text(stored: bytes) -> str:
    """Text of a row; damaged letters are for its checksum to find and not an error of the whole page."""
    return stored.decode("utf-8", "replace")


def connect(file: Path | None, read_only: bool = False) -> sqlite3.Connection:
    """A connection that writes, every commit on disk before it returns. Raises sqlite3.Error.

    With a write-ahead log, but not on a network share, where its shared memory cannot work.
    """
    if read_only and file is not None:
        return connect_to_read(file, check_same_thread=False)
    target = ":memory:" if file is None else str(file)
    connection = sqlite3.connect(target, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.text_factory = lenient_text
    try:
        shared = file is not None and is_on_network(file)
        connection.execute(f"PRAGMA journal_mode = {'DELETE' if shared else 'WAL'}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def connect_to_read(file: Path, check_same_thread: bool = True) -> sqlite3.Connection:
    """A connection that cannot write. Raises sqlite3.Error."""
    uri = f"{file.absolute().as_uri()}?mode=ro"
    reader = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=check_same_thread)
    reader.text_factory = lenient_text
    return reader


def _insert(writer: sqlite3.Connection, entries: Iterable[Entry]) -> list[int]:
    seqs = []
    for entry in entries:
        numbers = (entry.made, entry.seed, entry.steps, entry.guidance, entry.rating)
        done = writer.execute(_INSERT, (*entry.row, *numbers))
        if done.rowcount > 0 and done.lastrowid:
            _describe(writer, done.lastrowid, entry)
            seqs.append(done.lastrowid)
    return seqs


def _describe(writer: sqlite3.Connection, seq: int, entry: Entry) -> None:
    """Write words, facets and links of a new row."""
    query = "INSERT OR REPLACE INTO words (rowid, prompt, raw, negative, note, tags) VALUES (?, ?, ?, ?, ?, ?)"
    writer.execute(query, (seq, *entry.words))
    facets = [(*facet, seq) for facet in entry.facets]
    writer.executemany("INSERT OR IGNORE INTO facets VALUES (?, ?, ?)", facets)
    if entry.parents:
        links = [(parent, seq) for parent in entry.parents]
        writer.executemany("INSERT OR IGNORE INTO links VALUES (?, ?)", links)


def _of_place(writer: sqlite3.Connection, place: int) -> list[int]:
    return [row[0] for row in writer.execute("SELECT seq FROM pictures WHERE place = ?", (place,))]


def _forget(writer: sqlite3.Connection, seqs: list[int]) -> None:
    listed = (json.dumps(seqs),)
    for table, column in _ABOUT:
        writer.execute(f"DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))", listed)


def _set_marks(writer: sqlite3.Connection, picture_id: str, marks: Marks) -> int:
    """The row that was changed, 0 for an unknown id or where nothing changes."""
    row = writer.execute("SELECT seq, marks FROM pictures WHERE id = ?", (picture_id,)).fetchone()
    text = marks_text(marks)
    if row is None or row[1] == text:
        return 0
    seq = int(row[0])
    writer.execute("UPDATE pictures SET marks = ?, rating = ? WHERE seq = ?", (text, marks.rating, seq))
    old, new = mark_facets(marks_from_text(row[1])), mark_facets(marks)
    gone = [(*facet, seq) for facet in old if facet not in new]
    writer.executemany("DELETE FROM facets WHERE kind = ? AND value = ? AND seq = ?", gone)
    writer.executemany("INSERT OR IGNORE INTO facets VALUES (?, ?, ?)", [(*facet, seq) for facet in new])
    words = (spaced(marks.note), tag_words(marks), seq)
    writer.execute("UPDATE words SET note = ?, tags = ? WHERE rowid = ?", words)
    return seq
