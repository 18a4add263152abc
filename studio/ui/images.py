"""Pictures on their way to the screen: Pixels to QImage, and scaling that looks smooth."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage

from studio.core.pixels import Pixels

_FILTER = Qt.TransformationMode.SmoothTransformation
_ASPECT = Qt.AspectRatioMode.IgnoreAspectRatio


def image_of_pixels(pixels: Pixels) -> QImage:
    """A QImage of its own (it does not point into the bytes), in the format that Qt scales and paints fastest."""
    image = QImage(pixels.data, pixels.width, pixels.height, pixels.width * 3, QImage.Format.Format_RGB888)
    return image.convertToFormat(QImage.Format.Format_RGB32)


def grown(image: QImage, side: int = 256) -> QImage:
    """A small preview doubled until it is about `side` wide: doublings round off the diamonds of one bilinear leap."""
    while 0 < image.width() <= side // 2:
        image = image.scaled(image.size() * 2, _ASPECT, _FILTER)
    return image


def smooth_scaled(image: QImage, size: QSize) -> QImage:
    """The image at another size; when it gets smaller, each pixel of the result is a mean."""
    if image.isNull() or size.isEmpty() or image.size() == size:
        return image
    return image.scaled(size, _ASPECT, _FILTER)


def fit_into(image: QSize, room: QSize) -> QSize:
    """The largest size of the image's shape within `room` (at least 1x1)."""
    fitted = image.scaled(room, Qt.AspectRatioMode.KeepAspectRatio)
    return QSize(max(1, fitted.width()), max(1, fitted.height()))
