"""One model as a row: its preview picture or a sign of its kind, its name, and what it is."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QImage, QPainter, QPainterPath
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from studio.core.model_files import Kind, ModelFile
from studio.state.models_model import ModelsModel
from studio.ui.icons import render
from studio.ui.models.words import row_line
from studio.ui.theme import colors, ui_font

ROW_PX, SIGN_PX = 58, 44
_ICONS = {
    Kind.CHECKPOINT: "model", Kind.UNET: "model", Kind.CONTROLNET: "control", Kind.CONTROL_LORA: "control", Kind.T2I_ADAPTER: "control",
    Kind.IP_ADAPTER: "image", Kind.LORA: "layers", Kind.EMBEDDING: "prompt", Kind.UNKNOWN: "warning",
}  # fmt: skip


def icon_of(kind: Kind) -> str:
    """The icon that stands for a kind."""
    return _ICONS.get(kind, "part")


class ModelRowDelegate(QStyledItemDelegate):
    """Paints the ModelFile in FileRole. `current` is the name of the draft's model, marked by a tick."""

    current = ""

    # Qt overrides
    def sizeHint(self, _option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(160, ROW_PX)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        file = index.data(ModelsModel.FileRole)
        if not isinstance(file, ModelFile):
            return
        tokens, rect = colors(), option.rect.adjusted(4, 1, -4, -1)
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.setPen(Qt.PenStyle.NoPen)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setBrush(tokens.color("accent_soft"))
            painter.drawRoundedRect(rect, 6, 6)
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(tokens.color("raised_hover"))
            painter.drawRoundedRect(rect, 6, 6)
        sign = QRect(rect.left() + 6, rect.center().y() - SIGN_PX // 2 + 1, SIGN_PX, SIGN_PX)
        self._paint_sign(painter, sign, file, index.data(ModelsModel.PreviewRole))
        text = QRect(sign.right() + 12, rect.top() + 8, rect.right() - sign.right() - 22, rect.height() - 16)
        if file.is_base and file.name == self.current:
            tick = QRect(text.right() - 15, rect.center().y() - 7, 16, 16)
            painter.drawImage(tick, render("check", round(16 * painter.device().devicePixelRatioF()), tokens.accent))
            text.setRight(tick.left() - 8)
        top, bottom = QRect(text), QRect(text)
        top.setHeight(text.height() // 2)
        bottom.setTop(top.bottom() + 1)
        _line(painter, top, file.name, "text", ui_font(13, QFont.Weight.DemiBold))
        _line(painter, bottom, row_line(file), "text_muted", ui_font(12))
        painter.restore()

    def _paint_sign(self, painter: QPainter, place: QRect, file: ModelFile, image: object) -> None:
        path = QPainterPath()
        path.addRoundedRect(QRectF(place), 6, 6)
        painter.fillPath(path, colors().color("raised"))
        if isinstance(image, QImage) and not image.isNull():
            painter.setClipPath(path)
            painter.drawImage(place, image, middle(image.size(), place.size()))
            painter.setClipping(False)
            return
        name = icon_of(Kind.UNKNOWN if file.problem else file.kind)
        sign = QRect(place.center() - QPoint(9, 9), QSize(20, 20))
        token = "warning" if file.problem else "text_faint"
        painter.drawImage(
            sign, render(name, round(20 * painter.device().devicePixelRatioF()), getattr(colors(), token))
        )


def middle(image: QSize, tile: QSize) -> QRect:
    """The part of an image that has the tile's shape, from a little above the middle: faces stand there."""
    part = tile.scaled(image, Qt.AspectRatioMode.KeepAspectRatio)
    return QRect(QPoint((image.width() - part.width()) // 2, (image.height() - part.height()) // 3), part)


def _line(painter: QPainter, place: QRect, words: str, token: str, font: QFont) -> None:
    painter.setFont(font)
    painter.setPen(colors().color(token))
    shown = painter.fontMetrics().elidedText(" ".join(words.split()), Qt.TextElideMode.ElideRight, place.width())
    painter.drawText(place, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), shown)
