"""Two pictures in one place: a slider between them, side by side, in turn, or what differs. Zoom and pan are shared."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from PySide6.QtCore import QEvent, QMimeData, QPointF, QRectF, QSize, QSizeF, Qt, QTimer, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from studio.state.compare import Comparison
from studio.ui.centre.viewport import MARGIN, Viewport
from studio.ui.compare.layers import Layer, fitted_into, paint_layer
from studio.ui.compare.signs import NAME_PX, paint_hint, paint_line, paint_name
from studio.ui.drops import holds_picture
from studio.ui.theme import colors, ui_font

_STEP = 1.25
_REACH_PX = 14
_GAP_PX = 2
_NUDGE, _NUDGE_FAR = 0.01, 0.1
FLICKER_MS = (150, 2000)


class Mode(StrEnum):
    """How the two are shown."""

    SLIDER = "slider"
    SIDE_BY_SIDE = "side by side"
    FLICKER = "flicker"
    DIFFERENCE = "difference"


class CompareCanvas(QWidget):
    """Mutable state: `mode`, `_place` (zoom and pan of one picture's room), `split` (0 ... 1 of the width), `front` (which
    side flicker shows), `_dragging` what the mouse moves, `_hot` the side a drag is over.

    Signals: `dropped(int, QMimeData)` - something fell onto side A (0) or B (1); `moved()` - zoom, mode or front changed.
    """

    dropped = Signal(int, object)
    moved = Signal()

    def __init__(self, comparison: Comparison, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compareCanvas")
        self.setAccessibleName(self.tr("The two pictures"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAcceptDrops(True)
        self.setMouseTracking(True)
        self.setMinimumSize(320, 240)
        self._comparison = comparison
        self.mode = Mode.SLIDER
        self.split, self.front = 0.5, 0
        self._place = Viewport()
        self._layers = [Layer(), Layer(), Layer()]  # A, B, and the difference
        self._dragging = ""
        self._at = QPointF()
        self._hot: int | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(600)
        self._timer.timeout.connect(self.flip)
        comparison.changed.connect(self._on_changed)
        self._on_changed()

    @property
    def place(self) -> Viewport:
        return self._place

    @property
    def plays(self) -> bool:
        """Whether flicker goes by itself."""
        return self._timer.isActive()

    def set_mode(self, mode: Mode) -> None:
        """Show them another way; zoom and place are kept."""
        self.mode = mode
        if mode is not Mode.FLICKER:
            self._timer.stop()
        self._measure()

    def flip(self) -> None:
        """The other side, in flicker."""
        self.front = 1 - self.front
        self.update()
        self.moved.emit()

    def play(self, on: bool) -> None:
        """Let flicker go by itself, or stop it."""
        if on:
            self._timer.start()
        else:
            self._timer.stop()

    def set_interval(self, milliseconds: int) -> None:
        """How long flicker shows each side."""
        self._timer.setInterval(milliseconds)

    def fit(self) -> None:
        self._move_to(self._place.fitted())

    def actual_size(self) -> None:
        self._move_to(self._place.zoomed_to(1.0, self._middle()))

    def zoom_in(self) -> None:
        self._move_to(self._place.zoomed(_STEP, self._middle()))

    def zoom_out(self) -> None:
        self._move_to(self._place.zoomed(1 / _STEP, self._middle()))

    def empty_words(self) -> str:
        """What stands in the middle where there is nothing to paint, "" where there is."""
        a, b = self._comparison.sides
        if a is None and b is None:
            return self.tr("Drop two pictures here: one on the left, one on the right.")
        if a is None or b is None or self.mode is not Mode.DIFFERENCE:
            return ""
        if not self._comparison.same_size:
            return self.tr("These pictures have different sizes,\nso there is no difference pixel by pixel.")
        return self.tr("Subtracting …") if self._comparison.difference.isNull() else ""

    # What is shown where, in device pixels
    def _ratio(self) -> float:
        return self.devicePixelRatioF()

    def _room(self) -> QSizeF:
        """The room of one picture: all of the canvas, or half of it."""
        whole = QSizeF(self.size()) * self._ratio()
        if self.mode is Mode.SIDE_BY_SIDE:
            whole.setWidth(max(1.0, (whole.width() - _GAP_PX * self._ratio()) / 2))
        return whole

    def _shift(self, side: int) -> float:
        """How far right the room of a side begins."""
        return side * (self._room().width() + _GAP_PX * self._ratio()) if self.mode is Mode.SIDE_BY_SIDE else 0.0

    def _common(self) -> QSizeF:
        """A picture's size that holds both: each is fitted into it."""
        sizes = [side.image.size() for side in self._comparison.sides if side is not None]
        return QSizeF(max((s.width() for s in sizes), default=0), max((s.height() for s in sizes), default=0))

    def _measure(self) -> None:
        ratio, common = self._ratio(), self._common()
        place = replace(self._place, view=self._room(), margin=MARGIN * ratio)
        if common != place.picture:
            place = replace(place, picture=common).fitted()
        self._place = place.kept_inside()
        self.update()
        self.moved.emit()

    def _move_to(self, place: Viewport) -> None:
        if place != self._place:
            self._place = place
            self.update()
            self.moved.emit()

    def _middle(self) -> QPointF:
        return QPointF(self._place.view.width() / 2, self._place.view.height() / 2)

    def _in_room(self, position: QPointF) -> QPointF:
        """A place of the widget within the room it lies in."""
        at = position * self._ratio()
        return at - QPointF(self._shift(self._side_at(position)), 0)

    def _side_at(self, position: QPointF) -> int:
        return int(position.x() >= self.width() / 2)

    def _on_changed(self) -> None:
        a, b = self._comparison.sides
        images = (a.image if a else QImage(), b.image if b else QImage(), self._comparison.difference)
        for number, image in enumerate(images):
            self._layers[number] = self._layers[number].of(image)
        self._measure()

    # Painting
    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), colors().color("canvas"))
        painter.scale(1 / self._ratio(), 1 / self._ratio())
        self._paint_pictures(painter)
        painter.resetTransform()
        words = self.empty_words()
        if words:
            painter.setPen(colors().color("text_muted"))
            painter.setFont(ui_font(14))
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), words)
        for side, x in self._names():
            paint_name(painter, "AB"[side], x)
        if self._hot is not None:
            hints = (self.tr("Compare as A"), self.tr("Compare as B"))
            paint_hint(painter, QRectF(self.rect()), hints, self._hot)

    def _paint_pictures(self, painter: QPainter) -> None:
        room = self._room()
        if self.mode is Mode.SIDE_BY_SIDE:
            for side in (0, 1):
                painter.save()
                painter.setClipRect(QRectF(self._shift(side), 0, room.width(), room.height()))
                painter.translate(self._shift(side), 0)
                self._paint(painter, side)
                painter.restore()
            painter.fillRect(QRectF(room.width(), 0, _GAP_PX * self._ratio(), room.height()), colors().color("border"))
        elif self.mode is Mode.FLICKER:
            self._paint(painter, self.front)
        elif self.mode is Mode.DIFFERENCE:
            self._paint(painter, 2)
        else:
            line = round(self.split * room.width())
            for side, part in (
                (0, QRectF(0, 0, line, room.height())),
                (1, QRectF(line, 0, room.width(), room.height())),
            ):
                painter.setClipRect(part)
                self._paint(painter, side)
            painter.setClipping(False)
            if all(self._comparison.sides):
                paint_line(painter, line, room.height(), self._ratio())

    def _paint(self, painter: QPainter, number: int) -> None:
        layer = self._layers[number]
        if not layer.image.isNull():
            target = fitted_into(layer.image.size(), self._place.rect())
            paint_layer(painter, layer, target, QRectF(0, 0, self._room().width(), self._room().height()))

    def _names(self) -> tuple[tuple[int, float], ...]:
        """Which sides are named in a corner, and how far from the left."""
        return {
            Mode.FLICKER: ((self.front, 12.0),),
            Mode.SIDE_BY_SIDE: ((0, 12.0), (1, self.width() / 2 + 13.0)),
            Mode.SLIDER: ((0, 12.0), (1, self.width() - 12.0 - NAME_PX)),
            Mode.DIFFERENCE: (),
        }[self.mode]

    # Hands
    def _near_line(self, position: QPointF) -> bool:
        return self.mode is Mode.SLIDER and abs(position.x() - self.split * self.width()) <= _REACH_PX

    def _set_split(self, share: float) -> None:
        self.split = min(1.0, max(0.0, share))
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() != Qt.MouseButton.LeftButton:
            return
        at = self._at = event.position()
        if self._near_line(at) or (self.mode is Mode.SLIDER and not self._place.can_pan):
            self._dragging = "line"
            self._set_split(at.x() / max(1, self.width()))
        elif self._place.can_pan:
            self._dragging = "picture"
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif self.mode is Mode.FLICKER:
            self.flip()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._dragging == "line":
            self._set_split(at.x() / max(1, self.width()))
        elif self._dragging == "picture":
            moved = (at - self._at) * self._ratio()
            self._at = at
            self._move_to(self._place.panned(moved.x(), moved.y()))
        else:
            self._show_cursor(at)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._dragging = ""
        self._show_cursor(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._place.zoom is None:
            self._move_to(self._place.zoomed_to(1.0, self._in_room(event.position())))
        else:
            self.fit()

    def _show_cursor(self, at: QPointF) -> None:
        shape = Qt.CursorShape.SplitHCursor if self._near_line(at) else Qt.CursorShape.ArrowCursor
        if shape is Qt.CursorShape.ArrowCursor and self._place.can_pan:
            shape = Qt.CursorShape.OpenHandCursor
        self.setCursor(shape)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.angleDelta().y():
            factor = _STEP ** (event.angleDelta().y() / 120)
            self._move_to(self._place.zoomed(factor, self._in_room(event.position())))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        way = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(key)
        if key == Qt.Key.Key_Space and self.mode is Mode.FLICKER:
            self.flip()
        elif way is not None and self.mode is Mode.SLIDER:
            far = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self._set_split(self.split + way * (_NUDGE_FAR if far else _NUDGE))
        elif way is not None and self._place.can_pan:
            self._move_to(self._place.panned(-way * 48, 0))
        else:
            super().keyPressEvent(event)

    # Drops
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        self._drag_over(event)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        self._drag_over(event)

    def _drag_over(self, event: QDropEvent) -> None:
        if holds_picture(event.mimeData()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._hot = self._side_at(event.position())
            self.update()

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:
        self._hot = None
        self.update()

    def dropEvent(self, event: QDropEvent) -> None:
        self._hot = None
        self.update()
        if holds_picture(event.mimeData()):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            mime: QMimeData = event.mimeData()
            self.dropped.emit(self._side_at(event.position()), mime)

    # Qt overrides
    def sizeHint(self) -> QSize:
        return QSize(900, 560)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._measure()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._measure()
