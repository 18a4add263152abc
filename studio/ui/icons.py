"""Our icons: SVG files on a 24 px grid, drawn in a colour token at the pixel ratio of the screen, when they are painted.

An icon follows the theme by itself, because its engine asks for the colours at each paint.
"""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QByteArray, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QIconEngine, QImage, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from studio.core.paths import RESOURCES
from studio.ui.theme import colors

_FOLDER = RESOURCES / "icons"


def icon(name: str, token: str = "text_muted", token_on: str = "accent", name_on: str = "") -> QIcon:
    """The icon `name` in a colour token; when its button is checked in `token_on` and, if given, as `name_on`."""
    return QIcon(_SvgEngine(name, token, token_on, name_on or name))


def app_icon() -> QIcon:
    """The icon of the program, in its own colours."""
    made = QIcon()
    for px in (16, 32, 64, 128):
        made.addPixmap(QPixmap.fromImage(render("studio", px, "")))
    return made


@cache
def render(name: str, device_px: int, color: str) -> QImage:
    """The icon as a square picture with alpha; `color` "#rrggbb" replaces currentColor. Raises OSError for a wrong name."""
    source = (_FOLDER / f"{name}.svg").read_text("utf-8").replace("currentColor", color)
    image = QImage(device_px, device_px, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(source.encode())).render(painter, QRectF(0, 0, device_px, device_px))
    painter.end()
    return image


class _SvgEngine(QIconEngine):
    """Draws one icon; disabled icons are faint, checked ones may change shape and colour."""

    def __init__(self, name: str, token: str, token_on: str, name_on: str) -> None:
        super().__init__()
        self._arguments = (name, token, token_on, name_on)

    def _look(self, mode: QIcon.Mode, state: QIcon.State) -> tuple[str, str]:
        name, token, token_on, name_on = self._arguments
        tokens = colors()
        shape = name_on if state == QIcon.State.On else name
        if mode == QIcon.Mode.Disabled:
            return shape, tokens.border_strong
        if mode == QIcon.Mode.Selected:
            return shape, tokens.accent_text
        return shape, getattr(tokens, token_on if state == QIcon.State.On else token)

    # Qt overrides
    def clone(self) -> QIconEngine:
        return _SvgEngine(*self._arguments)

    def key(self) -> str:
        return "studio-svg"

    def paint(self, painter: QPainter, rect: QRect, mode: QIcon.Mode, state: QIcon.State) -> None:
        ratio = painter.device().devicePixelRatioF()
        side = min(rect.width(), rect.height())
        shape, color = self._look(mode, state)
        image = render(shape, round(side * ratio), color)
        corner = rect.topLeft() + QPoint((rect.width() - side) // 2, (rect.height() - side) // 2)
        painter.drawImage(QRect(corner, QSize(side, side)), image)

    def pixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State) -> QPixmap:
        return self.scaledPixmap(size, mode, state, 1.0)

    def scaledPixmap(self, size: QSize, mode: QIcon.Mode, state: QIcon.State, scale: float) -> QPixmap:
        shape, color = self._look(mode, state)  # Qt gives the size in logical pixels
        made = QPixmap.fromImage(render(shape, round(min(size.width(), size.height()) * scale), color))
        made.setDevicePixelRatio(scale)
        return made
