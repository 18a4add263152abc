"""One picture of a comparison on its way to the screen: scaled once when it is made smaller, only what is seen otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field

from PySide6.QtCore import QRect, QRectF, QSize
from PySide6.QtGui import QImage, QPainter, QPixmap

from studio.ui.images import smooth_scaled

_CRISP_FROM = 6.0  # from this zoom on single pixels are looked at


@dataclass(slots=True)
class Layer:
    """An image and the smaller copy it was last painted with."""

    image: QImage = field(default_factory=QImage)
    scaled: QPixmap = field(default_factory=QPixmap)

    def of(self, image: QImage) -> Layer:
        """The layer of this image: the same one if it is the same."""
        return self if image.cacheKey() == self.image.cacheKey() else Layer(image)


def fitted_into(size: QSize, room: QRectF) -> QRectF:
    """The largest rectangle of this shape in the middle of a room."""
    if size.isEmpty() or room.isEmpty():
        return QRectF()
    scale = min(room.width() / size.width(), room.height() / size.height())
    width, height = size.width() * scale, size.height() * scale
    return QRectF(room.center().x() - width / 2, room.center().y() - height / 2, width, height)


def paint_layer(painter: QPainter, layer: Layer, target: QRectF, seen: QRectF) -> None:
    """Paint the image over `target`, both in device pixels; nothing outside `seen` is worked on."""
    place = QRect(round(target.x()), round(target.y()), max(1, round(target.width())), max(1, round(target.height())))
    if place.width() < layer.image.width():
        if layer.scaled.size() != place.size():
            layer.scaled = QPixmap.fromImage(smooth_scaled(layer.image, place.size()))
        painter.drawPixmap(place.topLeft(), layer.scaled)
        return
    scale = place.width() / max(1, layer.image.width())
    part = QRectF(place).intersected(seen)
    source = QRectF(
        (part.x() - place.x()) / scale, (part.y() - place.y()) / scale, part.width() / scale, part.height() / scale
    )
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, scale < _CRISP_FROM)
    painter.drawImage(part, layer.image, source)
