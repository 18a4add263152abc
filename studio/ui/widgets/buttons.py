"""Icon buttons, always with a tooltip and an accessible name; and icons that only stand there."""

from __future__ import annotations

from PySide6.QtCore import QPoint, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QMenu, QPushButton, QToolButton, QWidget

from studio.ui.icons import icon, render
from studio.ui.theme import colors
from studio.ui.widgets.text import plain_tooltip


def icon_button(name: str, says: str, parent: QWidget | None = None, icon_on: str = "", px: int = 18) -> QToolButton:
    """A flat button with the icon `name`; `icon_on` makes it checkable and is its icon while checked."""
    button = QToolButton(parent)
    button.setIcon(icon(name, name_on=icon_on))
    button.setIconSize(QSize(px, px))
    button.setCheckable(bool(icon_on))
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    plain_tooltip(button, says, name=True)
    return button


class MenuButton(QPushButton):
    """A push button with an icon that opens `menu` below itself without waiting for it (QPushButton's own menu waits)."""

    def __init__(self, icon_name: str, words: str, parent: QWidget | None = None) -> None:
        super().__init__(icon(icon_name), words, parent)
        self.setIconSize(QSize(16, 16))
        self.setAutoDefault(False)
        self.menu_below = QMenu(self)
        self.clicked.connect(self.open_menu)

    def open_menu(self) -> None:
        """Open the menu."""
        self.menu_below.popup(self.mapToGlobal(QPoint(0, self.height() + 2)))


class IconSign(QWidget):
    """An icon of `px` pixels in a colour token, or in its own colours if `token` is empty; follows the theme."""

    def __init__(self, name: str, token: str, px: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name, self._token = name, token
        self.setFixedSize(px, px)

    # Qt overrides
    def paintEvent(self, _event: QPaintEvent) -> None:
        color = getattr(colors(), self._token) if self._token else ""
        image = render(self._name, round(self.width() * self.devicePixelRatioF()), color)
        QPainter(self).drawImage(self.rect(), image)
