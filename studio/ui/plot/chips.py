"""The values of an axis as they were understood: small labels in a row that wraps, painted."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.ui.theme import colors, ui_font
from studio.ui.widgets.text import one_line, plain_tooltip

_HEIGHT_PX, _GAP_PX, _INSET_PX, _WIDEST_PX, _LINES = 22, 6, 8, 190, 2


class Chips(QWidget):
    """At most two lines of values; of more the last label says how many."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._texts: tuple[str, ...] = ()
        self._placed: list[tuple[QRectF, str]] = []

    @property
    def texts(self) -> tuple[str, ...]:
        return self._texts

    def show_texts(self, texts: tuple[str, ...]) -> None:
        """Show these values."""
        if texts != self._texts:
            self._texts = texts
            self.setAccessibleDescription(", ".join(texts))
            plain_tooltip(self, ", ".join(one_line(text) for text in texts))
            self._lay_out()

    def _lay_out(self) -> None:
        metrics = QFontMetricsF(ui_font(12))
        placed: list[tuple[QRectF, str]] = []
        x = y = 0.0
        for number, text in enumerate(self._texts):
            shown = metrics.elidedText(one_line(text), Qt.TextElideMode.ElideRight, _WIDEST_PX)
            width = metrics.horizontalAdvance(shown) + 2 * _INSET_PX
            left = len(self._texts) - number - 1
            more = metrics.horizontalAdvance(f"+ {left}") + 2 * _INSET_PX + _GAP_PX if left else 0.0
            is_last_line = y >= (_LINES - 1) * (_HEIGHT_PX + _GAP_PX)
            if x > 0 and x + width + (more if is_last_line else 0) > self.width():
                if is_last_line:
                    rest = f"+ {left + 1}"
                    placed.append((QRectF(x, y, metrics.horizontalAdvance(rest) + 2 * _INSET_PX, _HEIGHT_PX), rest))
                    break
                x, y = 0.0, y + _HEIGHT_PX + _GAP_PX
            placed.append((QRectF(x, y, width, _HEIGHT_PX), shown))
            x += width + _GAP_PX
        self._placed = placed
        height = int(y) + _HEIGHT_PX if placed else 0
        if self.height() != height or self.minimumHeight() != height:
            self.setFixedHeight(height)
        self.update()

    # Qt overrides
    def sizeHint(self) -> QSize:
        return QSize(200, self.minimumHeight())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._lay_out()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(ui_font(12))
        for box, text in self._placed:
            is_rest = text.startswith("+ ")
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colors().color("panel" if is_rest else "accent_soft"))
            painter.drawRoundedRect(box, 6, 6)
            painter.setPen(colors().color("text_muted" if is_rest else "text"))
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)
