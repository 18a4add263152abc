"""Tab goes through the whole window and comes back; nothing that can be used is left out."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.ui import focus_order
from tests.ui.conftest import drop, file_mime, paint


def walk(studio: Studio, key: Qt.Key) -> list[QWidget]:
    """What has the focus from the prompt on until it comes round."""
    start = studio.window.prompt.prompt
    start.setFocus()
    seen: list[QWidget] = []
    while len(seen) < 200:
        now = QApplication.focusWidget()
        assert now is not None
        seen.append(now)
        QTest.keyClick(now, key)
        if QApplication.focusWidget() is start:
            break
    return seen


@pytest.fixture
def full(qtbot: QtBot, studio: Studio, sketch: Path) -> Studio:
    """A picture, a control layer, and the rare settings unfolded."""
    paint(qtbot, studio)
    assert drop(studio.window.control, file_mime(sketch))
    qtbot.waitUntil(lambda: bool(studio.window.control.cards), timeout=5000)
    studio.window.settings.more.head.click()
    studio.window.activateWindow()
    qtbot.waitUntil(studio.window.isActiveWindow)
    return studio


def test_tab_goes_round_and_back(full: Studio) -> None:
    there, back = walk(full, Qt.Key.Key_Tab), walk(full, Qt.Key.Key_Backtab)
    assert there[0] is back[0] is full.window.prompt.prompt
    assert there[1:] == back[:0:-1]
    assert len(set(map(id, there))) == len(there)
    window, settings, card = full.window, full.window.settings, full.window.control.cards[0]
    wanted = (
        window.prompt.generate, settings.model, settings.model_row.page, settings.size_row.height_spin, settings.count,
        settings.begin.choose, settings.more.head, window.jobs, window.centre.view, card.kind, card.remove,
        window.history.panel.search, window.gallery,
    )  # fmt: skip
    places = [there.index(widget) for widget in wanted]
    assert places == sorted(places)


def test_what_tab_reaches_in_a_panel_is_shown(full: Studio) -> None:
    window = full.window
    last = [stop for stop in focus_order.stops(window, ()) if window.settings.isAncestorOf(stop)][-1]
    window.settings.verticalScrollBar().setValue(0)
    assert last.visibleRegion().isEmpty()
    window.jobs.setFocus()
    while (now := QApplication.focusWidget()) is not last:
        assert now is not None
        QTest.keyClick(now, Qt.Key.Key_Backtab)
    assert not last.visibleRegion().isEmpty()


def test_a_panel_behind_another_is_passed_over(full: Studio) -> None:
    window = full.window
    behind = [stop for stop in focus_order.stops(window, ()) if window.docks["pluginsDock"].isAncestorOf(stop)]
    assert behind == []
    window.docks["pluginsDock"].raise_()
    QApplication.processEvents()
    assert any(window.docks["pluginsDock"].isAncestorOf(stop) for stop in focus_order.stops(window, ()))
    assert not any(window.docks["controlDock"].isAncestorOf(stop) for stop in focus_order.stops(window, ()))


def test_when_what_has_the_focus_goes_its_neighbour_has_it(full: Studio) -> None:
    window = full.window
    window.settings.begin.choose.setFocus()
    window.settings.begin.choose.setEnabled(False)
    assert QApplication.focusWidget() is window.settings.more.head


def test_a_click_into_a_message_leaves_the_keys_with_the_pictures(qtbot: QtBot, full: Studio) -> None:
    window = full.window
    window.gallery.setFocus()
    QTest.keyClick(window.gallery, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: bool(window.centre.messages.cards()), timeout=5000)
    undo = window.centre.messages.cards()[0].findChild(QPushButton)
    assert undo is not None
    qtbot.mouseClick(undo, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.gallery.model().rowCount() == 1, timeout=5000)
    assert QApplication.focusWidget() in (window.gallery, window.centre.view)
