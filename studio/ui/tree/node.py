"""One picture of the tree: its thumbnail, and what changed on the way to it."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSizeF, Qt
from PySide6.QtGui import QFontMetricsF, QImage, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsObject, QStyleOptionGraphicsItem, QWidget

from studio.core.picture import Picture
from studio.ui.icons import render
from studio.ui.theme import colors, ui_font
from studio.ui.widgets.text import plain_tooltip

SIDE_PX = 112
CAPTION_PX = 42
WIDTH_PX, HEIGHT_PX = SIDE_PX, SIDE_PX + CAPTION_PX
READABLE = 0.45  # below this zoom captions are left out
_OVER_PX = 10  # a caption may stand over its picture by this much on either side
_FONT_PX, _FONT_MOST_PX = 12, 18  # as large as it must be to be read at the zoom
_RADIUS = 8.0
_TRASHED = 0.35  # opacity


class Node(QGraphicsObject):
    """Draws itself at any zoom; the view says whether it is selected. `image` None: not decoded yet."""

    def __init__(self, picture: Picture, words: str, tip: str, is_start: bool, is_trashed: bool = False) -> None:
        super().__init__()
        self.picture, self.words = picture, words
        self.is_start, self.is_trashed = is_start, is_trashed
        self.image: QImage | None = None
        self.setFlag(QGraphicsObject.GraphicsItemFlag.ItemIsSelectable)
        plain_tooltip(self, tip)
        self.setAcceptHoverEvents(True)
        self.setCacheMode(QGraphicsObject.CacheMode.NoCache)

    def set_image(self, image: QImage | None) -> None:
        """The thumbnail."""
        self.image = image
        self.update()

    # Qt overrides
    def boundingRect(self) -> QRectF:
        return QRectF(-_OVER_PX, -4, WIDTH_PX + 2 * _OVER_PX, HEIGHT_PX + 8)

    def shape(self) -> QPainterPath:
        path = QPainterPath()
        path.addRect(QRectF(0, 0, WIDTH_PX, HEIGHT_PX))
        return path

    def paint(self, painter: QPainter, option: QStyleOptionGraphicsItem, _widget: QWidget | None = None) -> None:
        tokens, square = colors(), QRectF(0, 0, SIDE_PX, SIDE_PX)
        detail = option.levelOfDetailFromTransform(painter.worldTransform())
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        path = QPainterPath()
        path.addRoundedRect(square, _RADIUS, _RADIUS)
        painter.fillPath(path, tokens.color("raised"))
        if self.image is not None:
            painter.save()
            painter.setClipPath(path)
            painter.setOpacity(_TRASHED if self.is_trashed else 1.0)
            painter.drawImage(_filled(square, QSizeF(self.image.size())), self.image)
            painter.restore()
        self._frame(painter, path)
        if self.is_trashed:
            painter.drawImage(QRectF(SIDE_PX - 26, 8, 18, 18), render("trash", 54, tokens.text_muted))
        if self.picture.marks.rating:
            self._stars(painter)
        if detail >= READABLE:
            self._caption(painter, detail)

    def _frame(self, painter: QPainter, path: QPainterPath) -> None:
        tokens = colors()
        if self.isSelected():
            painter.setPen(QPen(tokens.color("accent"), 2.5))
        elif self.is_start:
            painter.setPen(QPen(tokens.color("text_muted"), 1.5))
        else:
            painter.setPen(QPen(tokens.color("border_strong"), 1.0))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPath(path)

    def _stars(self, painter: QPainter) -> None:
        count = self.picture.marks.rating
        plate = QRectF(6, SIDE_PX - 22, 8 + 12 * count, 16)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colors().color("window", 190))
        painter.drawRoundedRect(plate, 8, 8)
        star = render("star", 32, colors().warning)
        for number in range(count):
            painter.drawImage(QRectF(plate.left() + 4 + 12 * number, plate.top() + 3, 10, 10), star)

    def _caption(self, painter: QPainter, detail: float) -> None:
        size = round(min(_FONT_MOST_PX, max(_FONT_PX, 10.5 / detail)))
        font = ui_font(size)
        painter.setFont(font)
        painter.setPen(colors().color("text" if self.isSelected() else "text_muted"))
        metrics = QFontMetricsF(font)
        width, line = WIDTH_PX + 2.0 * _OVER_PX, metrics.height()
        for number, text in enumerate(_two_lines(self.words, metrics, width)):
            place = QRectF(-_OVER_PX, SIDE_PX + 3 + number * line, width, line)
            painter.drawText(place, int(Qt.AlignmentFlag.AlignCenter), text)


def _filled(square: QRectF, size: QSizeF) -> QRectF:
    """A picture of this size over all of the square, cut where it stands over."""
    if size.isEmpty():
        return square
    scale = max(square.width() / size.width(), square.height() / size.height())
    place = QRectF(0, 0, size.width() * scale, size.height() * scale)
    place.moveCenter(square.center())
    return place


def _two_lines(words: str, metrics: QFontMetricsF, width: float) -> tuple[str, str]:
    """The words in two lines as they are given, or broken once at a blank; elided."""
    elide = Qt.TextElideMode.ElideRight
    if "\n" in words:
        first, second = words.split("\n", 1)
        return metrics.elidedText(first, elide, width), metrics.elidedText(second, elide, width)
    if metrics.horizontalAdvance(words) <= width:
        return words, ""
    at = max((i for i, c in enumerate(words) if c == " " and metrics.horizontalAdvance(words[:i]) <= width), default=0)
    if at == 0:
        return metrics.elidedText(words, elide, width), ""
    return words[:at], metrics.elidedText(words[at + 1 :], elide, width)
