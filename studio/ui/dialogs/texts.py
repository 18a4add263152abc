"""The small windows of the Help menu: shortcuts, messages so far, about. Plain text, made when they open."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QGridLayout,
    QHBoxLayout,
    QPlainTextEdit,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from studio import __version__
from studio.state.messages import Message
from studio.ui.actions import Actions
from studio.ui.widgets.buttons import IconSign
from studio.ui.widgets.fitting import open_in
from studio.ui.widgets.text import PlainLabel


def _dialog(parent: QWidget, title: str, size: QSize) -> tuple[QDialog, QVBoxLayout]:
    dialog = QDialog(parent)
    dialog.setWindowTitle(title)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    open_in(dialog, size)
    column = QVBoxLayout(dialog)
    column.setContentsMargins(20, 20, 20, 16)
    column.setSpacing(12)
    return dialog, column


def _close_row(dialog: QDialog) -> QDialogButtonBox:
    buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
    buttons.rejected.connect(dialog.reject)
    return buttons


def shortcuts_dialog(parent: QWidget, actions: Actions) -> QDialog:
    """All shortcuts, from the table of commands, and the gestures that no menu shows."""
    dialog, column = _dialog(parent, parent.tr("Keyboard shortcuts"), QSize(600, 560))
    body = QWidget()
    body.setObjectName("scrollBody")
    grid = QGridLayout(body)
    grid.setHorizontalSpacing(24)
    grid.setVerticalSpacing(6)
    grid.setColumnStretch(1, 1)
    listed = [(actions.shortcut_text(row.id), row.text.replace("&", "").rstrip(" …")) for row in actions.rows()]
    gestures = [
        (parent.tr("Wheel, pinch"), parent.tr("Zoom the picture at the pointer")),
        (parent.tr("Double-click"), parent.tr("Fit, or actual size")),
        (parent.tr("Drag"), parent.tr("Move a zoomed picture; take a fitted one out as a file")),
        (parent.tr("Alt+drag"), parent.tr("Take a zoomed picture out as a file")),
        (parent.tr("Delete"), parent.tr("In the history: to the trash. In the queue: cancel")),
        (parent.tr("Alt+Up, Alt+Down"), parent.tr("In the queue: run earlier, run later")),
    ]
    for line, (keys, words) in enumerate([(keys, words) for keys, words in listed if keys] + gestures):
        grid.addWidget(PlainLabel(keys, "muted"), line, 0)
        grid.addWidget(PlainLabel(words), line, 1)
    scroll = QScrollArea()
    scroll.setWidgetResizable(True)
    scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll.setWidget(body)
    column.addWidget(scroll, 1)
    column.addWidget(_close_row(dialog))
    return dialog


def messages_dialog(parent: QWidget, history: tuple[Message, ...]) -> QDialog:
    """What was said so far, newest first."""
    dialog, column = _dialog(parent, parent.tr("Messages so far"), QSize(560, 420))
    parts = ["\n".join(filter(None, (m.headline, m.hint, m.detail))) for m in reversed(history)]
    box = QPlainTextEdit("\n\n".join(parts) or parent.tr("Nothing was said yet."))
    box.setReadOnly(True)
    box.setAccessibleName(parent.tr("Messages"))
    column.addWidget(box, 1)
    column.addWidget(_close_row(dialog))
    return dialog


def about_dialog(parent: QWidget) -> QDialog:
    """Name, version and the licences of what ships."""
    dialog, column = _dialog(parent, parent.tr("About Diffusion Studio"), QSize(460, 300))
    head = QHBoxLayout()
    head.setSpacing(16)
    head.addWidget(IconSign("studio", "", 64), 0, Qt.AlignmentFlag.AlignTop)
    words = QVBoxLayout()
    words.addWidget(PlainLabel("Diffusion Studio", "hero"))
    words.addWidget(PlainLabel(parent.tr("Version {n}").replace("{n}", __version__), "muted"))
    head.addLayout(words, 1)
    column.addLayout(head)
    column.addWidget(PlainLabel(_about(parent), "muted", wrap=True))
    column.addStretch(1)
    column.addWidget(_close_row(dialog))
    return dialog


def _about(parent: QWidget) -> str:
    return "\n\n".join(
        (
            parent.tr("Makes pictures with Stable Diffusion on this computer. Nothing leaves it."),
            parent.tr("Apache License 2.0. Built on PySide6, PyTorch, diffusers and transformers."),
            parent.tr("Fonts: Inter and Noto Sans SC, SIL Open Font License; see resources/fonts."),
        )
    )
