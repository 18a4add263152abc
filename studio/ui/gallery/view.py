"""The history's grid under the artist's hands: choosing, rating, dragging out, keys."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QItemSelection, QItemSelectionModel, QModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QDrag,
    QFont,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPixmap,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractItemView, QApplication, QToolTip, QWidget

from studio.core.library import RATING_MAX
from studio.core.picture import Picture
from studio.state.gallery_model import GalleryModel, mime_of
from studio.ui.gallery.captions import picture_tip
from studio.ui.gallery.choice import Choice
from studio.ui.gallery.grid import TileGrid
from studio.ui.gallery.tiles import star_at
from studio.ui.theme import colors, ui_font
from studio.ui.widgets.text import plain

_Select = QItemSelectionModel.SelectionFlag
_Action = QAbstractItemView.CursorAction
_SHIFT, _CTRL = Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier
_MOVES = {
    Qt.Key.Key_Left: _Action.MoveLeft, Qt.Key.Key_Right: _Action.MoveRight, Qt.Key.Key_Up: _Action.MoveUp,
    Qt.Key.Key_Down: _Action.MoveDown, Qt.Key.Key_Home: _Action.MoveHome, Qt.Key.Key_End: _Action.MoveEnd,
    Qt.Key.Key_PageUp: _Action.MovePageUp, Qt.Key.Key_PageDown: _Action.MovePageDown,
}  # fmt: skip
_DRAG_PX = 72


class GalleryView(TileGrid):
    """A click chooses, Ctrl adds, Shift extends, a band over the ground takes what it touches; space looks, Enter opens,
    0 ... 5 give stars, Delete removes.

    Mutable state: `_base` (the row that Shift extends from), `_pressed` (where and on which row the button went down),
    `_band_from` (the corner of the rubber band, in the grid's pixels) and `_before` (what was selected before it).

    Signals: `menu_wished(QPoint)` - at a global place; `delete_wished()`; `open_wished()` and `look_wished()` - the
    current picture, large; `stars_wished(object, int)` - a Picture, or None for all selected; `tile_px_wished(int)`.
    """

    menu_wished = Signal(object)
    delete_wished = Signal()
    open_wished = Signal()
    look_wished = Signal()
    stars_wished = Signal(object, int)
    tile_px_wished = Signal(int)

    def __init__(
        self, model: GalleryModel, tile_px: int, choice: Choice | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(model, tile_px, choice, parent)
        self._base = 0
        self._pressed: tuple[QPoint, int] | None = None
        self._band_from: QPoint | None = None
        self._before = QItemSelection()
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.DefaultContextMenu)

    # Choosing
    def _choose(self, row: int, keys: Qt.KeyboardModifier) -> None:
        """What a click or a key on a row does to the selection."""
        index, select = self.model().index(row, 0), self.selectionModel()
        if keys & _SHIFT:
            base = min(max(self._base, 0), self.model().rowCount() - 1)
            run = QItemSelection(self.model().index(min(base, row), 0), self.model().index(max(base, row), 0))
            select.select(run, _Select.Select if keys & _CTRL else _Select.ClearAndSelect)
            select.setCurrentIndex(index, _Select.NoUpdate)
            return
        self._base = row
        select.setCurrentIndex(index, _Select.Toggle if keys & _CTRL else _Select.ClearAndSelect)

    def select_all(self) -> None:
        """All pictures of the listing."""
        last = self.model().rowCount() - 1
        if last >= 0:
            whole = QItemSelection(self.model().index(0, 0), self.model().index(last, 0))
            self.selectionModel().select(whole, _Select.ClearAndSelect)

    def _hover(self, row: int) -> None:
        if row != self._hovered:
            for changed in (self._hovered, row):
                if 0 <= changed < self.grid().count:
                    self.viewport().update(self._cell(changed))
            self._hovered = row

    # The rubber band
    def _begin_band(self, at: QPoint, keys: Qt.KeyboardModifier) -> None:
        if not keys & (_SHIFT | _CTRL):
            self.selectionModel().clearSelection()
        self._before = QItemSelection(self.selectionModel().selection())
        self._band_from = at + QPoint(0, self.verticalOffset())

    def _stretch_band(self, at: QPoint) -> None:
        assert self._band_from is not None
        edge = 24  # near the edge the grid moves along
        if at.y() < edge or at.y() > self.viewport().height() - edge:
            bar = self.verticalScrollBar()
            bar.setValue(bar.value() + (at.y() - edge if at.y() < edge else at.y() - self.viewport().height() + edge))
        to = QPoint(at.x(), at.y() + self.verticalOffset())
        self._band = QRect(self._band_from, to).normalized()
        selection = QItemSelection(self._before)
        selection.merge(self._touched(self._band), _Select.Select)
        self.selectionModel().select(selection, _Select.ClearAndSelect)
        self.viewport().update()

    def _end_band(self) -> None:
        rows = self.choice.rows()
        self._band_from = self._band = None
        self.viewport().update()
        if rows and self.currentIndex().row() not in rows:
            self._base = rows[0]
            self.selectionModel().setCurrentIndex(self.model().index(rows[0], 0), _Select.NoUpdate)

    # Dragging out
    def startDrag(self, _actions: Qt.DropAction) -> None:
        pictures = self.selected_pictures()
        if not pictures:
            return
        drag = QDrag(self)
        drag.setMimeData(mime_of(pictures))
        shown = self._drag_pixmap(pictures)
        drag.setPixmap(shown)
        drag.setHotSpot(QPoint(_DRAG_PX // 2, _DRAG_PX // 2))
        drag.exec(Qt.DropAction.CopyAction)

    def _drag_pixmap(self, pictures: tuple[Picture, ...]) -> QPixmap:
        """Up to three tiles on a pile, and how many there are."""
        ratio = self.devicePixelRatioF()
        room = QSize(_DRAG_PX + 16, _DRAG_PX + 16)
        pixmap = QPixmap(room * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        for number, picture in reversed(tuple(enumerate(pictures[:3]))):
            tile = self._pictures.thumbnails.tile(picture.id)
            if tile is not None:
                painter.drawImage(QRect(number * 5, number * 5, _DRAG_PX, _DRAG_PX), tile)
        if len(pictures) > 1:
            badge = QRect(_DRAG_PX - 18, 4, 30, 20)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colors().color("accent_fill"))
            painter.drawRoundedRect(badge, 10, 10)
            painter.setPen(colors().color("accent_text"))
            painter.setFont(ui_font(12, QFont.Weight.DemiBold))
            painter.drawText(badge, int(Qt.AlignmentFlag.AlignCenter), f"{len(pictures)}")
        painter.end()
        return pixmap

    # Qt overrides: the mouse
    def mousePressEvent(self, event: QMouseEvent) -> None:
        at, keys = event.position().toPoint(), event.modifiers()
        index = self.indexAt(at)
        self._pressed = None
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        if event.button() == Qt.MouseButton.RightButton:
            if index.isValid() and not self.selectionModel().isSelected(index):
                self._choose(index.row(), Qt.KeyboardModifier.NoModifier)
        elif event.button() == Qt.MouseButton.LeftButton:
            if (day := self.pinned_day(at)) is not None:
                self.verticalScrollBar().setValue(day.top)  # to where the day begins
            elif not index.isValid():
                self._begin_band(at, keys)
            elif not self._press_star(index, at):
                self._pressed = (at, index.row())
                if keys & (_SHIFT | _CTRL) or not self.selectionModel().isSelected(index):
                    self._choose(index.row(), keys)

    def _press_star(self, index: QModelIndex, at: QPoint) -> bool:
        picture = self._pictures.picture(index)
        rating = star_at(self._cell(index.row()), at) if index.row() == self._hovered else 0
        if not rating or picture is None:
            return False
        self.stars_wished.emit(picture, 0 if rating == picture.marks.rating else rating)
        return True

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position().toPoint()
        if self._band_from is not None:
            self._stretch_band(at)
        elif self._pressed is not None and event.buttons() & Qt.MouseButton.LeftButton:
            if (at - self._pressed[0]).manhattanLength() >= QApplication.startDragDistance():
                self._pressed = None
                self.startDrag(Qt.DropAction.CopyAction)
        elif not event.buttons():
            self._hover(self.indexAt(at).row())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._band_from is not None:
            self._end_band()
        elif self._pressed is not None and not event.modifiers() & (_SHIFT | _CTRL):
            self._choose(self._pressed[1], Qt.KeyboardModifier.NoModifier)  # several were selected, now it alone
        self._pressed = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.indexAt(event.position().toPoint()).isValid():
            self.open_wished.emit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & _CTRL and event.angleDelta().y():
            self.tile_px_wished.emit(self.tile_px + (16 if event.angleDelta().y() > 0 else -16))
            event.accept()
        else:
            super().wheelEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if event.reason() == QContextMenuEvent.Reason.Keyboard and self.currentIndex().isValid():
            self.menu_wished.emit(self.viewport().mapToGlobal(self._cell(self.currentIndex().row()).center()))
        elif self.choice.count():
            self.menu_wished.emit(event.globalPos())

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            picture = self._pictures.picture(self.indexAt(event.pos()))
            QToolTip.showText(event.globalPos(), plain(picture_tip(picture)) if picture is not None else "", self)
            return True
        if event.type() == QEvent.Type.Leave:
            self._hover(-1)
        return super().viewportEvent(event)

    # Qt overrides: keys
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key, keys = Qt.Key(event.key()), event.modifiers() & (_SHIFT | _CTRL | Qt.KeyboardModifier.AltModifier)
        if key in _MOVES and not keys & Qt.KeyboardModifier.AltModifier:
            self._move(_MOVES[key], keys)
        elif event.matches(QKeySequence.StandardKey.SelectAll):
            self.select_all()
        elif key == Qt.Key.Key_Delete and not keys:
            self.delete_wished.emit()
        elif key == Qt.Key.Key_Space and keys & _CTRL and self.currentIndex().isValid():
            self._choose(self.currentIndex().row(), _CTRL)
        elif key == Qt.Key.Key_Space and not keys:
            self.look_wished.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and not keys:
            self.open_wished.emit()
        elif Qt.Key.Key_0 <= key <= Qt.Key.Key_0 + RATING_MAX and not keys:
            self.stars_wished.emit(None, key - Qt.Key.Key_0)
        else:
            event.ignore()

    def _move(self, action: QAbstractItemView.CursorAction, keys: Qt.KeyboardModifier) -> None:
        index = self.moveCursor(action, keys)
        if not index.isValid():
            return
        if keys & _CTRL and not keys & _SHIFT:  # look around without choosing
            self.selectionModel().setCurrentIndex(index, _Select.NoUpdate)
        else:
            self._choose(index.row(), keys & _SHIFT)

    def keyboardSearch(self, _text: str) -> None:
        """Typing does not walk through 100,000 prompts: the search field does that."""
