"""One time line of undo: fields leave Ctrl+Z and Ctrl+Y to the window, whose undo covers drops and deletions too."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QWidget

_KEYS = (QKeySequence.StandardKey.Undo, QKeySequence.StandardKey.Redo)


class _Guard(QObject):
    # Qt overrides
    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() != QEvent.Type.ShortcutOverride or not isinstance(event, QKeyEvent):
            return False
        if not any(event.matches(key) for key in _KEYS):
            return False
        event.ignore()  # not overridden, so the shortcut fires
        return True


def leave_undo_to_window(field: QWidget) -> None:
    """Keep a text field from taking undo and redo for itself."""
    field.installEventFilter(_Guard(field))
