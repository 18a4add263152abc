"""The picture, large: fit, zoom, pan, the live preview while it forms, and dragging it out as a file."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, QRect, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QDrag,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QNativeGestureEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QApplication, QWidget

from studio.ui.centre.viewport import MARGIN, Viewport
from studio.ui.images import grown, smooth_scaled
from studio.ui.theme import colors

_STEP = 1.25
_CRISP_FROM = 6.0  # from this zoom on an artist looks at single pixels
_PAN_KEYS = {Qt.Key.Key_Left: (1, 0), Qt.Key.Key_Right: (-1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1)}


class PictureView(QWidget):
    """Shows one QImage. Mutable state: `_image` (a preview while `_forming`), `_place` (a Viewport),
    `_scaled` (a smaller copy for painting, made when needed).

    Signals: `zoom_changed()`; `leafed(int)` - the artist wishes the next (1, older) or previous (-1) picture.
    `drag_data` is what dragging the picture out carries, or None.
    """

    zoom_changed = Signal()
    leafed = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("pictureView")
        self.setAccessibleName(self.tr("Picture"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(200, 160)
        self.drag_data: QMimeData | None = None
        self._image = QImage()
        self._place = Viewport()
        self._scaled = QPixmap()
        self._progress = -1.0
        self._forming = False
        self._pressed: QPointF | None = None

    @property
    def image(self) -> QImage:
        """The picture on show; null if there is none."""
        return self._image

    @property
    def place(self) -> Viewport:
        return self._place

    def show_image(self, image: QImage, forming: QSize | None = None) -> None:
        """Show a picture; `forming` is the final size of one that a preview stands for.

        Zoom and place are kept for one of the same size (the picture after its previews, the next of a batch).
        """
        size = QSizeF(forming or image.size())
        if size != self._place.picture or self._image.isNull():
            self._place = replace(self._place, picture=size).fitted()
        self._image, self._forming = grown(image) if forming else image, forming is not None
        self._changed()

    def show_progress(self, share: float) -> None:
        """A thin line at the lower edge, 0 ... 1; negative hides it."""
        if share != self._progress:
            self._progress = share
            self.update(0, self.height() - 3, self.width(), 3)

    def fit(self) -> None:
        """All of the picture."""
        self._move_to(self._place.fitted())

    def actual_size(self) -> None:
        """One picture pixel on one pixel of the screen."""
        self._move_to(self._place.zoomed_to(1.0, self._middle()))

    def zoom_in(self) -> None:
        self._move_to(self._place.zoomed(_STEP, self._middle()))

    def zoom_out(self) -> None:
        self._move_to(self._place.zoomed(1 / _STEP, self._middle()))

    def _middle(self) -> QPointF:
        return QPointF(self._place.view.width() / 2, self._place.view.height() / 2)

    def _move_to(self, place: Viewport) -> None:
        if place != self._place:
            self._place = place
            self._changed()

    def _changed(self) -> None:
        self._scaled = QPixmap()
        self._show_cursor()
        self.update()
        self.zoom_changed.emit()

    def _show_cursor(self) -> None:
        shape = Qt.CursorShape.OpenHandCursor if self._place.can_pan else Qt.CursorShape.ArrowCursor
        self.setCursor(shape)

    def _drag_out(self) -> None:
        if self.drag_data is None:
            return
        data, self.drag_data = self.drag_data, _copy_of(self.drag_data)
        drag = QDrag(self)
        drag.setMimeData(data)
        small = smooth_scaled(self._image, self._image.size().scaled(96, 96, Qt.AspectRatioMode.KeepAspectRatio))
        drag.setPixmap(QPixmap.fromImage(small))
        drag.setHotSpot(QPoint(small.width() // 2, small.height() // 2))
        drag.exec(Qt.DropAction.CopyAction)

    def _paint_picture(self, painter: QPainter) -> None:
        ratio = self.devicePixelRatioF()
        rect = self._place.rect()
        device = QRect(round(rect.x()), round(rect.y()), max(1, round(rect.width())), max(1, round(rect.height())))
        painter.scale(1 / ratio, 1 / ratio)
        if device.width() < self._image.width():  # made smaller: every pixel counts, once
            if self._scaled.isNull():
                self._scaled = QPixmap.fromImage(smooth_scaled(self._image, device.size()))
            painter.drawPixmap(device.topLeft(), self._scaled)
        else:  # made larger: while painting, only what is seen
            smooth = self._place.scale < _CRISP_FROM or self._forming
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
            painter.drawImage(QRectF(device), self._image)
        painter.resetTransform()

    # Qt overrides
    def sizeHint(self) -> QSize:
        return QSize(640, 560)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._measure()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._measure()

    def _measure(self) -> None:
        ratio = self.devicePixelRatioF()
        self._place = replace(self._place, view=QSizeF(self.size()) * ratio, margin=MARGIN * ratio).kept_inside()
        self._changed()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), colors().color("canvas"))
        if not self._image.isNull():
            self._paint_picture(painter)
        if self._progress >= 0:
            width = round(self.width() * min(1.0, self._progress))
            painter.fillRect(0, self.height() - 3, self.width(), 3, colors().color("track"))
            painter.fillRect(0, self.height() - 3, width, 3, colors().color("accent"))

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self._image.isNull() or not event.angleDelta().y():
            event.ignore()
            return
        at = event.position() * self.devicePixelRatioF()
        self._move_to(self._place.zoomed(_STEP ** (event.angleDelta().y() / 120), at))

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QNativeGestureEvent) and event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
            self._move_to(self._place.zoomed(1 + event.value(), event.position() * self.devicePixelRatioF()))
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._pressed = event.position()
            if self._place.can_pan:
                self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is None or self._image.isNull():
            return
        moved = event.position() - self._pressed
        dragging_out = event.modifiers() & Qt.KeyboardModifier.AltModifier or not self._place.can_pan
        if not dragging_out:
            self._pressed = event.position()
            ratio = self.devicePixelRatioF()
            self._move_to(self._place.panned(moved.x() * ratio, moved.y() * ratio))
        elif moved.manhattanLength() >= QApplication.startDragDistance():
            self._pressed = None
            self._drag_out()

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        self._pressed = None
        self._show_cursor()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._place.zoom is None:
            self._move_to(self._place.zoomed_to(1.0, event.position() * self.devicePixelRatioF()))
        else:
            self.fit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        direction = _PAN_KEYS.get(Qt.Key(event.key()))
        if direction is None:
            super().keyPressEvent(event)
        elif self._place.can_pan:
            self._move_to(self._place.panned(direction[0] * 48, direction[1] * 48))
        elif direction[0]:
            self.leafed.emit(-direction[0])


def _copy_of(mime: QMimeData) -> QMimeData:
    """The same contents: a QDrag owns and deletes what it is given."""
    made = QMimeData()
    for kind in mime.formats():
        made.setData(kind, mime.data(kind))
    return made
