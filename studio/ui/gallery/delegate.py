"""How a picture looks in the history: its thumbnail on a tile, a frame when it is selected."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from studio.core.picture import Picture
from studio.state.gallery_model import GalleryModel
from studio.ui.icons import render
from studio.ui.plugin_words import score_figure
from studio.ui.theme import colors, ui_font

_GAP = 3
_RADIUS = 5


class GalleryDelegate(QStyledItemDelegate):
    """Paints square tiles of `cell` pixels; the picture fills its tile, what stands over is cut."""

    cell = 128

    # Qt overrides
    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(self.cell, self.cell)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        rect, state = option.rect, option.state
        image = index.data(GalleryModel.ThumbnailRole)
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        tile = QRect(rect).adjusted(_GAP, _GAP, -_GAP, -_GAP)
        path = QPainterPath()
        path.addRoundedRect(QRectF(tile), _RADIUS, _RADIUS)
        painter.fillPath(path, colors().color("raised"))
        if isinstance(image, QImage) and not image.isNull():
            painter.setClipPath(path)
            painter.drawImage(tile, image, _middle(image.size(), tile.size()))
            painter.setClipping(False)
        else:
            sign = QRect(tile.center() - QPoint(10, 10), QSize(20, 20))
            painter.drawImage(
                sign, render("image", round(20 * painter.device().devicePixelRatioF()), colors().border_strong)
            )
        picture = index.data(GalleryModel.PictureRole)
        if isinstance(picture, Picture) and picture.made_with.scores:
            paint_badge(painter, tile, score_figure(picture.made_with.scores[0][1]))
        self._frame(painter, QRectF(tile), state)
        painter.restore()

    def _frame(self, painter: QPainter, tile: QRectF, state: QStyle.StateFlag) -> None:
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(colors().color("panel"), 5))
            painter.drawRoundedRect(tile.adjusted(1.5, 1.5, -1.5, -1.5), _RADIUS - 1, _RADIUS - 1)
            painter.setPen(QPen(colors().color("accent"), 2))
            painter.drawRoundedRect(tile, _RADIUS, _RADIUS)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setPen(QPen(colors().color("text_faint"), 1))
            painter.drawRoundedRect(tile.adjusted(0.5, 0.5, -0.5, -0.5), _RADIUS, _RADIUS)


def paint_badge(painter: QPainter, tile: QRect, words: str) -> None:
    """A few words in the lower right corner of a tile, readable over any picture."""
    painter.setFont(ui_font(11))
    width = painter.fontMetrics().horizontalAdvance(words) + 10
    badge = QRectF(tile.right() - width - 4, tile.bottom() - 21, width, 17)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colors().color("window", 220))
    painter.drawRoundedRect(badge, 4, 4)
    painter.setPen(colors().color("text"))
    painter.drawText(badge, int(Qt.AlignmentFlag.AlignCenter), words)


def _middle(image: QSize, tile: QSize) -> QRect:
    """The part of the image that has the tile's shape."""
    part = tile.scaled(image, Qt.AspectRatioMode.KeepAspectRatio)
    return QRect(QPoint((image.width() - part.width()) // 2, (image.height() - part.height()) // 2), part)
