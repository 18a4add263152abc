"""The size in which a window opens: as wished, or what its screen has room for."""

from __future__ import annotations

from PySide6.QtCore import QSize
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

_FRAME = QSize(16, 40)  # of a window, its title bar included, which is not there before it is shown


def open_in(window: QWidget, wished: QSize) -> None:
    """Give a window its first size."""
    window.resize(wished.boundedTo(room_for(window)))


def room_for(window: QWidget) -> QSize:
    """The largest size that a window can have on its screen, panels and task bars left out."""
    if QGuiApplication.platformName() == "offscreen":  # nobody looks at that screen
        return QSize(16_000, 16_000)
    return window.screen().availableSize() - _FRAME
