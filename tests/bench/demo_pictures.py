"""Small landscapes for screenshots: a function of prompt and seed, drawn with QPainter, no model needed."""

from __future__ import annotations

import math
import random

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QImage, QLinearGradient, QPainter, QPainterPath, QPen, QRadialGradient

from studio.core.pixels import Pixels
from studio.core.recipe import Recipe

SKIES = (
    ("#f7c59f", "#5b8fb9"),
    ("#fde2c4", "#7aa7c7"),
    ("#1b2a4a", "#51456b"),
    ("#cfe8f3", "#4f9bd0"),
    ("#ffb88c", "#6a4c7d"),
)
HILLS = ("#7fa66a", "#5f8a5b", "#42705a", "#305a56", "#8a6f9c", "#c98b6b", "#d9a15c", "#4c7d9a")


def landscape(recipe: Recipe, width: int, height: int) -> QImage:
    """A quiet landscape; every seed gives another one."""
    rng = random.Random(f"{recipe.prompt}{recipe.seed}")
    image = QImage(width, height, QImage.Format.Format_RGB888)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    sky = QLinearGradient(0, 0, 0, height * 0.75)
    bottom, top = rng.choice(SKIES)
    sky.setColorAt(0, QColor(top))
    sky.setColorAt(1, QColor(bottom))
    painter.fillRect(image.rect(), QBrush(sky))
    _sun(painter, rng, width, height)
    base = rng.randrange(len(HILLS))
    for layer in range(4):
        _hill(painter, rng, width, height, layer, QColor(HILLS[(base + layer) % len(HILLS)]))
    if rng.random() < 0.75:
        _house(painter, rng, width, height)
    painter.end()
    return image


def pixels_of(image: QImage) -> Pixels:
    """The image as plain bytes."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    stride, width = image.bytesPerLine(), image.width() * 3
    data = bytes(image.constBits())
    rows = [data[y * stride : y * stride + width] for y in range(image.height())]
    return Pixels(width=image.width(), height=image.height(), data=b"".join(rows))


def noisy(image: QImage, share: float, rng: random.Random) -> QImage:
    """The image as far as it has come out of the noise: 0 none, 1 all."""
    small = image.scaled(32, 32, Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation)
    for y in range(32):
        for x in range(32):
            color = small.pixelColor(x, y)
            parts = [c * share + rng.randrange(256) * (1 - share) for c in (color.red(), color.green(), color.blue())]
            small.setPixelColor(x, y, QColor(*(round(part) for part in parts)))
    return small


def sketch(width: int, height: int) -> QImage:
    """A pencil sketch: a house on hills, dark lines on white."""
    image = QImage(width, height, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.white)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor("#222222"), width / 64, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    path = QPainterPath(QPointF(0, height * 0.72))
    path.cubicTo(width * 0.25, height * 0.5, width * 0.5, height * 0.9, width, height * 0.62)
    painter.drawPath(path)
    painter.drawRect(QRectF(width * 0.36, height * 0.42, width * 0.26, height * 0.26))
    painter.drawPolyline(
        [
            QPointF(width * 0.31, height * 0.44),
            QPointF(width * 0.49, height * 0.24),
            QPointF(width * 0.67, height * 0.44),
        ]
    )
    painter.drawRect(QRectF(width * 0.46, height * 0.54, width * 0.07, height * 0.14))
    painter.drawEllipse(QPointF(width * 0.8, height * 0.2), width * 0.07, width * 0.07)
    painter.end()
    return image


def _sun(painter: QPainter, rng: random.Random, width: int, height: int) -> None:
    x, y, radius = rng.uniform(0.15, 0.85) * width, rng.uniform(0.12, 0.4) * height, rng.uniform(0.05, 0.09) * width
    glow = QRadialGradient(QPointF(x, y), radius * 4)
    glow.setColorAt(0, QColor(255, 244, 214, 150))
    glow.setColorAt(1, QColor(255, 244, 214, 0))
    painter.setBrush(glow)
    painter.drawEllipse(QPointF(x, y), radius * 4, radius * 4)
    painter.setBrush(QColor("#fff3d6"))
    painter.drawEllipse(QPointF(x, y), radius, radius)


def _hill(painter: QPainter, rng: random.Random, width: int, height: int, layer: int, color: QColor) -> None:
    level, phase, waves = 0.5 + 0.12 * layer, rng.uniform(0, 6), rng.uniform(0.6, 1.6)
    path = QPainterPath(QPointF(0, height))
    for x in range(0, width + 8, 4):
        y = level + 0.06 * math.sin(phase + waves * 6.28 * x / width) + 0.02 * math.sin(3 * phase + 9 * x / width)
        path.lineTo(x, y * height)
    path.lineTo(width, height)
    painter.setBrush(color.darker(100 + 8 * layer))
    painter.drawPath(path)


def _house(painter: QPainter, rng: random.Random, width: int, height: int) -> None:
    x, y, side = rng.uniform(0.2, 0.65) * width, rng.uniform(0.58, 0.66) * height, 0.16 * width
    painter.setBrush(QColor(rng.choice(("#b5473c", "#e9d8b4", "#d98b4a", "#8c3f4d"))))
    painter.drawRect(QRectF(x, y, side, side * 0.8))
    painter.setBrush(QColor("#4a3236"))
    painter.drawPolygon(
        [QPointF(x - side * 0.12, y), QPointF(x + side / 2, y - side * 0.55), QPointF(x + side * 1.12, y)]
    )
    painter.setBrush(QColor("#f6d98b"))
    painter.drawRect(QRectF(x + side * 0.16, y + side * 0.24, side * 0.22, side * 0.22))
    painter.setBrush(QColor("#3b2a2c"))
    painter.drawRect(QRectF(x + side * 0.58, y + side * 0.32, side * 0.24, side * 0.48))
