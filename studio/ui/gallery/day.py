"""Which day one looks at: a heading that stays at the upper edge while its tiles go by, and a bubble beside the scroll bar."""

from __future__ import annotations

from datetime import date

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QScrollBar, QStyle, QStyleOptionSlider, QWidget

from studio.ui.gallery.captions import day_words
from studio.ui.gallery.layout import HEADING_PX, GridLayout, Section
from studio.ui.gallery.tiles import paint_heading
from studio.ui.theme import colors, ui_font

_PAD_X, _PAD_Y, _FROM_BAR = 12, 7, 10


def pinned_rect(grid: GridLayout, offset: int, width: int) -> QRect:
    """Where the pinned heading stands on the viewport, empty where no day has begun to go by."""
    pinned = grid.pinned(offset)
    return QRect() if pinned is None else QRect(0, pinned[1], width, HEADING_PX)


class PinnedHeading:
    """Paints the heading of the day whose tiles go by at the upper edge; the next day's pushes it away.

    Mutable state: `_image` and `_key`, what was painted last: while one scrolls through a day it is only copied.
    """

    def __init__(self) -> None:
        self._image = QImage()
        self._key: tuple[object, ...] = ()

    def paint(self, painter: QPainter, grid: GridLayout, offset: int, width: int, today: date) -> None:
        """Where `pinned_rect` says, opaque."""
        pinned = grid.pinned(offset)
        if pinned is None:
            return
        section, top = pinned
        tokens, ratio = colors(), painter.device().devicePixelRatioF()
        key = (section, grid.left, grid.cell * grid.columns, width, today, ratio, tokens)
        if key != self._key:
            self._image, self._key = self._painted(section, grid, width, today, ratio), key
        painter.drawImage(0, top, self._image)

    def _painted(self, section: Section, grid: GridLayout, width: int, today: date, ratio: float) -> QImage:
        image = QImage(QSize(width, HEADING_PX) * ratio, QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        image.fill(colors().color("panel"))
        painter = QPainter(image)
        place = QRect(grid.left, 0, grid.cell * grid.columns, HEADING_PX)
        paint_heading(painter, place, section.day, section.count, today)
        painter.fillRect(QRect(0, HEADING_PX - 1, width, 1), colors().color("border"))
        painter.end()
        return image


class DateBubble(QWidget):
    """Says beside the handle of a scroll bar, while it is dragged, which day and which picture that would be.

    Mutable state: `words` and `place`, what it says in its two lines.
    """

    def __init__(self, bar: QScrollBar, parent: QWidget) -> None:
        super().__init__(parent)
        self._bar, self._room = bar, parent
        self.words, self.place = "", ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def tell(self, grid: GridLayout, offset: int, today: date) -> None:
        """The first row in sight below the pinned heading when the grid is scrolled to `offset`."""
        edge = offset if grid.pinned(offset) is None else offset + HEADING_PX
        rows = grid.rows_between(edge, edge + HEADING_PX + grid.cell)
        if not rows:
            self.hide()
            return
        day = grid.section_of(rows.start).day
        self.place = self.tr("{n} of {all}").replace("{n}", f"{rows.start + 1:,}").replace("{all}", f"{grid.count:,}")
        self.words = day_words(day, today) if day else ""
        self._stand()
        self.show()
        self.raise_()
        self.update()

    def _stand(self) -> None:
        """To the left of the handle, wholly inside the room."""
        option = QStyleOptionSlider()
        self._bar.initStyleOption(option)
        style = self._bar.style()
        control, part = QStyle.ComplexControl.CC_ScrollBar, QStyle.SubControl.SC_ScrollBarSlider
        handle = style.subControlRect(control, option, part, self._bar)
        size = self.sizeHint()
        corner = self._bar.mapTo(self._room, QPoint(0, handle.center().y()))
        y = max(6, min(corner.y() - size.height() // 2, self._room.height() - size.height() - 6))
        self.setGeometry(QRect(QPoint(corner.x() - size.width() - _FROM_BAR, y), size))

    # Qt overrides
    def sizeHint(self) -> QSize:
        large, small = QFontMetrics(_large()), QFontMetrics(ui_font(12))
        width = max(large.horizontalAdvance(self.words), small.horizontalAdvance(self.place))
        height = small.height() + (large.height() + 2 if self.words else 0)
        return QSize(width + 2 * _PAD_X + 2, height + 2 * _PAD_Y)

    def paintEvent(self, _event: QPaintEvent) -> None:
        tokens = colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(tokens.color("border_strong"), 1))
        painter.setBrush(tokens.color("raised"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8)
        room = self.rect().adjusted(_PAD_X, _PAD_Y, -_PAD_X, -_PAD_Y)
        left = Qt.AlignmentFlag.AlignLeft
        if self.words:
            painter.setFont(_large())
            painter.setPen(tokens.color("text"))
            painter.drawText(room, int(left | Qt.AlignmentFlag.AlignTop), self.words)
        painter.setFont(ui_font(12))
        painter.setPen(tokens.color("text_muted"))
        painter.drawText(room, int(left | Qt.AlignmentFlag.AlignBottom), self.place)


def _large() -> QFont:
    return ui_font(14, QFont.Weight.DemiBold)
