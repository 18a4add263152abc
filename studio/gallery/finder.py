"""Finding pictures: listings, boards, tags, completion, similar ones. Keeps the numbers of all pictures in memory."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import date

import numpy as np

from studio.core.library import Completion, Listing, Query, Sort
from studio.core.own_root import make_folders
from studio.core.picture import Picture
from studio.core.query import parse
from studio.core.query_complete import complete
from studio.gallery.columns import Columns, current, day_runs, from_bytes, packed, to_bytes
from studio.gallery.durable import PART
from studio.gallery.index import Index
from studio.gallery.looks import Looks
from studio.gallery.rows import made_of
from studio.gallery.search import Search
from studio.gallery.shelf import Shelf

KEPT_FROM = 2000  # pictures; fewer are gathered as quickly as the cache is read
Today = Callable[[], date]


class Finder:
    """Questions to the index of a shelf. Any method may be called from any thread and raises StorageProblem when the
    index cannot be read.

    Mutable state, under a lock: the columns and looks, which belong to `_index`, and which columns are in the cache.
    """

    def __init__(self, shelf: Shelf, today: Today = date.today) -> None:
        self._shelf, self._today = shelf, today
        self._lock = threading.Lock()
        self._index: Index | None = None
        self._columns: Columns | None = None
        self._looks = Looks()
        self._kept = -1
        self._cache = shelf.folders.root / "cache" / "numbers"

    def listing(self, query: Query) -> Listing:
        """All pictures that answer a query, in order. Raises BadQuery."""
        parse(query.text, self._today())  # a wrong search is told before anything is opened
        found = self._shelf.look(lambda index: self._search(index).listing(query, self._today()))
        fresh = self._shelf.unlisted() if not query.text.strip() and not query.board else []
        return _with_unlisted(found, [(self._shelf.stand_in(picture.id), picture) for picture in fresh])

    def boards(self) -> tuple[tuple[str, int], ...]:
        """All boards by name, and how many pictures that are seen each has."""
        return self._counted("board")

    def tags(self) -> tuple[tuple[str, int], ...]:
        """All tags by name, and how many pictures that are seen each has."""
        return self._counted("tag")

    def complete(self, text: str, cursor: int) -> tuple[Completion, ...]:
        """Ways to finish the piece of a search text at `cursor`, the likeliest first."""
        return complete(text, cursor, lambda field: self._counted(field))

    def similar(self, picture_id: str, count: int) -> tuple[str, ...]:
        """Ids of pictures that look alike, the nearest first; empty while the look of `picture_id` is not known."""
        return self._shelf.look(lambda index: self._similar(index, picture_id, count))

    def children(self, picture_id: str) -> tuple[str, ...]:
        """Ids of the pictures that came from one, oldest first, also of those in the trash."""
        query = "SELECT id FROM links JOIN pictures USING (seq) WHERE parent = ? ORDER BY id"
        return self._shelf.look(lambda index: tuple(str(row[0]) for row in index.read(query, (picture_id,))))

    def keep(self) -> None:
        """Write the numbers of all pictures into the cache, so that the next start need not gather them. May not work."""
        columns, index = self._columns, self._index
        if columns is None or index is None or index.file is None or self._shelf.read_only:
            return
        if columns.changes == self._kept or len(columns) < KEPT_FROM:
            return
        with suppress(OSError):
            make_folders(self._cache.parent)
            part = self._cache.with_name(f"{self._cache.name}.{secrets.token_hex(4)}{PART}")
            try:
                part.write_bytes(to_bytes(columns))
                os.replace(part, self._cache)
                self._kept = columns.changes
            finally:
                with suppress(OSError):
                    part.unlink()

    def _cached(self, index: Index) -> Columns | None:
        if index.file is None:
            return None
        with suppress(OSError):
            columns = from_bytes(self._cache.read_bytes(), index.changes())
            if columns is not None:
                index.take_touched()
                self._kept = columns.changes
            return columns
        return None

    def _similar(self, index: Index, picture_id: str, count: int) -> tuple[str, ...]:
        seqs = index.read("SELECT seq FROM pictures WHERE id = ?", (picture_id,))
        if not seqs or count < 1:
            return ()
        search = self._search(index)
        near = self._looks.near(index, int(seqs[0][0]), 2 * count + 20)
        seen = search.columns["seq"][search.seen()]
        near = near[np.isin(near, seen)][:count]
        ids = {seq: row.id for seq, row in index.rows_at(int(seq) for seq in near).items()}
        return tuple(ids[int(seq)] for seq in near if int(seq) in ids)

    def _counted(self, kind: str) -> tuple[tuple[str, int], ...]:
        counts = self._shelf.look(lambda index: self._search(index).values(kind))
        return tuple(sorted(counts.items(), key=lambda pair: (pair[0].casefold(), pair[0])))

    def _search(self, index: Index) -> Search:
        with self._lock:
            if index is not self._index:
                self._index, self._columns, self._looks = index, self._cached(index), Looks()
            self._columns = current(index, self._columns)
            return Search(index, self._columns, self._looks)


def _with_unlisted(found: Listing, fresh: Iterable[tuple[int, Picture]]) -> Listing:
    """A listing with pictures whose row could not be written yet, at the end where new ones come."""
    pairs = list(fresh)  # newest first
    if not pairs:
        return found
    if found.query.sort is Sort.OLDEST:
        pairs.reverse()
    keys = packed(np.array([key for key, _ in pairs], np.int64))
    together = found.keys + keys if found.query.sort is Sort.OLDEST else keys + found.keys
    days = day_runs(np.array([made_of(picture.id) for _, picture in pairs], np.int64)) if found.days else ()
    runs = (*found.days, *days) if found.query.sort is Sort.OLDEST else (*days, *found.days)
    return Listing(query=found.query, keys=together, days=_joined(runs))


def _joined(runs: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    joined: list[tuple[str, int]] = []
    for day, count in runs:
        if joined and joined[-1][0] == day:
            joined[-1] = (day, joined[-1][1] + count)
        else:
            joined.append((day, count))
    return tuple(joined)
