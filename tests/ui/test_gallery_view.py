"""The history's grid under mouse and keys, over a store in memory: choosing, rating, dragging, keeping its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QDrag, QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QToolTip
from pytestqt.qtbot import QtBot

from studio.core.library import Marks, Query, Sort
from studio.core.pixels import Pixels
from studio.core.recipe import Recipe
from studio.state.background import Background
from studio.state.gallery_model import PICTURE_MIME, GalleryModel
from studio.state.thumbnails import Thumbnails
from studio.ui.gallery.layout import HEADING_PX
from studio.ui.gallery.tiles import star_at
from studio.ui.gallery.view import GalleryView
from tests.state.fakes import MemoryStore, picture_of

SHIFT, CTRL, NONE = (
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.NoModifier,
)
RED = Pixels(width=4, height=4, data=bytes([200, 30, 30]) * 16)
Open = Callable[..., GalleryView]


@pytest.fixture
def background() -> Iterator[Background]:
    worker = Background("test-gallery")
    yield worker
    assert worker.close()


@pytest.fixture
def open_view(qtbot: QtBot, background: Background) -> Open:
    def build(store: MemoryStore) -> GalleryView:
        model = GalleryModel(store, background, Thumbnails(lambda _: RED, background))
        view = GalleryView(model, 100)
        view.kept = model  # type: ignore[attr-defined]  # Qt does not hold it
        qtbot.addWidget(view)
        view.resize(340, 400)
        view.show()
        model.refresh()
        qtbot.waitUntil(lambda: model.rowCount() == len(store.held))
        view.setFocus()
        view.grab()
        return view

    return build


def days(count: int, a_day: int = 5) -> MemoryStore:
    """A store with so many pictures a day."""
    store = MemoryStore(count)
    for number, picture in enumerate(list(store.held.values())):
        store.put(replace(picture, created=picture.created + timedelta(days=number // a_day)))
    return store


def chosen(view: GalleryView) -> list[int]:
    return view.choice.rows()


def click(view: GalleryView, row: int, keys: Qt.KeyboardModifier = NONE) -> None:
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, keys, view._cell(row).center())


def press(view: GalleryView, *keys: Qt.Key, modifier: Qt.KeyboardModifier = NONE) -> None:
    for key in keys:
        QTest.keyClick(view, key, modifier)


def test_clicks(open_view: Open, qtbot: QtBot) -> None:
    view = open_view(days(20))
    told: list[str] = []
    view.picture_chosen.connect(lambda picture: told.append(picture.id))
    click(view, 1)
    assert (chosen(view), told) == ([1], ["000018"])
    click(view, 4, SHIFT)
    assert chosen(view) == [1, 2, 3, 4]
    click(view, 2, CTRL)
    assert chosen(view) == [1, 3, 4]
    click(view, 6, CTRL)
    assert chosen(view) == [1, 3, 4, 6]
    click(view, 3)
    assert chosen(view) == [3]


def test_keys_walk_over_days(open_view: Open) -> None:
    view = open_view(days(20))  # three columns; five a day: two lines each
    press(view, Qt.Key.Key_Home)
    assert chosen(view) == [0]
    press(view, Qt.Key.Key_Down)
    assert chosen(view) == [3]
    press(view, Qt.Key.Key_Down)
    assert chosen(view) == [5]
    press(view, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Up)
    assert chosen(view) == [4]  # the column ends there: the nearest
    press(view, Qt.Key.Key_Right, modifier=SHIFT)
    assert chosen(view) == [4, 5]
    press(view, Qt.Key.Key_End)
    assert chosen(view) == [19]
    assert view._cell(19).bottom() <= view.viewport().height()
    press(view, Qt.Key.Key_PageUp)
    assert chosen(view)[0] < 16
    press(view, Qt.Key.Key_A, modifier=CTRL)
    assert chosen(view) == list(range(20))


def test_looking_around_without_choosing(open_view: Open) -> None:
    view = open_view(days(20))
    click(view, 0)
    press(view, Qt.Key.Key_Right, Qt.Key.Key_Right, modifier=CTRL)
    assert (chosen(view), view.currentIndex().row()) == ([0], 2)
    press(view, Qt.Key.Key_Space, modifier=CTRL)
    assert chosen(view) == [0, 2]


def test_wishes_by_key(open_view: Open) -> None:
    view, told = open_view(days(6)), []
    view.stars_wished.connect(lambda picture, rating: told.append(("stars", picture, rating)))
    view.delete_wished.connect(lambda: told.append("delete"))
    view.look_wished.connect(lambda: told.append("look"))
    view.open_wished.connect(lambda: told.append("open"))
    click(view, 0)
    press(view, Qt.Key.Key_4, Qt.Key.Key_0, Qt.Key.Key_Delete, Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_6)
    assert told == [("stars", None, 4), ("stars", None, 0), "delete", "look", "open"]


def test_stars_under_the_pointer(open_view: Open) -> None:
    view, told = open_view(MemoryStore(2)), []
    view.stars_wished.connect(lambda picture, rating: told.append((picture.id, rating)))
    cell = view._cell(0)
    places = [QPoint(x, cell.bottom() - 12) for x in range(cell.left(), cell.right())]
    third = next(at for at in places if star_at(cell, at) == 3)
    QTest.mouseMove(view.viewport(), third)
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, NONE, third)
    assert told == [("000001", 3)]
    assert chosen(view) == []  # rating is not choosing
    assert star_at(cell, cell.center()) == 0


def test_a_rubber_band(open_view: Open) -> None:
    view = open_view(days(20))
    start = QPoint(view._cell(4).right() + 20, view._cell(4).center().y())  # the empty place of a day
    end = view._cell(0).center()
    QTest.mousePress(view.viewport(), Qt.MouseButton.LeftButton, NONE, start)
    QTest.mouseMove(view.viewport(), QPoint(end.x(), start.y()))
    assert chosen(view) == [3, 4]
    QTest.mouseMove(view.viewport(), end)
    assert chosen(view) == [0, 1, 2, 3, 4]
    QTest.mouseRelease(view.viewport(), Qt.MouseButton.LeftButton, NONE, end)
    assert view._band is None
    assert view.currentIndex().row() == 0


def test_dragging_out_carries_all_that_is_selected(open_view: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    view = open_view(days(20))
    dragged: list[str] = []
    monkeypatch.setattr(
        QDrag, "exec", lambda drag, _action: dragged.append(bytes(drag.mimeData().data(PICTURE_MIME).data()).decode())
    )
    click(view, 0)
    click(view, 2, SHIFT)
    at = view._cell(1).center()
    QTest.mousePress(view.viewport(), Qt.MouseButton.LeftButton, NONE, at)
    assert chosen(view) == [0, 1, 2]  # pressing on one of them does not let go of the others
    QTest.mouseMove(view.viewport(), at + QPoint(40, 0))
    assert dragged == ["000019\n000018\n000017"]


def test_the_wheel_with_ctrl_changes_the_size(open_view: Open) -> None:
    view = open_view(days(20))
    view.set_tile_px(160)
    assert view.grid().columns == 2
    view.set_tile_px(9999)
    assert view.tile_px == 256


def test_a_new_picture_moves_nothing_that_is_looked_at(open_view: Open, qtbot: QtBot) -> None:
    store = days(300)
    view = open_view(store)
    model = view.kept  # type: ignore[attr-defined]
    view.verticalScrollBar().setValue(3000)
    qtbot.wait(20)
    row = view.grid().rows_between(3000, 3400).start
    key, place = model.key(row), view._cell(row).y()
    for number in range(300, 304):
        store.put(picture_of(Recipe(prompt="new", seed=1), number))
        model.insert(store.held[f"{number:06d}"])
    qtbot.wait(20)
    view.grab()
    assert model.row_of(key) == row + 4
    assert view._cell(model.row_of(key)).y() == place
    view.verticalScrollBar().setValue(0)
    qtbot.wait(20)
    store.put(picture_of(Recipe(prompt="new", seed=1), 400))
    model.insert(store.held["000400"])
    view.grab()
    assert view.verticalOffset() == 0  # at the top new ones are seen


def test_the_selection_survives_a_search_that_finds_it(open_view: Open, qtbot: QtBot) -> None:
    view = open_view(MemoryStore(30))
    model = view.kept  # type: ignore[attr-defined]
    told: list[str] = []
    click(view, 1)
    view.picture_chosen.connect(lambda picture: told.append(picture.id))
    for text, expected in (("2", ["000028"]), ("1", []), ("", [])):
        with qtbot.waitSignal(model.listed):
            model.set_query(Query(text=text))
        assert [picture.id for picture in view.selected_pictures()] == expected
    assert told == []  # nobody chose anything


def test_when_all_selected_are_gone_the_keys_go_on_with_the_neighbour(open_view: Open, qtbot: QtBot) -> None:
    view = open_view(MemoryStore(30))
    model = view.kept  # type: ignore[attr-defined]
    told: list[str] = []
    click(view, 1)
    click(view, 3, SHIFT)
    view.picture_chosen.connect(lambda picture: told.append(picture.id))
    model.remove([picture.id for picture in view.selected_pictures()])
    qtbot.waitUntil(lambda: model.rowCount() == 27)
    assert chosen(view) == [view.currentIndex().row()]
    assert [picture.id for picture in view.selected_pictures()] == told[-1:]
    click(view, 5)
    click(view, 8, CTRL)
    model.remove([view.selected_pictures()[0].id])
    qtbot.waitUntil(lambda: model.rowCount() == 26)
    assert chosen(view) == [7]  # what else was selected stays so, and alone


def test_a_new_search_begins_at_the_top(open_view: Open, qtbot: QtBot) -> None:
    view = open_view(MemoryStore(300))
    model = view.kept  # type: ignore[attr-defined]
    press(view, Qt.Key.Key_End)
    assert view.verticalOffset() > 0
    qtbot.waitUntil(lambda: len(view.selected_pictures()) == 1)
    with qtbot.waitSignal(model.listed):
        model.set_query(Query(text="picture"))
    qtbot.wait(10)
    assert view.choice.rows() == [299]
    assert view.verticalOffset() == 0


def test_a_picture_chosen_before_it_was_read_is_told_when_it_is(open_view: Open, qtbot: QtBot) -> None:
    view = open_view(days(900))
    with qtbot.waitSignal(view.picture_chosen) as told:
        press(view, Qt.Key.Key_End)
    assert told.args[0].id == "000000"


def test_leafing(open_view: Open) -> None:
    view, told = open_view(days(9)), []
    view.picture_chosen.connect(lambda picture: told.append(picture.id))
    view.select_picture("000005")
    view.leaf(1)
    view.leaf(-1)
    view.leaf(-99)
    assert told == ["000004", "000005"]


def test_what_a_tile_says(open_view: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore(1)
    store.put(replace(store.held["000000"], marks=Marks(rating=4, tags=("sea",), boards=("Anna",), note="larger")))
    view, told = open_view(store), []
    monkeypatch.setattr(QToolTip, "showText", lambda _at, text, _view: told.append(text))
    at = view._cell(0).center()
    QApplication.sendEvent(view.viewport(), QHelpEvent(QEvent.Type.ToolTip, at, view.viewport().mapToGlobal(at)))
    assert all(word in told[0] for word in ("picture 0", "seed 0", "4 stars", "#sea", "On Anna", "larger"))


def test_a_hidden_view_asks_for_nothing(open_view: Open, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    view = open_view(days(50))
    asked: list[int] = []
    monkeypatch.setattr(view._pictures.thumbnails, "wish_tiles", lambda *_args: asked.append(1))
    view.hide()
    view._lay_out_later()
    qtbot.wait(20)
    assert asked == []
    view.show()
    qtbot.waitUntil(lambda: asked == [1] or len(asked) > 0)


def test_an_empty_history_says_so(open_view: Open) -> None:
    view = open_view(MemoryStore())
    said: list[int] = []
    view.set_empty_words(lambda: (said.append(1), "nothing")[1])
    view.grab()
    assert said
    press(view, Qt.Key.Key_Home, Qt.Key.Key_Down, Qt.Key.Key_Space, Qt.Key.Key_Delete)
    assert chosen(view) == []


def test_where_nothing_can_be_scrolled_the_bar_is_empty(open_view: Open, qtbot: QtBot) -> None:
    view = open_view(MemoryStore(2))
    bar = view.verticalScrollBar()
    assert not bar.isEnabled()
    view.resize(view.width(), 120)
    view.grab()
    assert bar.isEnabled()
    view.resize(view.width(), 600)
    view.grab()
    assert not bar.isEnabled()


def test_the_day_stays_at_the_edge_while_its_tiles_go_by(open_view: Open) -> None:
    view = open_view(days(60, 20))
    bar, first = view.verticalScrollBar(), view.grid().sections[0]
    at = QPoint(view.viewport().width() // 2, 12)
    assert view.pinned_day(at) is None
    bar.setValue(first.tiles + 70)
    assert view.pinned_day(at) == first
    assert not view.indexAt(at).isValid() and view.indexAt(at + QPoint(0, 40)).isValid()
    shown = view.viewport().grab().toImage()
    bar.setValue(first.tiles + 90)
    moved = view.viewport().grab().toImage()
    strip = (0, 0, shown.width(), HEADING_PX)
    assert shown.copy(*strip) == moved.copy(*strip) and shown != moved
    chosen_before = chosen(view)
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, NONE, at)
    assert bar.value() == first.top and chosen(view) == chosen_before


def test_what_is_scrolled_to_is_not_below_the_heading(open_view: Open) -> None:
    view = open_view(days(60, 20))
    bar = view.verticalScrollBar()
    bar.setValue(bar.maximum())
    for row in range(59, -1, -1):
        view.scrollTo(view.model().index(row, 0))
        cell = view._cell(row)
        assert cell.top() >= HEADING_PX or view.grid().pinned(bar.value()) is None, row
        assert view.indexAt(cell.center()).row() == row
    assert bar.value() == 0


def test_where_a_tile_has_no_room_its_upper_part_is_shown(open_view: Open) -> None:
    view = open_view(days(60, 20))
    view.resize(view.width(), view._cell(0).height() + HEADING_PX - 20)
    view.grab()
    for row in (0, 3, 20, 0):
        view.scrollTo(view.model().index(row, 0))
        assert HEADING_PX <= view._cell(row).top() <= HEADING_PX + 8, row


def test_the_scroll_bar_says_where_one_would_be(open_view: Open) -> None:
    view = open_view(days(60, 20))
    bar, bubble = view.verticalScrollBar(), view.bubble
    bar.setValue(300)
    assert bubble.isHidden()  # by wheel and keys the heading says it
    bar.setSliderDown(True)
    bar.setValue(view.grid().sections[1].tiles)
    assert bubble.isVisible()
    assert (bubble.words, bubble.place) == ("Friday 2 January 2026", "21 of 60")
    assert view.rect().contains(bubble.geometry())
    bar.setValue(bar.maximum())
    assert bubble.words == "Thursday 1 January 2026" and view.rect().contains(bubble.geometry())
    bar.setSliderDown(False)
    assert bubble.isHidden()


def test_without_days_the_scroll_bar_says_the_place(qtbot: QtBot, open_view: Open) -> None:
    view = open_view(days(60, 20))
    with qtbot.waitSignal(view.model().listed):
        view.model().set_query(Query(sort=Sort.PROMPT))
    bar = view.verticalScrollBar()
    bar.setSliderDown(True)
    bar.setValue(bar.maximum())
    assert view.bubble.isVisible() and view.bubble.words == "" and view.bubble.place.endswith("of 60")
    bar.setSliderDown(False)
