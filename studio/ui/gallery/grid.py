"""Tiles under their days. Places come from arithmetic, so the grid is as quick at 100,000 pictures as at 100."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

from PySide6.QtCore import (
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QRegion, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QAbstractItemView, QWidget

from studio.core.library import Query
from studio.core.picture import Picture
from studio.state.gallery_model import GalleryModel
from studio.ui.gallery.choice import Choice, ranges
from studio.ui.gallery.day import DateBubble, PinnedHeading, pinned_rect
from studio.ui.gallery.layout import HEADING_PX, Box, GridLayout, Section
from studio.ui.gallery.tiles import GAP, Tile, paint_heading, paint_tile
from studio.ui.theme import colors

TILE_PX_MIN, TILE_PX_MAX = 64, 256  # as the setting "thumbnail_px"
FIRST_MS = 1000  # all rows wait at most so long for the first pictures, on a slow disk or a busy machine
Index = QModelIndex | QPersistentModelIndex


class TileGrid(QAbstractItemView):
    """Shows a `GalleryModel`; what is in sight is read and its tiles are made, nothing else.

    Mutable state: `_grid` (the layout, None when it has to be made again), `_anchor` (the first key in sight and how
    far above the edge it begins), `_hovered` (a row, -1 for none), `_band` (the rubber band, in the grid's pixels).

    Signals: `picture_chosen(Picture)` - as the choice's; `selection_changed()`.
    """

    picture_chosen = Signal(object)
    selection_changed = Signal()

    def __init__(
        self, model: GalleryModel, tile_px: int, choice: Choice | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("galleryView")
        self.setAccessibleName(self.tr("History"))
        self._pictures, self._tile_px = model, tile_px
        self._grid: GridLayout | None = None
        self._anchor: tuple[int, int] | None = None
        self._query = Query()
        self._hovered = -1
        self._band: QRect | None = None
        self._empty_words: Callable[[], str] = str
        self._looking = QTimer(self, singleShot=True, interval=0)
        self._looking.timeout.connect(self._look)
        for changed in (model.listed, model.rowsRemoved):
            changed.connect(self._on_rows_changed)
        self.setModel(model)
        self.choice = choice or Choice(model, self)
        self.setSelectionModel(self.choice)
        self.choice.picture_chosen.connect(self.picture_chosen)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)  # else the tiles would jump
        self._pinned = PinnedHeading()
        self.bubble = DateBubble(self.verticalScrollBar(), self)
        self.verticalScrollBar().sliderReleased.connect(self.bubble.hide)
        self.setAutoScroll(False)  # it would also follow what nobody chose
        self.setMinimumSize(140, 120)
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)  # so that scrolling moves what is painted

    # What others ask
    @property
    def tile_px(self) -> int:
        """About how large a tile is; the width is shared out evenly."""
        return self._tile_px

    def set_tile_px(self, tile_px: int) -> None:
        """About how large a tile shall be."""
        self._tile_px = max(TILE_PX_MIN, min(TILE_PX_MAX, tile_px))
        self._lay_out_later()

    def set_empty_words(self, words: Callable[[], str]) -> None:
        """What is said where no picture is."""
        self._empty_words = words

    def selected_pictures(self) -> tuple[Picture, ...]:
        """The selected pictures in their order, as far as they are read: see `Choice.gather` for all."""
        return self.choice.pictures()

    def select_picture(self, picture_id: str) -> None:
        """Make a picture the selected one without telling anybody."""
        index = self._pictures.find(picture_id)
        if index.isValid() and index != self.currentIndex():
            self.choice.choose_quietly(index)
            QTimer.singleShot(0, self, lambda: self.scrollTo(self.currentIndex()))

    def leaf(self, by: int) -> None:
        """Go to the next (1) or previous (-1) picture."""
        self.choice.choose(self.currentIndex().row() + by)

    # Layout
    def grid(self) -> GridLayout:
        """Where the tiles stand now."""
        if self._grid is None:
            width = self.viewport().width()
            self._grid = GridLayout(self._pictures.rowCount(), self._pictures.days, width, self._tile_px + 2 * GAP)
            self._fit_scroll_bar(self._grid)
        return self._grid

    def _fit_scroll_bar(self, grid: GridLayout) -> None:
        bar, room = self.verticalScrollBar(), self.viewport().height()
        anchor = self._anchor
        bar.setRange(0, max(0, grid.height - room))
        bar.setEnabled(bar.maximum() > 0)  # one that is off shows no handle
        bar.setPageStep(room)
        bar.setSingleStep(max(16, grid.cell // 3))
        if anchor is not None:
            row = self._pictures.row_of(anchor[0])
            if row >= 0:
                bar.setValue(grid.box(row).y + anchor[1])

    def _lay_out_later(self) -> None:
        self._grid = None
        self._looking.start()
        self.viewport().update()

    def _cell(self, row: int) -> QRect:
        """A cell on the viewport."""
        box: Box = self.grid().box(row)
        return QRect(box.x, box.y - self.verticalOffset(), box.width, box.height)

    def _look(self) -> None:
        """Have what is in sight read, and tiles made: first those in sight, then a screenful below and above."""
        if not self.isVisible():  # another view of the same rows is
            return
        grid, top, room = self.grid(), self.verticalOffset(), self.viewport().height()
        seen = grid.rows_between(top, top + room)
        if not seen:
            return
        first = self._pictures.key(seen.start)
        self._anchor = (first, top - grid.box(seen.start).y) if top > grid.box(0).y else None
        self._pictures.look_at(seen.start, seen.stop)
        below = grid.rows_between(top + room, top + room + room // 2)
        above = grid.rows_between(max(0, top - room // 2), top)
        at = self._pictures.pictures_at
        wanted = [found for found in (*at(seen), *at(below), *reversed(at(above))) if found is not None]
        ratio = self.devicePixelRatioF()
        self._pictures.thumbnails.wish_tiles(wanted, round((grid.cell - 2 * GAP) * ratio), ratio)

    def _on_rows_changed(self) -> None:
        self._lay_out_later()

    # Qt overrides: places
    def visualRect(self, index: Index) -> QRect:
        return self._cell(index.row()) if 0 <= index.row() < self.grid().count else QRect()

    def pinned_day(self, point: QPoint) -> Section | None:
        """The day whose heading stays at the upper edge, if the point lies on it."""
        if not pinned_rect(self.grid(), self.verticalOffset(), self.viewport().width()).contains(point):
            return None
        pinned = self.grid().pinned(self.verticalOffset())
        return None if pinned is None else pinned[0]

    def indexAt(self, point: QPoint) -> QModelIndex:
        if self.pinned_day(point) is not None:
            return QModelIndex()
        row = self.grid().row_at(point.x(), point.y() + self.verticalOffset())
        return self._pictures.index(row) if row >= 0 else QModelIndex()

    def scrollTo(
        self, index: Index, hint: QAbstractItemView.ScrollHint = QAbstractItemView.ScrollHint.EnsureVisible
    ) -> None:
        grid = self.grid()
        if not 0 <= index.row() < grid.count:
            return
        box, bar, room = grid.box(index.row()), self.verticalScrollBar(), self.viewport().height()
        section = grid.section_of(index.row())
        top = section.top if box.y == section.tiles else box.y - (HEADING_PX if section.day else 0)  # with its day
        gap = 0 if section.day and top == section.top else GAP
        if hint == QAbstractItemView.ScrollHint.PositionAtCenter:
            bar.setValue(box.y + box.height // 2 - room // 2)
        elif hint == QAbstractItemView.ScrollHint.PositionAtTop or top < bar.value():
            bar.setValue(top - gap)
        elif box.y + box.height > bar.value() + room:
            bar.setValue(min(box.y + box.height + GAP - room, top - gap))  # with little room its upper part

    def horizontalOffset(self) -> int:
        return 0

    def verticalOffset(self) -> int:
        return self.verticalScrollBar().value()

    def isIndexHidden(self, _index: Index) -> bool:
        return False

    def moveCursor(self, action: QAbstractItemView.CursorAction, _modifiers: Qt.KeyboardModifier) -> QModelIndex:
        row = self.currentIndex().row()
        grid, last = self.grid(), self._pictures.rowCount() - 1
        if last < 0:
            return QModelIndex()
        page = max(1, self.viewport().height() // grid.cell - 1)
        moves = QAbstractItemView.CursorAction
        lines = {moves.MoveUp: -1, moves.MoveDown: 1, moves.MovePageUp: -page, moves.MovePageDown: page}
        if row < 0:
            row = last if action == moves.MoveEnd else 0
        elif action in lines:
            row = grid.moved(row, lines[action])
        elif action == moves.MoveHome:
            row = 0
        elif action == moves.MoveEnd:
            row = last
        else:
            row += 1 if action in (moves.MoveRight, moves.MoveNext) else -1
        return self._pictures.index(max(0, min(last, row)))

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        area = rect.normalized().translated(0, self.verticalOffset())
        self.selectionModel().select(self._touched(area), command)

    def _touched(self, area: QRect) -> QItemSelection:
        """The cells that a rectangle of the grid touches."""
        selection = QItemSelection()
        for run in self.grid().rows_in(area.left(), area.top(), area.right(), area.bottom()):
            selection.select(self._pictures.index(run.start), self._pictures.index(run.stop - 1))
        return selection

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        grid, top = self.grid(), self.verticalOffset()
        seen = grid.rows_between(top, top + self.viewport().height())
        region = QRegion()
        for part in ranges(selection):
            for row in range(max(part.top(), seen.start), min(part.bottom() + 1, seen.stop)):
                region += self._cell(row)
        return region

    # Qt overrides: changes
    def reset(self) -> None:
        if self._query != self._pictures.query:
            self._query, self._anchor = self._pictures.query, None
        super().reset()
        self._hovered = -1
        if self._anchor is None:
            self.verticalScrollBar().setValue(0)
        if self.isVisible() and self._pictures.first_sight.is_holding:
            self._pictures.first_sight.looked_at()
            QTimer.singleShot(FIRST_MS, self, self._pictures.first_sight.end)
        self._lay_out_later()

    def rowsInserted(self, parent: Index, start: int, end: int) -> None:
        super().rowsInserted(parent, start, end)
        self._lay_out_later()

    def rowsAboutToBeRemoved(self, parent: Index, start: int, end: int) -> None:
        super().rowsAboutToBeRemoved(parent, start, end)
        self._hovered = -1
        self._lay_out_later()

    def dataChanged(self, first: Index, last: Index, roles: Sequence[int] = ()) -> None:
        grid, top = self.grid(), self.verticalOffset()
        seen = grid.rows_between(top, top + self.viewport().height())
        low, high = max(first.row(), seen.start), min(last.row() + 1, seen.stop)
        if high - low == 1:
            self.viewport().update(self._cell(low))
        elif low < high:
            rect = self._cell(low).united(self._cell(high - 1))
            self.viewport().update(0, rect.top(), self.viewport().width(), rect.height())
        if not roles or GalleryModel.ThumbnailRole not in roles:
            self._looking.start()

    def currentChanged(self, current: Index, previous: Index) -> None:
        super().currentChanged(current, previous)
        self.viewport().update()
        if current.isValid() and self.isVisible() and not self.choice.is_quiet:
            self.scrollTo(current)

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:
        super().selectionChanged(selected, deselected)
        self.selection_changed.emit()

    def updateGeometries(self) -> None:
        super().updateGeometries()
        if self._grid is None:
            self.grid()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._lay_out_later()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        self.viewport().scroll(dx, dy)
        if self.grid().has_days:  # the pinned heading does not move along
            self.viewport().update(0, 0, self.viewport().width(), HEADING_PX + max(0, dy))
        if self.verticalScrollBar().isSliderDown():
            self.bubble.tell(self.grid(), self.verticalOffset(), date.today())
        self._looking.start()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._lay_out_later()

    def viewportSizeHint(self) -> QSize:
        return QSize(300, 300)

    # Qt overrides: painting
    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), colors().color("panel"))
        if self._pictures.rowCount() == 0:
            self._paint_empty(painter)
            return
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        grid, offset, area = self.grid(), self.verticalOffset(), event.rect()
        today, pinned = date.today(), pinned_rect(self.grid(), self.verticalOffset(), self.viewport().width())
        region = event.region() - pinned  # what lies below the pinned heading is not seen
        for section in grid.headings_between(area.top() + offset, area.bottom() + 1 + offset):
            place = QRect(grid.left, section.top - offset, grid.cell * grid.columns, section.tiles - section.top)
            if region.intersects(place):
                paint_heading(painter, place, section.day, section.count, today)
        self._paint_tiles(painter, region)
        if event.region().intersects(pinned):
            self._pinned.paint(painter, grid, offset, self.viewport().width(), today)
        if self._pictures.first_sight.is_holding and self._is_all_made():
            self._pictures.first_sight.end()
        if self._band is not None:
            painter.setPen(QPen(colors().color("accent"), 1))
            painter.setBrush(colors().color("accent", 40))
            painter.drawRect(self._band.translated(0, -offset))

    def _paint_tiles(self, painter: QPainter, region: QRegion) -> None:
        """The tiles that a region of the viewport touches, each once: Qt gives its rectangles from top to bottom."""
        grid, offset, done = self.grid(), self.verticalOffset(), 0
        spots = region.rectCount() > 1
        chosen = [(part.top(), part.bottom()) for part in self.choice.parts()]
        current = self.currentIndex().row() if self.hasFocus() else -1
        for rect in region:  # type: ignore[attr-defined]  # PySide knows how to walk it, its stubs do not
            rows = grid.rows_between(rect.top() + offset, rect.bottom() + 1 + offset)
            rows = range(max(rows.start, done), max(rows.stop, done))
            done = rows.stop
            for row, picture in zip(rows, self._pictures.pictures_at(rows), strict=False):
                box = grid.box(row)
                cell = QRect(box.x, box.y - offset, box.width, box.height)
                if not spots or region.intersects(cell):
                    selected = any(first <= row <= last for first, last in chosen)
                    paint_tile(painter, cell, self._tile(picture, selected, row == self._hovered, row == current))

    def _tile(self, picture: Picture | None, selected: bool, hovered: bool, current: bool) -> Tile:
        thumbnails = self._pictures.thumbnails
        image = thumbnails.tile(picture.id) if picture is not None else None
        broken = image is None and picture is not None and thumbnails.is_broken(picture.id)
        return Tile(picture, image, broken, selected, hovered, current)

    def _is_all_made(self) -> bool:
        """Whether every picture in sight stands there, or is known to be broken."""
        top, made = self.verticalOffset(), self._pictures.thumbnails
        seen = self._pictures.pictures_at(self.grid().rows_between(top, top + self.viewport().height()))
        return all(found is not None and (made.tile(found.id) or made.is_broken(found.id)) for found in seen)

    def _paint_empty(self, painter: QPainter) -> None:
        painter.setPen(colors().color("text_faint"))
        place = self.viewport().rect().adjusted(16, 16, -16, -16)
        flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
        painter.drawText(place, flags, self._empty_words())
