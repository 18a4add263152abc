"""At the start: the pictures in sight first, the reading of all rows when they are painted, and never not at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from studio.core.library import Query
from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.state.background import Background
from studio.state.gallery_model import GalleryModel
from studio.state.thumbnails import Thumbnails
from studio.ui.gallery import grid
from studio.ui.gallery.view import GalleryView
from tests.state.fakes import MemoryStore

RED = Pixels(width=4, height=4, data=bytes([200, 30, 30]) * 16)


class Store(MemoryStore):
    def boards(self) -> tuple[tuple[str, int], ...]:
        self.asked.append("boards")
        return super().boards()


class Opening:
    """A store and a reader of thumbnails in threads of their own; `order` is what they were asked, in time."""

    def __init__(self, count: int, threads: list[Background]) -> None:
        self.order: list[str] = []
        self.may_read = threading.Event()
        self.may_read.set()
        self.store = Store(count)
        self.store.asked = self.order
        self.thumbnails = Thumbnails(self._read, threads[1])
        self.model = GalleryModel(self.store, threads[0], self.thumbnails)
        self.view = GalleryView(self.model, 100)
        self.view.resize(340, 400)

    def _read(self, picture: Picture) -> Pixels:
        self.may_read.wait(5)
        self.order.append(picture.id)
        return RED

    def in_sight(self) -> set[str]:
        rows = self.view.grid().rows_between(0, self.view.viewport().height())
        return {found.id for found in self.model.pictures_at(rows) if found is not None}


@pytest.fixture
def threads() -> Iterator[list[Background]]:
    both = [Background("test-store"), Background("test-thumbnails")]
    yield both
    for thread in both:
        assert thread.close()


@pytest.fixture
def opening(qtbot: QtBot, threads: list[Background]) -> Opening:
    made = Opening(500, threads)
    qtbot.addWidget(made.view)
    return made


def test_all_rows_are_read_after_the_first_pictures_are_painted(qtbot: QtBot, opening: Opening) -> None:
    opening.view.show()
    opening.model.refresh()
    qtbot.waitUntil(lambda: opening.model.rowCount() == 500 and "boards" in opening.order)
    order, seen = opening.order, opening.in_sight()
    assert order[0] == "page" and len(seen) >= 9
    assert seen <= set(order[: order.index("listing")])
    assert order.index("boards") > order.index("listing")


def test_pictures_that_do_not_come_hold_the_rows_up_for_a_while_only(
    qtbot: QtBot, opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "FIRST_MS", 80)
    opening.may_read.clear()
    opening.view.show()
    opening.model.refresh()
    qtbot.waitUntil(lambda: opening.model.rowCount() == 60)
    assert "listing" not in opening.order
    qtbot.waitUntil(lambda: opening.model.rowCount() == 500)
    opening.may_read.set()


def test_broken_pictures_hold_nothing_up(qtbot: QtBot, opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "FIRST_MS", 60_000)
    monkeypatch.setattr(opening.thumbnails, "_read", _refuse)
    opening.view.show()
    opening.model.refresh()
    qtbot.waitUntil(lambda: opening.model.rowCount() == 500)


def test_where_nobody_looks_nothing_is_held_back(
    qtbot: QtBot, opening: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grid, "FIRST_MS", 60_000)
    opening.model.refresh()
    qtbot.waitUntil(lambda: opening.model.rowCount() == 500)


def test_an_empty_library_is_listed_at_once(qtbot: QtBot, threads: list[Background]) -> None:
    empty = Opening(0, threads)
    qtbot.addWidget(empty.view)
    empty.view.show()
    with qtbot.waitSignal(empty.model.listed, timeout=8000):
        empty.model.refresh()


def test_a_search_does_not_wait(qtbot: QtBot, opening: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "FIRST_MS", 60_000)
    opening.may_read.clear()
    opening.view.show()
    opening.model.refresh()
    qtbot.waitUntil(lambda: opening.model.rowCount() == 60)
    opening.model.set_query(Query(text="picture 7"))
    qtbot.waitUntil(lambda: opening.model.query.text == "picture 7" and 0 < opening.model.rowCount() != 60)
    assert opening.order.count("listing") == 1
    opening.may_read.set()


def test_a_store_that_cannot_be_read_is_asked_for_all_rows_too(qtbot: QtBot, opening: Opening) -> None:
    opening.store.broken = True
    opening.view.show()
    with qtbot.waitSignal(opening.model.failed):
        opening.model.refresh()
    opening.store.broken = False
    opening.model.refresh()
    qtbot.waitUntil(lambda: opening.model.rowCount() == 500)


def _refuse(_picture: Picture) -> Pixels:
    from studio.core.errors import BadInputImage

    raise BadInputImage("damaged")
