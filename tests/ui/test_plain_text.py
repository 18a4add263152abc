"""Whatever a text says, it is shown letter by letter: no label, tooltip or message of ours reads HTML."""

import re
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtGui import Qt as GuiQt
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QTextEdit, QWidget
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.errors import StudioError
from studio.ui.widgets.text import ElidedLabel, PlainLabel, plain
from tests.ui.conftest import paint

EVIL = '<img src="file://host/x"><b>bold</b> & more'
SOURCES = sorted((Path(__file__).resolve().parents[2] / "studio" / "ui").rglob("*.py"))


def test_all_labels_and_tooltips_are_plain(qtbot: QtBot, studio: Studio) -> None:
    window = studio.window
    paint(qtbot, studio, EVIL)
    studio.state.messages.error(StudioError(EVIL, EVIL, EVIL))
    window.commands["details"].trigger()
    labels = window.findChildren(QLabel)
    assert [
        label.text() for label in labels if label.textFormat() != Qt.TextFormat.PlainText and not _of_qt(label)
    ] == []
    tips = [thing.toolTip() for kind in (QWidget, QAction) for thing in window.findChildren(kind)]
    assert [tip for tip in tips if GuiQt.mightBeRichText(tip) and "<img" in tip] == []
    assert [type(edit).__name__ for edit in window.findChildren(QTextEdit)] == []
    assert all(isinstance(edit, QPlainTextEdit) for edit in window.findChildren(QPlainTextEdit))
    assert window.centre.details.title.text() == EVIL


def _of_qt(label: QLabel) -> bool:
    return label.objectName().startswith("qt_") or (type(label) is not QLabel and not isinstance(label, PlainLabel))


def test_tooltips_are_escaped_only_when_they_must() -> None:
    assert plain("a simple tip") == "a simple tip"
    assert "<img" not in plain(EVIL)
    assert "&lt;img" in plain(EVIL)
    assert max(len(line) for line in plain("word " * 100).split("\n")) <= 64


def test_a_long_label_is_cut_and_says_all_in_its_tooltip(qtbot: QtBot) -> None:
    label = ElidedLabel("a long line of words\nin two lines " * 5)
    qtbot.addWidget(label)
    label.resize(120, 20)
    label.grab()
    assert "\n" not in label.text()
    assert label.toolTip().startswith("a long line")


def test_no_source_uses_bare_labels_or_message_boxes() -> None:
    bare = re.compile(
        r"(?<!Plain)(?<!Elided)\bQLabel\(|QMessageBox|setToolTip\(|QTextEdit\(|QTextBrowser|setText\(f?\"<"
    )
    allowed = ("text.py", "scheduler_row.py", "actions.py")  # the helper itself; items given plain(); menus' switch
    found = [
        f"{file.name}: {line.strip()}"
        for file in SOURCES
        for line in file.read_text("utf-8").splitlines()
        if bare.search(line) and file.name not in allowed
    ]
    assert found == ["message_bar.py: box = QPlainTextEdit(self.message.detail)"] or found == []
