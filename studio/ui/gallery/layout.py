"""Where each tile of a grid stands, by arithmetic: days as sections with a heading, square cells of one size."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil

HEADING_PX = 36
TOP_PX, BOTTOM_PX = 0, 12


@dataclass(frozen=True, slots=True)
class Section:
    """A day: its rows `first` ... `first + count - 1`, and where it begins; `day` is "" for one without a heading."""

    day: str
    first: int
    count: int
    top: int  # of the heading
    tiles: int  # where its first line of tiles begins


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in the grid: pixels from its upper left corner, over all of its height."""

    x: int
    y: int
    width: int
    height: int


class GridLayout:
    """Rows to places and back, each in the time it takes to find a day among the days. Holds no Qt objects.

    `width` is the room for tiles, `wish` about how large a cell should be; cells share the width evenly.
    """

    def __init__(self, count: int, days: Iterable[tuple[str, int]], width: int, wish: int) -> None:
        self.count = count
        self.columns = max(1, round(width / max(1, wish)))
        self.cell = max(24, width // self.columns)
        self.left = max(0, (width - self.cell * self.columns) // 2)
        self.sections: list[Section] = []
        told = [(day, number) for day, number in days if number]
        if sum(number for _, number in told) != count:
            told = [("", count)] if count else []
        y, first = TOP_PX, 0
        for day, number in told:
            tiles = y + (HEADING_PX if day else 0)
            self.sections.append(Section(day, first, number, y, tiles))
            y = tiles + ceil(number / self.columns) * self.cell
            first += number
        self.height = y + BOTTOM_PX
        self._firsts = [section.first for section in self.sections]
        self._tops = [section.top for section in self.sections]

    @property
    def has_days(self) -> bool:
        """Whether the rows stand under days at all."""
        return bool(self.sections and self.sections[0].day)

    def section_of(self, row: int) -> Section:
        """The day of a row."""
        return self.sections[max(0, bisect_right(self._firsts, row) - 1)]

    def box(self, row: int) -> Box:
        """The cell of a row."""
        section = self.section_of(row)
        line, column = divmod(row - section.first, self.columns)
        return Box(self.left + column * self.cell, section.tiles + line * self.cell, self.cell, self.cell)

    def row_at(self, x: int, y: int) -> int:
        """The row whose cell holds this point, -1 if none does."""
        column, rest = divmod(x - self.left, self.cell)
        if not 0 <= column < self.columns or not self.sections or rest < 0:
            return -1
        section = self._section_at(y)
        if y < section.tiles:
            return -1
        place = (y - section.tiles) // self.cell * self.columns + column
        return section.first + place if place < section.count else -1

    def rows_between(self, top: int, bottom: int) -> range:
        """The rows whose cells reach into a strip of the grid."""
        if not self.sections or bottom <= top:
            return range(0)
        begin, end = self._section_at(top), self._section_at(bottom - 1)
        first = begin.first + min(begin.count, max(0, (top - begin.tiles) // self.cell) * self.columns)
        lines = max(0, ceil((bottom - end.tiles) / self.cell))
        return range(first, end.first + min(end.count, lines * self.columns))

    def headings_between(self, top: int, bottom: int) -> Iterator[Section]:
        """The days whose heading reaches into a strip of the grid."""
        at = max(0, bisect_right(self._tops, top) - 1)
        while at < len(self.sections) and self.sections[at].top < bottom:
            section = self.sections[at]
            if section.day and section.tiles > top:
                yield section
            at += 1

    def pinned(self, y: int) -> tuple[Section, int] | None:
        """The day whose heading has gone past the edge at `y` while its tiles still go by, and where its heading stands
        then: 0 for right below the edge, less when the next day pushes it away. None where there is no such day."""
        if not self.sections or y <= self.sections[0].top:
            return None
        number = bisect_right(self._tops, y) - 1
        section = self.sections[number]
        if not section.day or y == section.top:
            return None
        last = number + 1 == len(self.sections)
        end = self.height - BOTTOM_PX if last else self.sections[number + 1].top
        return section, min(0, end - y - HEADING_PX)

    def rows_in(self, x: int, y: int, right: int, bottom: int) -> list[range]:
        """The rows whose cells touch a rectangle, as runs of neighbours, for a rubber band."""
        first = max(0, (x - self.left) // self.cell)
        last = min(self.columns - 1, (right - self.left) // self.cell)
        if first > last:
            return []
        runs: list[range] = []
        for row in self._line_starts(y, bottom):
            section = self.section_of(row)
            run = range(row + first, min(row + last + 1, section.first + section.count))
            if run and runs and runs[-1].stop == run.start:
                runs[-1] = range(runs[-1].start, run.stop)
            elif run:
                runs.append(run)
        return runs

    def moved(self, row: int, lines: int) -> int:
        """The row that many lines below (or above), in the same column or the nearest that there is."""
        section = self.section_of(row)
        column = (row - section.first) % self.columns
        number = self.sections.index(section)
        line = (row - section.first) // self.columns + lines
        while line < 0 and number > 0:
            number -= 1
            line += _lines(self.sections[number], self.columns)
        while line >= _lines(self.sections[number], self.columns) and number < len(self.sections) - 1:
            line -= _lines(self.sections[number], self.columns)
            number += 1
        section = self.sections[number]
        line = min(max(0, line), _lines(section, self.columns) - 1)
        return section.first + min(line * self.columns + column, section.count - 1)

    def _section_at(self, y: int) -> Section:
        return self.sections[max(0, bisect_right(self._tops, y) - 1)]

    def _line_starts(self, top: int, bottom: int) -> Iterator[int]:
        row = self.rows_between(top, bottom + 1).start
        stop = self.rows_between(top, bottom + 1).stop
        while row < stop:
            section = self.section_of(row)
            yield row
            row = min(row + self.columns, section.first + section.count)


def _lines(section: Section, columns: int) -> int:
    return ceil(section.count / columns)
