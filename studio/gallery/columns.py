"""The numbers of all pictures in memory, 46 bytes each, so that a search at 100,000 is a few masks. Knows no texts."""

from __future__ import annotations

import json
import zlib
from array import array
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from studio.gallery.index import Index, Touched

FORMAT = 1  # of the cache file
DAY = 86_400_000_000  # microseconds
_NUMBERS = ("seq", "made", "state", "rating", "seed", "steps", "guidance", "width", "height")
_TYPES = ("i8", "i8", "u1", "u1", "i8", "i4", "f8", "i4", "i4")
_SELECTED = (
    "seq, made, min(trashed, 1) + 2 * min(missing, 1) + 4 * min(place, 1), max(0, min(rating, 5)), seed, steps, "
    "guidance, width, height"
)
TRASHED, MISSING, IMPORTED = 1, 2, 4  # bits of `state`

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Columns:
    """Arrays of one length, oldest picture first; `changes` is the index's counter they belong to."""

    changes: int
    table: dict[str, NDArray[np.generic]]

    def __len__(self) -> int:
        return len(self.table["seq"])

    def __getitem__(self, name: str) -> Ints:
        return self.table[name]  # type: ignore[return-value]  # compared and indexed with only, whatever the width

    def has(self, seqs: Ints) -> Mask:
        """Which pictures are among these row numbers."""
        mine = self["seq"]
        size = int(max(mine.max(initial=0), seqs.max(initial=0))) + 1
        among = np.zeros(size, np.bool_)
        among[seqs] = True
        return among[mine]

    def keys(self, mask: Mask) -> array[int]:
        """The row numbers of some pictures, oldest first."""
        return packed(self["seq"][mask])


def packed(seqs: Ints) -> array[int]:
    """Row numbers as the array that a Listing holds."""
    keys = array("q")
    keys.frombytes(np.ascontiguousarray(seqs, np.int64).tobytes())
    return keys


def current(index: Index, known: Columns | None) -> Columns:
    """The numbers as they are now: `known` itself, or with the rows that changed, or all read anew."""
    touched = index.take_touched()
    changes = index.changes()
    if known is not None and known.changes == changes:
        return known
    if known is not None and _is_whole_story(touched, known.changes, changes) and touched.seqs is not None:
        return _with_rows(known, index, touched.seqs, changes)
    return _sorted(changes, _load(index))


def to_bytes(columns: Columns) -> bytes:
    """The numbers for a cache file: a line of JSON, then the arrays one after the other, little-endian."""
    body = b"".join(
        columns.table[name].astype(f"<{kind}").tobytes() for name, kind in zip(_NUMBERS, _TYPES, strict=True)
    )
    head = {"format": FORMAT, "changes": columns.changes, "count": len(columns), "crc": zlib.crc32(body)}
    return json.dumps(head).encode() + b"\n" + body


def from_bytes(data: bytes, changes: int) -> Columns | None:
    """The numbers in a cache file; None when they are damaged or belong to another state of the index."""
    line, _, body = data.partition(b"\n")
    try:
        head = json.loads(line)
        fits = (head["format"], head["changes"], head["crc"]) == (FORMAT, changes, zlib.crc32(body))
        count = int(head["count"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not fits or len(body) != count * sum(np.dtype(kind).itemsize for kind in _TYPES):
        return None
    table: dict[str, NDArray[np.generic]] = {}
    at = 0
    for name, kind in zip(_NUMBERS, _TYPES, strict=True):
        table[name] = np.frombuffer(body, f"<{kind}", count, at).astype(kind, copy=False)
        at += table[name].nbytes
    return Columns(changes, table)


def seqs_of(index: Index, query: str, values: tuple[object, ...] = ()) -> Ints:
    """The row numbers of a query; `query` selects group_concat of them, which is much quicker than rows in Python."""
    found = index.read(query, values)
    return np.fromstring(found[0][0] or "", np.int64, sep=",") if found else np.empty(0, np.int64)


def day_runs(made: Ints) -> tuple[tuple[str, int], ...]:
    """Local days of moments (microseconds since 1970) in rising or falling order, and how many stand under each."""
    if not len(made):
        return ()
    days, starts = _midnights(made)
    which = np.searchsorted(starts, made, "right") - 1
    edges = np.flatnonzero(np.diff(which)) + 1
    counts = np.diff(np.concatenate(([0], edges, [len(made)])))
    firsts = which[np.concatenate(([0], edges))]
    return tuple((days[day].isoformat(), int(count)) for day, count in zip(firsts, counts, strict=True))


def midnight(day: date) -> int:
    """The moment a local day begins, microseconds since 1970."""
    try:
        return int(datetime.combine(day, time()).timestamp()) * 1_000_000
    except (OverflowError, ValueError, OSError):  # the first and last years of the calendar
        return (day - date(1970, 1, 1)).days * DAY


def _midnights(made: Ints) -> tuple[list[date], Ints]:
    first = date(1970, 1, 1)
    numbers = {int(n) + shift for n in np.unique(made // DAY) for shift in (-1, 0, 1)}
    days = [first + timedelta(days=number) for number in sorted(numbers)]
    return days, np.array([midnight(day) for day in days], np.int64)


def _is_whole_story(touched: Touched, before: int, after: int) -> bool:
    return touched.before == before and touched.after == after


def _load(index: Index) -> dict[str, NDArray[np.generic]]:
    parts = ", ".join(f"group_concat({part})" for part in ("a", "b", "c", "d", "e", "f", "g", "h", "i"))
    names = f"WITH numbers (a, b, c, d, e, f, g, h, i) AS (SELECT {_SELECTED} FROM pictures)"
    texts = index.read(f"{names} SELECT {parts} FROM numbers")[0]
    return {
        name: np.fromstring(text or "", kind if kind == "f8" else "i8", sep=",").astype(kind)
        for name, kind, text in zip(_NUMBERS, _TYPES, texts, strict=True)
    }


def _with_rows(known: Columns, index: Index, seqs: frozenset[int], changes: int) -> Columns:
    if not seqs:
        return replace(known, changes=changes)
    marks = ", ".join("?" * len(seqs))
    rows = index.read(f"SELECT {_SELECTED} FROM pictures WHERE seq IN ({marks})", tuple(seqs))
    kept = ~known.has(np.array(sorted(seqs), np.int64))
    parts = list(zip(*rows, strict=True)) or [()] * len(_NUMBERS)
    table = {
        name: np.concatenate((known.table[name][kept], np.array(parts[at], kind)))
        for at, (name, kind) in enumerate(zip(_NUMBERS, _TYPES, strict=True))
    }
    return _sorted(changes, table)


def _sorted(changes: int, table: dict[str, NDArray[np.generic]]) -> Columns:
    made: Ints = table["made"]  # type: ignore[assignment]  # i8 by _TYPES
    if len(made) and np.any(made[1:] < made[:-1]):
        order = np.argsort(made, kind="stable")
        table = {name: column[order] for name, column in table.items()}
    return Columns(changes, table)
