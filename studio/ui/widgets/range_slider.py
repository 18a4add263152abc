"""A slider with two handles: from where to where. Painted from the palette of tokens, usable by keyboard."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.ui.theme import colors

_RADIUS = 6.5
_KEYS = {
    Qt.Key.Key_Left: -1,
    Qt.Key.Key_Down: -1,
    Qt.Key.Key_Right: 1,
    Qt.Key.Key_Up: 1,
    Qt.Key.Key_PageDown: -10,
    Qt.Key.Key_PageUp: 10,
}


class RangeSlider(QWidget):
    """Whole numbers `low` <= `high` within 0 ... `maximum`. Left/Right move the active handle, Space takes the other one.

    Signals: `edited(int, int)` - the artist moved a handle (never emitted by `show_range`).
    """

    edited = Signal(int, int)

    def __init__(self, maximum: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._maximum = maximum
        self._values = [0, maximum]
        self._active = 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def values(self) -> tuple[int, int]:
        return self._values[0], self._values[1]

    def show_range(self, low: int, high: int) -> None:
        """Show a range without telling anybody."""
        if self.values != (low, high):
            self._values = [low, high]
            self.update()

    def _x(self, value: int) -> float:
        return _RADIUS + (self.width() - 2 * _RADIUS) * value / self._maximum

    def _value_at(self, x: float) -> int:
        share = (x - _RADIUS) / max(1.0, self.width() - 2 * _RADIUS)
        return round(min(1.0, max(0.0, share)) * self._maximum)

    def _move_active(self, value: int) -> None:
        low, high = (0, self._values[1]) if self._active == 0 else (self._values[0], self._maximum)
        value = min(high, max(low, value))
        if value != self._values[self._active]:
            self._values[self._active] = value
            self.update()
            self.edited.emit(*self.values)

    # Qt overrides
    def sizeHint(self) -> QSize:
        return QSize(120, 20)

    def minimumSizeHint(self) -> QSize:
        return QSize(60, 20)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        x = event.position().x()
        near = [abs(x - self._x(value)) for value in self._values]
        if near[0] == near[1]:  # both handles on one spot: take the one that can go there
            self._active = 0 if x < self._x(self._values[0]) else 1
        else:
            self._active = 0 if near[0] < near[1] else 1
        self._move_active(self._value_at(x))
        self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._move_active(self._value_at(event.position().x()))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = _KEYS.get(Qt.Key(event.key()))
        if step is not None:
            self._move_active(self._values[self._active] + step)
        elif event.key() == Qt.Key.Key_Space:
            self._active = 1 - self._active
            self.update()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:
        tokens = colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        middle = self.height() / 2
        groove = QRectF(0, middle - 2, self.width(), 4)
        painter.setBrush(tokens.color("track"))
        painter.drawRoundedRect(groove, 2, 2)
        low, high = self._x(self._values[0]), self._x(self._values[1])
        painter.setBrush(tokens.color("accent" if self.isEnabled() else "border_strong"))
        painter.drawRoundedRect(QRectF(low, middle - 2, high - low, 4), 2, 2)
        for handle, x in enumerate((low, high)):
            focused = self.hasFocus() and handle == self._active
            painter.setPen(QPen(tokens.color("accent" if focused else "border_strong"), 2 if focused else 1))
            painter.setBrush(tokens.color("handle"))
            painter.drawEllipse(QPointF(x, middle), _RADIUS - 0.5, _RADIUS - 0.5)
