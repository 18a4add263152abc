"""Rows in order, quick at any length: which key stands in a row, in which row a key stands, and the days they fall on.

Nothing of Qt in here, so that a background thread may build it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate

BLOCK = 1024  # keys; a block is split when it holds twice as many


class _Block:
    """Keys that stand next to each other; `number` is its place among the blocks while the starts are valid."""

    __slots__ = ("keys", "number")

    def __init__(self, keys: array[int]) -> None:
        self.keys = keys
        self.number = 0


class RowOrder:
    """Distinct whole numbers in an order. Row, key, insert and remove cost the same at 100 and at 100,000 rows.

    A list of short blocks: a map says in which block a key stands, so neither finding nor inserting goes through all.
    Mutable state: `_blocks`, `_block_of`, `_starts` (the row each block begins with; empty while it has to be counted).
    """

    def __init__(self, keys: Iterable[int] = ()) -> None:
        flat = keys if isinstance(keys, array) else array("q", keys)
        self._blocks = [_Block(flat[at : at + BLOCK]) for at in range(0, len(flat), BLOCK)] or [_Block(array("q"))]
        self._block_of: dict[int, _Block] = {}
        for block in self._blocks:
            self._block_of.update(dict.fromkeys(block.keys, block))
        self._starts: list[int] = []

    def __len__(self) -> int:
        return len(self._block_of)

    def __contains__(self, key: int) -> bool:
        return key in self._block_of

    def __iter__(self) -> Iterator[int]:
        return (key for block in self._blocks for key in block.keys)

    def keys(self) -> array[int]:
        """All keys in order, as a copy."""
        flat = array("q")
        for block in self._blocks:
            flat += block.keys
        return flat

    def key(self, row: int) -> int:
        """The key in a row of 0 ... len - 1. Raises IndexError."""
        if row < 0:
            raise IndexError(row)
        block, at = self._place(row)
        return block.keys[at]  # raises IndexError behind the last

    def span(self, first: int, last: int) -> array[int]:
        """The keys of the rows `first` ... `last` - 1, cut to the rows there are."""
        first, last = max(0, first), min(last, len(self))
        found = array("q")
        while first < last:
            block, at = self._place(first)
            part = block.keys[at : at + last - first]
            found += part
            first += len(part)
        return found

    def row(self, key: int) -> int:
        """The row of a key, -1 if it is not here."""
        block = self._block_of.get(key)
        return -1 if block is None else self._counted()[block.number] + block.keys.index(key)

    def insert(self, row: int, key: int) -> None:
        """Put a new key into a row of 0 ... len; those from there on move down."""
        block, at = self._place(row)
        block.keys.insert(at, key)
        self._block_of[key] = block
        if len(block.keys) >= 2 * BLOCK:
            half = _Block(block.keys[BLOCK:])
            del block.keys[BLOCK:]
            self._block_of.update(dict.fromkeys(half.keys, half))
            self._blocks.insert(self._blocks.index(block) + 1, half)
        self._starts = []

    def remove(self, row: int) -> int:
        """Take the key of a row out and give it back."""
        block, at = self._place(row)
        key = block.keys.pop(at)
        del self._block_of[key]
        if not block.keys and len(self._blocks) > 1:
            self._blocks.remove(block)
        self._starts = []
        return key

    def rename(self, old: int, new: int) -> None:
        """Let another key stand where `old` stood."""
        block = self._block_of.pop(old)
        block.keys[block.keys.index(old)] = new
        self._block_of[new] = block

    def _place(self, row: int) -> tuple[_Block, int]:
        starts = self._counted()
        number = bisect_right(starts, row) - 1
        return self._blocks[number], row - starts[number]

    def _counted(self) -> list[int]:
        if not self._starts:
            self._starts = [0, *accumulate(len(block.keys) for block in self._blocks[:-1])]
            for number, block in enumerate(self._blocks):
                block.number = number
        return self._starts


class Days:
    """How many rows stand under each day, in the order of the rows: ("2026-11-25", 14), ... Empty: no days are told."""

    def __init__(self, days: Iterable[tuple[str, int]] = ()) -> None:
        self._days = [(day, count) for day, count in days if count]

    def all(self) -> tuple[tuple[str, int], ...]:
        """The days with their counts."""
        return tuple(self._days)

    def add(self, row: int, day: str) -> None:
        """A row of this day came to stand at `row`; a day of its own begins there unless a neighbour is of that day."""
        start = 0
        for number, (name, count) in enumerate(self._days):
            end = start + count
            if start <= row <= end and (name == day or start < row < end):
                self._days[number] = (name, count + 1)
                return
            if row == start:
                self._days.insert(number, (day, 1))
                return
            start = end
        self._days.append((day, 1))

    def remove(self, row: int) -> None:
        """The row went away."""
        start = 0
        for number, (name, count) in enumerate(self._days):
            if start <= row < start + count:
                self._days[number : number + 1] = [(name, count - 1)] if count > 1 else []
                return
            start += count
