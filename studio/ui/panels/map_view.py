"""A picture of fixed height on black, at its own shape: what the model sees of a control picture."""

from __future__ import annotations

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from studio.ui.images import fit_into, smooth_scaled
from studio.ui.theme import colors


class MapView(QWidget):
    """Shows a QImage, or words while there is none. The frame has the shape of the picture to be made."""

    def __init__(self, height_px: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image = QImage()
        self._shape = QSize(1, 1)
        self._words = ""
        self._scaled = QPixmap()
        self.setFixedHeight(height_px)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def image(self) -> QImage:
        return self._image

    def show_map(self, image: QImage, shape: QSize) -> None:
        """Show a map for a picture of size `shape`."""
        self._image, self._shape, self._words = image, shape, ""
        self._scaled = QPixmap()
        self.update()

    def show_words(self, words: str, shape: QSize) -> None:
        """Say why there is no map."""
        self._words, self._shape, self._image = words, shape, QImage()
        self.update()

    def frame(self) -> QRect:
        """Where the map lies."""
        size = fit_into(self._shape, self.size())
        return QRect(
            (self.width() - size.width()) // 2, (self.height() - size.height()) // 2, size.width(), size.height()
        )

    # Qt overrides
    def paintEvent(self, _event: QPaintEvent) -> None:
        tokens, ratio, frame = colors(), self.devicePixelRatioF(), self.frame()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        path = QPainterPath()
        path.addRoundedRect(frame, 4, 4)
        painter.fillPath(path, tokens.color("canvas"))
        painter.save()
        painter.setClipPath(path)
        if not self._image.isNull():
            wanted = QSize(round(frame.width() * ratio), round(frame.height() * ratio))
            if self._scaled.size() != wanted:
                self._scaled = QPixmap.fromImage(smooth_scaled(self._image, wanted))
            painter.setOpacity(1.0 if self.isEnabled() else 0.35)
            painter.drawPixmap(frame, self._scaled)
        painter.restore()
        if self._words:
            painter.setPen(tokens.color("text_muted"))
            painter.drawText(
                frame.adjusted(6, 6, -6, -6),
                int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap),
                self._words,
            )
        painter.setPen(QPen(tokens.color("border_strong"), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(frame).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4)
