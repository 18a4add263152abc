"""Places by arithmetic: every row has its own cell, points find rows back, lines are walked up and down."""

from __future__ import annotations

import random
import time

import pytest

from studio.ui.gallery.layout import BOTTOM_PX, HEADING_PX, TOP_PX, GridLayout

DAYS = (("2026-11-25", 5), ("2026-11-24", 1), ("2026-11-20", 8))
GRID = GridLayout(14, DAYS, 330, 100)  # three columns of 110: two lines, one line, three lines


def test_the_places() -> None:
    assert (GRID.columns, GRID.cell, GRID.left) == (3, 110, 0)
    assert [section.top for section in GRID.sections] == [
        TOP_PX,
        TOP_PX + HEADING_PX + 220,
        TOP_PX + 2 * HEADING_PX + 330,
    ]
    first, last = GRID.box(0), GRID.box(13)
    assert (first.x, first.y) == (0, TOP_PX + HEADING_PX)
    assert (last.x, last.y) == (110, TOP_PX + 3 * HEADING_PX + 3 * 110 + 2 * 110)
    assert GRID.height == last.y + 110 + BOTTOM_PX


@pytest.mark.parametrize(
    ("count", "days", "width", "wish"),
    [(14, DAYS, 330, 100), (40, (), 517, 64), (1, (("a", 1),), 50, 128), (9, (("wrong", 4),), 300, 100)],
)
def test_each_row_is_found_in_its_cell(count: int, days: tuple[tuple[str, int], ...], width: int, wish: int) -> None:
    grid = GridLayout(count, days, width, wish)
    boxes = [grid.box(row) for row in range(count)]
    assert len({(box.x, box.y) for box in boxes}) == count
    for row, box in enumerate(boxes):
        assert box.x >= 0
        assert box.x + box.width <= max(width, 24)
        for x, y in ((box.x, box.y), (box.x + box.width - 1, box.y + box.height - 1)):
            assert grid.row_at(x, y) == row
        assert row in grid.rows_between(box.y + box.height - 1, box.y + box.height)


def test_no_row_beside_the_tiles() -> None:
    assert GRID.row_at(50, TOP_PX + HEADING_PX // 2) == -1  # a heading
    assert GRID.row_at(250, GRID.box(4).y + 5) == -1  # behind the last of a day
    assert GRID.row_at(5000, 100) == -1
    assert GRID.row_at(50, GRID.height + 100) == -1
    assert GridLayout(0, (), 300, 100).row_at(10, 10) == -1


def test_the_heading_that_stays_while_its_day_goes_by() -> None:
    assert GRID.pinned(TOP_PX) is None  # it stands there by itself
    assert GRID.pinned(TOP_PX + 1) == (GRID.sections[0], 0)
    second = GRID.sections[1].top
    assert GRID.pinned(second - HEADING_PX) == (GRID.sections[0], 0)
    assert GRID.pinned(second - 10) == (GRID.sections[0], 10 - HEADING_PX)  # pushed by the next one
    assert GRID.pinned(second) is None
    end = GRID.height - BOTTOM_PX
    assert GRID.pinned(end - 5) == (GRID.sections[2], 5 - HEADING_PX)
    assert GridLayout(9, (), 300, 100).pinned(200) is None
    assert GridLayout(0, (), 300, 100).pinned(0) is None


def test_what_reaches_into_a_strip() -> None:
    rng = random.Random(3)
    for _ in range(300):
        top = rng.randrange(-50, GRID.height + 50)
        bottom = top + rng.randrange(1, 400)
        seen = [row for row in range(14) if GRID.box(row).y < bottom and GRID.box(row).y + GRID.cell > top]
        strip = GRID.rows_between(top, bottom)
        assert set(seen) <= set(strip)
        assert len(strip) <= len(seen) + GRID.columns  # at most a line more than needed
        headings = [s.day for s in GRID.sections if s.top < bottom and s.tiles > top]
        assert [section.day for section in GRID.headings_between(top, bottom)] == headings


def test_lines_up_and_down() -> None:
    assert GRID.moved(1, 1) == 4
    assert GRID.moved(2, 1) == 4  # the column ends: the nearest
    assert GRID.moved(4, 1) == 5  # into the next day
    assert GRID.moved(5, 1) == 6
    assert GRID.moved(5, 2) == 9
    assert GRID.moved(9, -1) == 6
    assert GRID.moved(7, -1) == 5
    assert GRID.moved(3, -9) == 0
    assert GRID.moved(0, 99) == 12
    assert GRID.moved(13, 99) == 13


def test_a_rubber_band() -> None:
    def band(*corners: int) -> list[int]:
        return [row for run in GRID.rows_in(*corners) for row in run]

    assert band(0, 0, 329, GRID.height) == list(range(14))
    assert GRID.rows_in(0, 0, 329, GRID.height) == [range(14)]
    assert band(120, GRID.box(0).y + 1, 300, GRID.box(3).y + 1) == [1, 2, 4]
    assert band(0, GRID.box(5).y + 1, 10, GRID.box(6).y + 1) == [5, 6]
    assert band(0, 0, 50, 10) == []


def test_the_time_does_not_grow_with_the_rows() -> None:
    days = [(str(number), 137) for number in range(700)]
    grid = GridLayout(700 * 137, days, 900, 128)
    began = time.process_time()
    for row in range(0, 90_000, 100):
        box = grid.box(row)
        assert grid.row_at(box.x, box.y) == row
    assert time.process_time() - began < 2.0  # generous: a slip into walking through all rows takes minutes
