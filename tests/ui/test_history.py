"""Search field, side column, marks, library page and menus of the history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QUndoStack
from PySide6.QtWidgets import QApplication, QMenu, QPushButton
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.library import Marks, Query, Sort
from studio.core.pixels import Pixels
from studio.state.background import Background
from studio.state.forerunner import Forerunners
from studio.state.gallery_model import GalleryModel, mime_of
from studio.state.thumbnails import Thumbnails
from studio.ui.gallery.captions import day_words
from studio.ui.gallery.details_panel import DetailsPanel
from studio.ui.gallery.marks import MarksEditor, common_marks
from studio.ui.gallery.panel import HistoryPanel
from studio.ui.gallery.side import FilterSide
from studio.ui.gallery.terms import has_term, term_of, toggled, with_term
from studio.ui.gallery.wishes import PICTURE_MENU
from tests.state.fakes import MemoryStore
from tests.ui.conftest import drop, paint

RED = Pixels(width=4, height=4, data=bytes([200, 30, 30]) * 16)


@pytest.fixture
def background() -> Iterator[Background]:
    worker = Background("test-history")
    yield worker
    assert worker.close()


@pytest.fixture
def stack(qtbot: QtBot) -> QUndoStack:
    return QUndoStack()


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore(12)
    store.put(replace(store.held["000011"], marks=Marks(rating=3, tags=("sea",), boards=("Anna",), note="hm")))
    return store


@pytest.fixture
def model(qtbot: QtBot, background: Background, store: MemoryStore, stack: QUndoStack) -> GalleryModel:
    model = GalleryModel(store, background, Thumbnails(lambda _: RED, background), stack)
    with qtbot.waitSignals([model.listed, model.catalogue.changed]):
        model.refresh()
    return model


def first(model: GalleryModel, row: int = 0):
    picture = model.picture(model.index(row))
    assert picture is not None
    return picture


# Terms
@pytest.mark.parametrize(
    ("text", "name", "value", "expected"),
    [
        ("", "colour", "red", "colour:red"),
        ("house colour:red", "colour", "red", "house"),
        ("color:red house", "colour", "red", "house"),
        ("house colour:blue", "colour", "red", "house colour:blue colour:red"),
        ("-colour:red", "colour", "red", "-colour:red colour:red"),
        ("", "tag", "night sky", 'tag:"night sky"'),
        ('tag:"night sky" cat', "tag", "night sky", "cat"),
    ],
)
def test_a_button_writes_what_one_could_type(text: str, name: str, value: str, expected: str) -> None:
    assert toggled(text, name, value) == expected


def test_a_field_has_one_value_where_it_must() -> None:
    assert with_term("house rating:>=2 x", "rating", ">=4").split() == ["house", "x", "rating:>=4"]
    assert with_term("house stars:3", "rating", "") == "house"
    assert term_of("house rating:>=4", "rating") == ">=4"
    assert not has_term("-is:trash", "is", "trash")


# Search
def test_search_as_one_types(qtbot: QtBot, model: GalleryModel) -> None:
    panel = HistoryPanel(model, 100)
    qtbot.addWidget(panel)
    panel.show()
    panel.search.setFocus()
    qtbot.keyClicks(panel.search, "picture 1")
    qtbot.waitUntil(lambda: model.rowCount() == 3)
    assert panel.foot.count.text() == "3 pictures"
    assert model.query.text == "picture 1"
    panel.search.clear_all()
    qtbot.waitUntil(lambda: model.rowCount() == 12)


def test_what_cannot_be_understood_is_marked_and_the_pictures_stay(qtbot: QtBot, model: GalleryModel) -> None:
    panel = HistoryPanel(model, 100)
    qtbot.addWidget(panel)
    panel.show()
    qtbot.keyClicks(panel.search, "(")
    qtbot.waitUntil(lambda: panel.search.bad is not None)
    assert panel.error.text() == "There is no “(” in a search."
    assert not panel.error.isHidden()
    assert panel.search.property("bad") == "true"
    assert panel.search.text() == "("
    assert model.rowCount() == 12
    panel.search.clear_all()
    qtbot.waitUntil(lambda: panel.search.bad is None)
    assert panel.error.isHidden()


@pytest.mark.qt_log_ignore("does not support")
def test_completion_by_keyboard(qtbot: QtBot, model: GalleryModel) -> None:
    panel = HistoryPanel(model, 100)
    qtbot.addWidget(panel)
    panel.show()
    panel.search.setFocus()
    QApplication.processEvents()
    if not panel.search.hasFocus():
        pytest.skip("this platform gives no focus")
    qtbot.keyClicks(panel.search, "cat ra")
    offers = panel.search.offers
    qtbot.waitUntil(offers.isVisible)
    assert [offers.list.item(row).text() for row in range(offers.list.count())] == ["rating:"]
    qtbot.keyClick(panel.search, Qt.Key.Key_Tab)
    assert panel.search.text() == "cat rating:"
    qtbot.keyClick(panel.search, Qt.Key.Key_Escape)
    assert (panel.search.text(), model.query.text) == ("", "")


def test_the_order(qtbot: QtBot, model: GalleryModel) -> None:
    panel = HistoryPanel(model, 100)
    qtbot.addWidget(panel)
    with qtbot.waitSignal(model.listed):
        panel.sort._actions[Sort.OLDEST].trigger()
    assert first(model).id == "000000"


def test_similar_ones_and_back(qtbot: QtBot, model: GalleryModel) -> None:
    panel = HistoryPanel(model, 100)
    qtbot.addWidget(panel)
    panel.show()
    with qtbot.waitSignal(model.listed):
        model.show_similar(first(model, 3))
    assert panel.scope.words.text() == "Similar to “picture 8”"
    assert panel.scope.isVisible()
    with qtbot.waitSignal(model.listed):
        panel.scope.end.click()
    assert not panel.scope.isVisible()


# The side column
def test_the_side_writes_into_the_search(qtbot: QtBot, model: GalleryModel) -> None:
    side = FilterSide(model, model.catalogue)
    qtbot.addWidget(side)
    assert [star.toolTip() for star in side.stars.buttons[:2]] == ["At least 1 star", "At least 2 stars"]
    side.stars.buttons[3].click()
    assert model.query.text == "rating:>=4"
    side.swatches["red"].click()
    side.swatches["blue"].click()
    assert model.query.text == "rating:>=4 colour:blue"
    side.stars.buttons[3].click()
    assert model.query.text == "colour:blue"
    side.trash.click()
    assert model.query.text == "colour:blue is:trash"
    side.all.click()
    assert model.query == Query()


def test_boards_and_tags(qtbot: QtBot, model: GalleryModel, store: MemoryStore) -> None:
    side = FilterSide(model, model.catalogue)
    qtbot.addWidget(side)
    board = side.boards.itemAt(0).widget()
    assert (board.name, side.boards.count()) == ("Anna", 1)
    with qtbot.waitSignal(model.listed):
        board.click()
    assert [model.rowCount(), board.isChecked()] == [1, True]
    chips = [chip for chip in side.findChildren(QPushButton) if chip.property("tagName")]
    assert [chip.text() for chip in chips] == ["sea"]
    chips[0].click()
    assert model.query == Query(text="tag:sea", board="Anna")


def test_a_new_board_takes_what_is_dropped_onto_it(
    qtbot: QtBot, model: GalleryModel, store: MemoryStore, stack: QUndoStack
) -> None:
    side = FilterSide(model, model.catalogue)
    qtbot.addWidget(side)
    side.new_board.setText("  Best   of all ")
    side.new_board.editingFinished.emit()
    board = side.boards.itemAt(1).widget()
    assert board.name == "Best of all"
    mime: QMimeData = mime_of([first(model), first(model, 2)])
    with qtbot.waitSignal(model.catalogue.changed):
        assert drop(board, mime)
    assert store.boards() == (("Anna", 1), ("Best of all", 2))
    stack.undo()
    qtbot.waitUntil(lambda: store.boards() == (("Anna", 1),))


# Marks
def test_the_marks_of_a_picture(qtbot: QtBot, model: GalleryModel, store: MemoryStore, stack: QUndoStack) -> None:
    editor = MarksEditor(model)
    qtbot.addWidget(editor)
    editor.show_pictures((first(model),))
    assert [star.isChecked() for star in editor.stars] == [True, True, True, False, False]
    assert editor.note.toPlainText() == "hm"
    editor.stars[4].click()
    editor.tag.setText("blue")
    editor.tag.returnPressed.emit()
    qtbot.keyClicks(editor.note, "!")
    editor.note.end()
    qtbot.waitUntil(lambda: store.held["000011"].marks.note != "hm")
    assert store.held["000011"].marks == Marks(rating=5, tags=("blue", "sea"), boards=("Anna",), note="!hm")
    for _ in range(3):
        stack.undo()
    qtbot.waitUntil(lambda: store.held["000011"].marks == Marks(rating=3, tags=("sea",), boards=("Anna",), note="hm"))
    assert editor.note.toPlainText() == "hm"
    editor.stars[2].click()  # the same star again takes them all away
    qtbot.waitUntil(lambda: store.held["000011"].marks.rating == 0)


def test_a_note_is_kept_when_another_picture_is_chosen(qtbot: QtBot, model: GalleryModel, store: MemoryStore) -> None:
    editor = MarksEditor(model)
    qtbot.addWidget(editor)
    editor.show_pictures((first(model, 1),))
    qtbot.keyClicks(editor.note, "for print")
    editor.show_pictures((first(model, 2),))
    assert editor.note.toPlainText() == ""
    qtbot.waitUntil(lambda: store.held["000010"].marks.note == "for print")
    assert store.held["000009"].marks.note == ""


def test_several_pictures_show_what_they_have_in_common() -> None:
    a = Marks(rating=3, tags=("house", "sea"), boards=("Anna",), note="x")
    b = Marks(rating=3, tags=("sea",), boards=("Bo",), note="y")
    assert common_marks([a, b]) == Marks(rating=3, tags=("sea",))
    assert common_marks([]) == Marks()


def test_the_details_say_what_changed(
    qtbot: QtBot, model: GalleryModel, store: MemoryStore, background: Background
) -> None:
    panel = DetailsPanel(model)
    qtbot.addWidget(panel)
    panel.compare_with(Forerunners(model, store.get, background))
    panel.show_pictures((first(model),), first(model))
    words = [label.text() for label in panel.changes.findChildren(type(panel.title)) if not label.isHidden()]
    assert words == ["Prompt", "picture 10  →  picture 11", "Seed", "10  →  11"]
    panel.show_pictures((first(model), first(model, 1)), first(model))
    assert panel.title.text() == "2 pictures"
    assert panel.changes.isHidden()


@pytest.mark.parametrize(
    ("day", "words"),
    [("2026-11-25", "Today"), ("2026-11-24", "Yesterday"), ("2026-11-20", "Friday 20 November 2026"), ("x", "x")],
)
def test_days_in_words(day: str, words: str) -> None:
    from datetime import date

    assert day_words(day, date(2026, 11, 25)) == words


def test_the_trash_can_be_emptied(qtbot: QtBot, model: GalleryModel, store: MemoryStore, stack: QUndoStack) -> None:
    model.remove(["000011", "000010"])
    with qtbot.waitSignal(model.listed):
        model.empty_trash()
    assert store.trash == {}
    assert model.rowCount() == 10


# The whole window
def test_the_library_takes_the_window_and_gives_it_back(qtbot: QtBot, studio: Studio) -> None:
    window = studio.window
    for seed in (1, 2, 3):
        paint(qtbot, studio, f"house {seed}", seed)
    shown = [name for name, dock in window.docks.items() if dock.isVisible()]
    window.commands["library"].trigger()
    history = window.history
    assert history.in_library()
    assert not any(dock.isVisible() for dock in window.docks.values())
    assert history.grid is not window.gallery
    history.choice.choose(2)
    assert window.centre.picture is not None
    assert window.centre.picture.recipe.seed == 1
    qtbot.keyClick(history.grid, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: not history.quick.view.image.isNull())
    qtbot.keyClick(history.quick, Qt.Key.Key_Left)
    assert history.choice.currentIndex().row() == 1
    qtbot.keyClick(history.quick, Qt.Key.Key_5)
    qtbot.keyClick(history.quick, Qt.Key.Key_Space)
    assert history.quick.isHidden()
    qtbot.waitUntil(lambda: studio.state.gallery.picture(studio.state.gallery.index(1)).marks.rating == 5)
    qtbot.keyClick(history.grid, Qt.Key.Key_Return)
    assert not history.in_library()
    assert [name for name, dock in window.docks.items() if dock.isVisible()] == shown
    assert window.centre.picture.recipe.seed == 2


def test_what_is_deleted_can_be_brought_back_from_the_trash(qtbot: QtBot, studio: Studio) -> None:
    window, gallery = studio.window, studio.state.gallery
    for seed in (1, 2):
        paint(qtbot, studio, f"house {seed}", seed)
    window.history.delete()
    qtbot.waitUntil(lambda: gallery.rowCount() == 1)
    with qtbot.waitSignal(gallery.listed):
        gallery.set_query(Query(text="is:trash"))
    assert window.history.in_trash()
    assert gallery.rowCount() == 1
    window.history.choice.choose(0)
    window.history.bring_back()
    qtbot.waitUntil(lambda: gallery.rowCount() == 0)
    gallery.set_query(Query())
    qtbot.waitUntil(lambda: gallery.rowCount() == 2)


@pytest.mark.qt_log_ignore("does not support")
def test_the_menu_of_a_picture_names_only_actions_there_are(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio)
    window = studio.window
    assert all(window.commands[name] is not None for group in PICTURE_MENU for name in group)
    window.history.open_menu(window.mapToGlobal(window.rect().center()))
    menus = [menu for menu in window.findChildren(QMenu) if menu.isVisible()]
    texts = [action.text().replace("&", "") for action in menus[0].actions()]
    assert "Delete to trash" in texts
    assert "Bring back from the trash" not in texts
    stars: Callable[[int], QMenu] = lambda at: menus[0].actions()[at].menu()  # noqa: E731
    assert [action.text().partition("\t")[2] for action in stars(2).actions()] == ["5", "4", "3", "2", "1", "0"]
    stars(2).actions()[1].trigger()
    qtbot.waitUntil(lambda: studio.state.gallery.picture(studio.state.gallery.index(0)).marks.rating == 4)
    menus[0].close()
