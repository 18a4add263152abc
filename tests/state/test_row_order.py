"""Rows in order: the same answers as a plain list, whatever was inserted, removed and renamed; days that follow."""

from __future__ import annotations

import random
from array import array

import pytest

from studio.state.row_order import BLOCK, Days, RowOrder


def check(order: RowOrder, model: list[int]) -> None:
    assert len(order) == len(model)
    assert list(order) == model
    assert list(order.keys()) == model
    assert [order.row(key) for key in model] == list(range(len(model)))
    assert [order.key(row) for row in range(len(model))] == model


@pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_it_holds_what_it_was_given(count: int) -> None:
    check(RowOrder(array("q", range(1000, 1000 + count))), list(range(1000, 1000 + count)))


def test_it_does_what_a_list_does() -> None:
    rng, order, model = random.Random(5), RowOrder(range(2500)), list(range(2500))
    for new in range(10_000, 14_000):
        what = rng.random()
        row = rng.randrange(len(model) + 1)
        if what < 0.5 or not model:
            row = 0 if what < 0.2 else row
            order.insert(row, new)
            model.insert(row, new)
        elif row < len(model):
            if what < 0.9:
                assert order.remove(row) == model.pop(row)
            else:
                order.rename(model[row], -new)
                model[row] = -new
    check(order, model)
    assert list(order.span(100, 2200)) == model[100:2200]
    assert list(order.span(-5, 3)) == model[:3]
    assert list(order.span(len(model) - 2, len(model) + 50)) == model[-2:]


def test_what_is_not_there() -> None:
    order = RowOrder((4, 5))
    assert order.row(6) == -1
    assert 4 in order
    assert 6 not in order
    for row in (-1, 2):
        with pytest.raises(IndexError):
            order.key(row)


def test_it_can_be_emptied_and_filled_again() -> None:
    order = RowOrder(range(BLOCK + 1))
    while len(order):
        order.remove(len(order) - 1)
    order.insert(0, 7)
    check(order, [7])


def test_days() -> None:
    days = Days((("c", 2), ("b", 1), ("empty", 0), ("a", 3)))
    days.add(0, "d")  # a new day on top
    days.add(0, "d")
    days.add(4, "b")  # at the border between two days: to the one it is of
    days.add(2, "c")
    assert days.all() == (("d", 2), ("c", 3), ("b", 2), ("a", 3))
    days.remove(0)
    days.remove(0)
    days.remove(9 - 2)
    assert days.all() == (("c", 3), ("b", 2), ("a", 2))
    days.add(7, "0")
    days.add(1, "x")  # within a day: counted there
    assert days.all() == (("c", 4), ("b", 2), ("a", 2), ("0", 1))
