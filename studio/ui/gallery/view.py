"""The history: all pictures as tiles, newest first, only those in sight ever asked for."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QItemSelectionModel, QModelIndex, QPoint, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QHelpEvent, QKeyEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QListView, QToolTip, QWidget

from studio.core.picture import Picture
from studio.state.gallery_model import GalleryModel
from studio.ui.gallery.delegate import GalleryDelegate
from studio.ui.theme import colors
from studio.ui.widgets.text import plain
from studio.ui.words import facts_line


class GalleryView(QListView):
    """Signals: `picture_chosen(Picture)` - the artist made a picture the current one; `menu_wished(QPoint)` - at a global place;
    `delete_wished()` - Delete was pressed."""

    picture_chosen = Signal(object)
    menu_wished = Signal(object)
    delete_wished = Signal()

    def __init__(self, model: GalleryModel, tile_px: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("galleryView")
        self.setAccessibleName(self.tr("History"))
        self._pictures, self._tile_px, self._quiet = model, tile_px, False
        self._delegate = GalleryDelegate(self)
        self.setItemDelegate(self._delegate)
        self.setModel(model)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setMovement(QListView.Movement.Static)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setUniformItemSizes(True)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setDragEnabled(True)
        self.setDragDropMode(QAbstractItemView.DragDropMode.DragOnly)
        self.setMouseTracking(True)
        self.setMinimumSize(140, 120)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(lambda at: self.menu_wished.emit(self.viewport().mapToGlobal(at)))
        self.selectionModel().currentChanged.connect(self._on_current)

    def selected_pictures(self) -> tuple[Picture, ...]:
        """The selected pictures, newest first."""
        rows = sorted(index.row() for index in self.selectedIndexes())
        return tuple(self._pictures.picture(self._pictures.index(row)) for row in rows)

    def select_picture(self, picture_id: str) -> None:
        """Make a picture the selected one without telling anybody."""
        index = self._pictures.find(picture_id)
        if index.isValid() and index != self.currentIndex():
            self._quiet = True
            self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            self._quiet = False
            QTimer.singleShot(0, self, lambda: self.scrollTo(self.currentIndex()))

    def leaf(self, by: int) -> None:
        """Go to an older (1) or newer (-1) picture."""
        row = self.currentIndex().row() + by
        if 0 <= row < self._pictures.rowCount():
            self.setCurrentIndex(self._pictures.index(row))

    def set_tile_px(self, tile_px: int) -> None:
        """About how large a tile is; the width is shared out evenly."""
        self._tile_px = tile_px
        self._share_out()

    def _share_out(self) -> None:
        width = max(1, self.width() - 12)  # room for the scroll bar, there or not: otherwise the tiles would jump
        columns = max(1, round(width / (self._tile_px + 6)))
        cell = width // columns
        if cell != self._delegate.cell or self.gridSize().width() != cell:
            self._delegate.cell = cell
            self.setGridSize(QSize(cell, cell))

    def _on_current(self, current: QModelIndex, _before: QModelIndex) -> None:
        if current.isValid() and not self._quiet:
            self.picture_chosen.emit(self._pictures.picture(current))

    # Qt overrides
    def resizeEvent(self, event: QResizeEvent) -> None:
        self._share_out()
        super().resizeEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Delete:
            self.delete_wished.emit()
        else:
            super().keyPressEvent(event)

    def startDrag(self, actions: Qt.DropAction) -> None:
        self.setCursor(Qt.CursorShape.ArrowCursor)
        super().startDrag(actions)

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            self._show_tip(event.pos(), event.globalPos())
            return True
        return super().viewportEvent(event)

    def _show_tip(self, at: QPoint, at_global: QPoint) -> None:
        index = self.indexAt(at)
        if index.isValid():
            recipe = self._pictures.picture(index).recipe
            QToolTip.showText(at_global, plain(f"{recipe.prompt}\n{facts_line(recipe)}"), self)
        else:
            QToolTip.hideText()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self._pictures.rowCount() == 0:
            painter = QPainter(self.viewport())
            painter.setPen(colors().color("text_faint"))
            place = self.viewport().rect().adjusted(16, 16, -16, -16)
            flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
            painter.drawText(place, flags, self.tr("Your pictures will stand here,\nnewest first"))
