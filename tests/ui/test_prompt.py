"""Typing, undo, tokens: through the prompt fields of the real window."""

from types import SimpleNamespace

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.draft import Draft
from studio.ui.main_window import MainWindow
from studio.ui.panels.prompt_edit import PromptEdit, units


def test_typing_reaches_the_draft_and_tells_once(qtbot: QtBot, studio: Studio) -> None:
    heard: list[Draft] = []
    studio.draft.changed.connect(heard.append)
    qtbot.keyClicks(studio.window.prompt.prompt, "a cat")
    assert studio.draft.draft.prompt == "a cat"
    assert len(heard) == len("a cat")
    qtbot.keyClicks(studio.window.prompt.negative, "dog")
    assert studio.draft.draft.negative_prompt == "dog"


def test_showing_a_draft_does_not_echo(qtbot: QtBot, studio: Studio) -> None:
    heard: list[Draft] = []
    studio.draft.changed.connect(heard.append)
    studio.draft.set_prompt("from elsewhere")
    assert studio.window.prompt.prompt.toPlainText() == "from elsewhere"
    assert len(heard) == 1


def test_ctrl_z_in_the_field_is_the_drafts_undo(qtbot: QtBot, studio: Studio) -> None:
    window, edit = studio.window, studio.window.prompt.prompt
    window.activateWindow()
    edit.setFocus()
    qtbot.keyClicks(edit, "hello")
    studio.draft.set_steps(31)
    qtbot.keyClick(edit, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert studio.draft.draft.steps == 20
    assert edit.toPlainText() == "hello"
    qtbot.keyClick(edit, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert studio.draft.draft.prompt == edit.toPlainText() == ""
    qtbot.keyClick(edit, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert edit.toPlainText() == "hello"


def test_a_change_from_elsewhere_keeps_the_cursor(qtbot: QtBot) -> None:
    edit = PromptEdit("x", "x", "x", 3)
    qtbot.addWidget(edit)
    edit.show_text("one two three")
    cursor = edit.textCursor()
    cursor.setPosition(4)
    edit.setTextCursor(cursor)
    edit.show_text("one two three four")
    assert edit.textCursor().position() == 4
    edit.show_text("🙂 one")
    edit.show_text("🙂🙂 one")
    assert edit.toPlainText() == "🙂🙂 one"


def test_the_part_the_model_does_not_see_is_marked(window: MainWindow) -> None:
    panel = window.prompt
    text = "🙂 a long prompt that ends here"
    panel.prompt.show_text(text)
    panel._show_count("prompt", SimpleNamespace(tokens=91, limit=75, cut_at=text.index("ends")))
    assert panel.prompt.cut_off.cut_from == units(text[: text.index("ends")]) == text.index("ends") + 1
    formats = panel.prompt.document().firstBlock().layout().formats()
    assert [(piece.start, piece.length) for piece in formats] == [(text.index("ends") + 1, len("ends here"))]
    assert panel.prompt_count.text() == "91 / 75"
    panel._show_count("prompt", SimpleNamespace(tokens=3, limit=75, cut_at=None))
    assert panel.prompt.cut_off.cut_from is None


def test_marking_does_not_look_like_typing(qtbot: QtBot, studio: Studio) -> None:
    studio.draft.set_prompt("some words here")
    heard: list[Draft] = []
    studio.draft.changed.connect(heard.append)
    studio.window.prompt.prompt.mark_cut(5)
    studio.window.commands["theme"].trigger()
    studio.window.commands["theme"].trigger()
    qtbot.wait(20)
    assert heard == []
