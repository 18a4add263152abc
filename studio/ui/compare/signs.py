"""What is painted over two compared pictures: the line between them, their letters, where a drag would fall."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from studio.ui.theme import colors, ui_font

NAME_PX = 26
_GRIP_PX = 15


def paint_line(painter: QPainter, x: float, height: float, ratio: float) -> None:
    """The line between A and B with its grip, in device pixels."""
    accent = colors().color("accent")
    painter.fillRect(QRectF(x - ratio, 0, 2 * ratio, height), accent)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    middle = QPointF(x, height / 2)
    painter.setPen(QPen(accent, 2 * ratio))
    painter.setBrush(colors().color("panel"))
    painter.drawEllipse(middle, _GRIP_PX * ratio, _GRIP_PX * ratio)
    painter.setPen(QPen(colors().color("text"), 1.75 * ratio, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    for way in (-1, 1):
        tip = middle + QPointF(way * 7.5 * ratio, 0)
        for up in (-1, 1):
            painter.drawLine(tip, tip + QPointF(-way * 3.5 * ratio, up * 4 * ratio))


def paint_name(painter: QPainter, name: str, x: float) -> None:
    """A letter in a corner, `x` from the left."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    box = QRectF(x, 12, NAME_PX, 24)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colors().color("panel", 225))
    painter.drawRoundedRect(box, 6, 6)
    painter.setPen(colors().color("text"))
    painter.setFont(ui_font(13, ui_font().Weight.DemiBold))
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), name)


def paint_hint(painter: QPainter, room: QRectF, words: tuple[str, str], hot: int) -> None:
    """Both halves with what dropping there does; the one under the pointer stands out."""
    half = room.width() / 2
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(ui_font(14, ui_font().Weight.DemiBold))
    for side, said in enumerate(words):
        box = QRectF(side * half, 0, half, room.height()).adjusted(10, 10, -10, -10)
        painter.setBrush(colors().color("accent_soft", 240 if side == hot else 190))
        style = Qt.PenStyle.SolidLine if side == hot else Qt.PenStyle.DashLine
        painter.setPen(QPen(colors().color("accent"), 2 if side == hot else 1, style))
        painter.drawRoundedRect(box, 8, 8)
        painter.setPen(colors().color("text"))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), said)
