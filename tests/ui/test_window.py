"""The whole window: generating, cancelling, failing, deleting, remembering, and what every part must have."""

import threading
from pathlib import Path

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractSpinBox,
    QComboBox,
    QDialog,
    QMenu,
    QPushButton,
    QSlider,
    QToolButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.errors import OutOfMemory, StudioError
from studio.core.job import JobState
from studio.engine.fake import FakeEngine
from studio.ui.gallery.details import MARKS_PX, NARROW_PX
from studio.ui.main_window import MainWindow
from studio.ui.widgets import fitting
from studio.ui.widgets.text import PlainLabel
from tests.ui.conftest import MakeStudio, paint

NAMES = (
    "promptEdit", "negativePromptEdit", "seedEdit", "stepsSpin", "schedulerCombo", "guidanceSpin", "widthSpin", "heightSpin",
    "countSpin", "controlPanel", "generateButton", "cancelButton", "pictureView", "galleryView", "queueView",
)  # fmt: skip


def test_the_agreed_names(window: MainWindow) -> None:
    assert [name for name in NAMES if len(window.findChildren(QWidget, name)) != 1] == []


def test_ctrl_enter_paints_and_shows(qtbot: QtBot, studio: Studio) -> None:
    window = studio.window
    assert window.centre.empty.isVisible()
    words = "".join(label.text() for label in window.centre.empty.findChildren(PlainLabel))
    assert window.commands["models"].text().replace("&", "") in words  # the way to one's own models
    qtbot.keyClicks(window.prompt.prompt, "a house")
    qtbot.keyClick(window.prompt.prompt, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(
        lambda: window.centre.picture is not None and window.centre.view.drag_data is not None, timeout=5000
    )
    assert not window.centre.empty.isVisible()
    assert window.prompt.prompt.toPlainText() == "a house"
    assert window.gallery.selected_pictures() == (window.centre.picture,)
    assert window.centre.details.title.text() == "a house"
    assert window.centre.view.drag_data is not None
    assert window.centre.view.drag_data.urls()[0].toLocalFile() == str(window.centre.picture.file)


def test_cancelling_is_said_at_once_and_half_a_picture_does_not_stay(qtbot: QtBot, make_studio: MakeStudio) -> None:
    studio = make_studio(FakeEngine(seconds_per_step=0.05))
    window = studio.window
    studio.draft.set_prompt("x")
    window.prompt.generate.click()
    qtbot.waitUntil(lambda: not window.centre.view.image.isNull(), timeout=5000)
    assert window.prompt.cancel.isEnabled()
    assert window.centre.details.title.text() == "x"
    qtbot.keyClick(window.prompt.prompt, Qt.Key.Key_Escape)
    assert window.prompt.cancel.text() == "Cancelling …"
    assert "Cancelling" in window.statusBar().progress.text()
    qtbot.waitUntil(lambda: studio.queue.running is None, timeout=5000)
    assert window.centre.view.image.isNull()
    assert window.centre.empty.isVisible()
    assert not window.prompt.cancel.isEnabled()


def test_a_failure_is_said_and_the_next_job_runs(qtbot: QtBot, make_studio: MakeStudio) -> None:
    broken = [True]

    def before_step(_step: int) -> None:
        if broken.pop() if broken else False:
            raise OutOfMemory("The device has not enough memory.", "Make it <b>smaller</b>.", "8 GB")

    studio = make_studio(FakeEngine(before_step=before_step))
    studio.draft.set_count(2)
    studio.draft.set_prompt("y")
    studio.window.prompt.generate.click()
    qtbot.waitUntil(lambda: studio.window.centre.picture is not None, timeout=5000)
    (card,) = studio.window.centre.messages.cards()
    assert card.message.hint == "Make it <b>smaller</b>."
    assert [job.state for job in studio.queue.jobs] == [JobState.FAILED, JobState.DONE]
    assert studio.window.jobs.model().rowCount() == 2
    studio.window.commands["cancel"].trigger()  # with nothing running Esc closes the messages
    assert studio.window.centre.messages.cards() == ()


def test_a_bad_draft_is_refused_in_words(studio: Studio) -> None:
    studio.draft.set_guidance_scale(1e9)
    studio.window.prompt.generate.click()
    assert "guidance" in studio.window.centre.messages.cards()[0].message.headline
    assert studio.queue.jobs == ()


def test_the_queue_is_reordered_and_emptied_by_hand(qtbot: QtBot, make_studio: MakeStudio) -> None:
    studio = make_studio(FakeEngine(seconds_per_step=0.1))
    studio.draft.set_count(4)
    studio.window.prompt.generate.click()
    qtbot.waitUntil(lambda: studio.queue.running is not None, timeout=5000)
    jobs, before = studio.window.jobs, [job.id for job in studio.queue.waiting]
    jobs.setCurrentIndex(jobs.model().index(3, 0))
    qtbot.keyClick(jobs, Qt.Key.Key_Up, Qt.KeyboardModifier.AltModifier)
    assert [job.id for job in studio.queue.waiting] == [before[0], before[2], before[1]]
    qtbot.keyClick(jobs, Qt.Key.Key_Delete)
    assert len(studio.queue.waiting) == 2
    studio.window.commands["cancel_all"].trigger()
    qtbot.waitUntil(lambda: studio.queue.running is None, timeout=5000)
    assert not studio.queue.waiting


def test_deleting_shows_the_neighbour_and_undo_brings_back(qtbot: QtBot, studio: Studio) -> None:
    window = studio.window
    paint(qtbot, studio, "first", 1)
    paint(qtbot, studio, "second", 2)
    qtbot.waitUntil(lambda: window.centre.picture.recipe.prompt == "second", timeout=5000)
    window.gallery.setFocus()
    qtbot.keyClick(window.gallery, Qt.Key.Key_Delete)
    assert window.gallery.model().rowCount() == 1
    qtbot.waitUntil(
        lambda: window.centre.picture is not None and window.centre.picture.recipe.prompt == "first", timeout=5000
    )
    window.commands["undo"].trigger()
    qtbot.waitUntil(lambda: window.gallery.model().rowCount() == 2, timeout=5000)
    window.commands["delete"].trigger()
    window.commands["delete"].trigger()
    assert window.gallery.model().rowCount() == 0
    assert window.centre.picture is None
    assert window.centre.empty.isVisible()


def test_use_settings_and_leafing(qtbot: QtBot, studio: Studio) -> None:
    window = studio.window
    paint(qtbot, studio, "first", 1)
    paint(qtbot, studio, "second", 2)
    window.centre.view.setFocus()
    qtbot.keyClick(window.centre.view, Qt.Key.Key_Right)
    assert window.centre.picture.recipe.prompt == "first"
    window.commands["use_settings"].trigger()
    assert (studio.draft.draft.prompt, studio.draft.draft.seed) == ("first", 1)
    assert window.commands["undo"].text() == "&Undo use settings"


def seed_running(studio: Studio) -> int:
    running = studio.queue.running
    return running.recipe.seed if running is not None else -1


def test_the_words_are_of_the_job_that_runs_after_one_was_cancelled(qtbot: QtBot, make_studio: MakeStudio) -> None:
    go, begun = threading.Event(), []

    def before_step(step: int) -> None:
        begun.append(step)
        if begun.count(0) == 2:  # the second job gives no preview for now
            go.wait(10)

    studio = make_studio(FakeEngine(seconds_per_step=0.02, before_step=before_step))
    studio.draft.set_steps(150)
    studio.draft.set_seed(70)
    studio.draft.set_count(2)
    facts = studio.window.centre.details.facts
    qtbot.mouseClick(studio.window.prompt.generate, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "seed 70" in facts.text(), timeout=5000)
    qtbot.mouseClick(studio.window.prompt.cancel, Qt.MouseButton.LeftButton)
    try:
        qtbot.waitUntil(lambda: seed_running(studio) == 71, timeout=5000)
        assert "seed 70" not in facts.text()
    finally:
        studio.queue.cancel_all()
        go.set()
    qtbot.waitUntil(lambda: studio.queue.running is None, timeout=5000)


def test_a_chosen_picture_is_not_covered_by_previews(qtbot: QtBot, make_studio: MakeStudio) -> None:
    studio = make_studio(FakeEngine(seconds_per_step=0.03))
    window = studio.window
    studio.draft.set_steps(2)
    paint(qtbot, studio, "first", 1)
    studio.draft.set_steps(40)
    window.prompt.generate.click()
    qtbot.waitUntil(lambda: window.centre.picture is None, timeout=5000)
    window.gallery.picture_chosen.emit(studio.state.gallery.picture(studio.state.gallery.index(0)))
    qtbot.waitUntil(lambda: window.centre.picture is not None, timeout=5000)
    qtbot.wait(150)
    assert window.centre.picture is not None
    studio.queue.cancel_all()
    qtbot.waitUntil(lambda: studio.queue.running is None, timeout=5000)


def test_the_panels_stand_together_in_the_view_menu(window: MainWindow) -> None:
    menu = window.menuBar().findChild(QMenu, "viewMenu")
    assert isinstance(menu, QMenu)
    names = [action.text().replace("&", "") or "--" for action in menu.actions()]
    begin = names.index("Prompt")
    assert names[begin - 1 :] == [
        "--", "Prompt", "Settings", "Queue", "Control", "Plugins", "History", "Reset the panels", "--", "Light theme",
    ]  # fmt: skip


def test_layout_theme_and_draft_survive(qtbot: QtBot, make_studio: MakeStudio, data: Path) -> None:
    first = make_studio(folder=data / "same")
    first.window.resize(798, 560)  # the offscreen screen is 800 x 600
    first.window.docks["queueDock"].close()
    first.window.commands["theme"].trigger()
    first.draft.set_prompt("kept words")
    first.close()
    second = make_studio(folder=data / "same")
    assert (second.window.width(), second.window.height()) == (798, 560)
    assert second.window.docks["queueDock"].isHidden()
    assert second.state.settings.get("theme") == "light"
    assert second.window.prompt.prompt.toPlainText() == "kept words"
    second.window.commands["reset_layout"].trigger()
    assert second.window.docks["queueDock"].isVisible()


def test_the_picture_on_show_is_the_chosen_one_after_a_restart(
    qtbot: QtBot, make_studio: MakeStudio, data: Path
) -> None:
    first = make_studio(folder=data / "same")
    paint(qtbot, first, "kept", 1)
    first.close()
    second = make_studio(folder=data / "same")
    qtbot.waitUntil(lambda: second.window.centre.picture is not None, timeout=5000)
    qtbot.waitUntil(lambda: second.window.history.choice.rows() == [0], timeout=5000)


def test_every_control_has_a_name_and_every_icon_button_a_tooltip(qtbot: QtBot, studio: Studio) -> None:
    window = studio.window
    kinds = (QAbstractButton, QAbstractSpinBox, QComboBox, QSlider)
    fields = [
        field for kind in kinds for field in window.findChildren(kind) if not field.objectName().startswith("qt_")
    ]
    nameless = [
        f"{type(f).__name__} {f.objectName()}"
        for f in fields
        if not f.accessibleName() and not getattr(f, "text", str)()
    ]
    assert nameless == []
    icons_only = [b for b in window.findChildren(QToolButton) if not b.objectName().startswith("qt_")]
    assert [b.accessibleName() for b in icons_only if not b.toolTip()] == []


def test_menus_are_complete_and_shortcuts_unique(window: MainWindow) -> None:
    titles = [action.text().replace("&", "") for action in window.menuBar().actions()]
    assert titles == ["File", "Edit", "View", "Picture", "Queue", "Plugins", "Help"]
    assert all(action.menu().actions() for action in window.menuBar().actions())
    keys = [key.toString() for row in window.commands.rows() for key in window.commands[row.id].shortcuts()]
    assert sorted(keys) == sorted(set(keys))


@pytest.mark.parametrize("name", ["show_about", "show_shortcuts", "show_messages"])
def test_help_opens_and_closes(qtbot: QtBot, window: MainWindow, name: str) -> None:
    getattr(window.do, name)()
    (dialog,) = window.findChildren(QDialog)
    assert dialog.isVisible()
    dialog.reject()


def test_messages_before_the_window_are_shown(qtbot: QtBot, make_studio: MakeStudio, data: Path) -> None:
    folder = data / "damaged"
    folder.mkdir(parents=True)
    (folder / "settings.json").write_text("{")
    studio = make_studio(folder=folder)
    qtbot.waitUntil(lambda: bool(studio.window.centre.messages.cards()), timeout=8000)
    assert "settings" in studio.window.centre.messages.cards()[0].message.headline


def test_many_messages_stay_three_and_errors_outlive_notes(studio: Studio) -> None:
    for number in range(3):
        studio.state.messages.error(StudioError(f"error {number}"))
    studio.state.messages.info("a note")
    studio.state.messages.error(StudioError("the last"))
    heads = [card.message.headline for card in studio.window.centre.messages.cards()]
    assert len(heads) <= 3
    assert heads[0] == "the last"
    assert "a note" not in heads


def test_the_picture_is_painted_at_two_pixels_a_point(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio)
    target = QImage(studio.window.size() * 2, QImage.Format.Format_ARGB32_Premultiplied)
    target.setDevicePixelRatio(2)
    studio.window.render(target)
    assert target.pixelColor(target.width() // 2, target.height() // 2).isValid()


def test_the_newest_picture_is_there_again_after_a_restart(qtbot: QtBot, make_studio: MakeStudio, data: Path) -> None:
    first = make_studio(folder=data / "same")
    paint(qtbot, first, "kept")
    first.close()
    second = make_studio(folder=data / "same")
    qtbot.waitUntil(lambda: second.window.centre.view.image.width() == 256, timeout=5000)
    assert second.window.centre.details.title.text() == "kept"


def test_undo_on_a_message_takes_back_only_what_it_speaks_of(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio)
    studio.window.commands["delete"].trigger()
    (card,) = studio.window.centre.messages.cards()
    studio.draft.set_steps(44)
    card.message.on_action()
    assert studio.draft.draft.steps == 44
    assert studio.window.gallery.model().rowCount() == 0
    studio.draft.undo_stack.undo()
    card.message.on_action()
    qtbot.waitUntil(lambda: studio.window.gallery.model().rowCount() == 1, timeout=5000)


def test_unsaved_pictures_hold_the_window_open(qtbot: QtBot, studio: Studio) -> None:
    class Queue:
        unsaved_jobs = (1, 2)

    studio.window.state.queue, real = Queue(), studio.window.state.queue
    try:
        studio.window.commands["quit"].trigger()
    finally:
        studio.window.state.queue = real
    assert studio.window.isVisible()
    assert "2" in studio.window.centre.messages.cards()[0].message.headline


def test_the_details_leave_their_words_room_in_a_narrow_window(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio)
    details = studio.window.centre.details
    studio.window.commands["details"].trigger()
    for width, narrow in ((1500, False), (1024, True), (1500, False)):
        studio.window.resize(width, 800)
        qtbot.waitUntil(lambda narrow=narrow: (details.width() < NARROW_PX) is narrow, timeout=5000)
        details.more.layout().activate()
        assert details.text.width() > 240
        assert (details.marks.y() > details.text.y()) is narrow
        assert details.marks.width() >= MARKS_PX


def test_windows_open_no_larger_than_the_screen(window: MainWindow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "room_for", lambda _window: QSize(1264, 640))
    fitting.open_in(window, QSize(1280, 800))
    assert (window.width(), window.height()) == (1264, 640)
    window.commands["plugins"].trigger()
    pages = [page for page in window.findChildren(QDialog) if page.isVisible()]
    assert [(page.width(), page.height()) for page in pages] == [(860, 600)]
    monkeypatch.setattr(fitting, "room_for", lambda _window: QSize(1000, 560))
    window.commands["shortcuts"].trigger()
    assert (600, 560) in [(page.width(), page.height()) for page in window.findChildren(QDialog) if page.isVisible()]


def test_the_samples_of_the_first_start_are_whole_in_a_narrow_window(qtbot: QtBot, window: MainWindow) -> None:
    empty = window.centre.empty
    for width in (1024, 1500):
        window.resize(width, 640)
        qtbot.waitUntil(lambda: empty.size() == window.centre.view.size(), timeout=5000)
        empty.layout().activate()
        chips = [chip for chip in empty.findChildren(QPushButton) if chip.property("look") == "chip"]
        assert len(chips) == 3
        assert [chip.text() for chip in chips if chip.width() < chip.sizeHint().width()] == []
        assert abs(chips[0].geometry().center().x() - empty.rect().center().x()) <= 1
