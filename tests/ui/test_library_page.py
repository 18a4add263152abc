"""The library and the window around it: what is said, what commands mean, what moves and what does not."""

from __future__ import annotations

from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.library import Query
from studio.ui.widgets.text import PlainLabel
from tests.ui.conftest import paint


def test_what_is_said_is_seen_in_the_library_too(qtbot: QtBot, studio: Studio) -> None:
    window = studio.window
    paint(qtbot, studio, "first", 1)
    paint(qtbot, studio, "second", 2)
    window.commands["library"].trigger()
    history, bar = window.history, window.centre.messages
    history.choice.choose(1)
    window.commands["delete"].trigger()
    (card,) = bar.cards()
    assert card.isVisible() and bar.parent() is history.grid
    window.commands["library"].trigger()
    assert card.isVisible() and bar.parent() is window.centre.view


def test_commands_in_the_library_are_about_its_picture(qtbot: QtBot, studio: Studio) -> None:
    window, history = studio.window, studio.window.history
    paint(qtbot, studio, "house", 1)
    window.commands["library"].trigger()
    history.choice.choose(0)
    with qtbot.waitSignal(studio.state.gallery.listed):
        studio.state.gallery.set_query(Query(text="nothing-like-this"))
    assert window.centre.picture is not None  # still behind the library, unseen
    window.commands.refresh()
    for name in ("delete", "use_settings", "verify", "export"):
        assert not window.commands[name].isEnabled(), name


def test_tabbed_panels_do_not_say_their_title_twice_after_the_library(qtbot: QtBot, studio: Studio) -> None:
    window = studio.window
    dock = window.docks["controlDock"]

    def titles() -> list[str]:
        return [label.text() for label in dock.titleBarWidget().findChildren(PlainLabel) if label.isVisible()]

    qtbot.waitUntil(lambda: titles() == [])  # the tab above says it
    window.commands["library"].trigger()
    qtbot.wait(20)
    window.commands["library"].trigger()
    qtbot.waitUntil(lambda: dock.isVisible() and titles() == [])


def test_the_library_does_not_widen_the_window_that_it_left(qtbot: QtBot, studio: Studio) -> None:
    window = studio.window
    before = window.minimumSizeHint().width()
    window.commands["library"].trigger()
    qtbot.wait(20)
    window.commands["library"].trigger()
    qtbot.waitUntil(lambda: window.minimumSizeHint().width() == before)


def test_a_picture_shown_from_elsewhere_takes_the_window_back(qtbot: QtBot, studio: Studio) -> None:
    window, history = studio.window, studio.window.history
    paint(qtbot, studio, "sheet", 1)
    sheet = window.centre.picture
    paint(qtbot, studio, "second", 2)
    window.commands["library"].trigger()
    window.benches.show_plot()
    assert window.benches.plot is not None and sheet is not None
    window.benches.plot.picture_wished.emit(sheet)  # “Show the sheet”
    assert not history.in_library()
    assert window.centre.picture is not None and window.centre.picture.id == sheet.id


def test_a_new_picture_does_not_move_the_choice_in_the_library(qtbot: QtBot, studio: Studio) -> None:
    window, history = studio.window, studio.window.history
    paint(qtbot, studio, "first", 1)
    window.commands["library"].trigger()
    window.centre.follow()  # as after Generate
    paint(qtbot, studio, "second", 2)
    qtbot.waitUntil(lambda: window.centre.picture is not None and window.centre.picture.recipe.seed == 2)
    current = history.choice.current()
    assert current is not None and current.recipe.seed == 1
    window.commands["library"].trigger()
    current = history.choice.current()
    assert current is not None and current.recipe.seed == 2


def test_the_library_says_at_once_how_many_pictures_there_are(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio, "house", 1)
    studio.window.commands["library"].trigger()
    page = studio.window.history.stack.currentWidget()
    assert page is not None and page.panel.foot.count.text() == "1 picture"
