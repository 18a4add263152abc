"""The history: the search field above, the grid, and below it how many pictures there are and how large they look."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QPoint, QSize, Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QSlider, QToolButton, QVBoxLayout, QWidget

from studio.core.library import BadQuery, Sort
from studio.core.settings import Value
from studio.state.gallery_catalogue import Catalogue
from studio.state.gallery_model import GalleryModel
from studio.ui.gallery.captions import count_words, picture_title, sort_words
from studio.ui.gallery.choice import Choice
from studio.ui.gallery.grid import TILE_PX_MAX, TILE_PX_MIN
from studio.ui.gallery.search import SearchField
from studio.ui.gallery.side import FilterSide
from studio.ui.gallery.view import GalleryView
from studio.ui.icons import icon
from studio.ui.widgets.buttons import IconSign, icon_button
from studio.ui.widgets.text import ElidedLabel, PlainLabel, plain_tooltip

SetSetting = Callable[[str, Value], None]


class HistoryPanel(QWidget):
    """A search field over a grid. In a dock a button opens the filters; a library page has them beside it (`side`)."""

    def __init__(
        self,
        model: GalleryModel,
        tile_px: int,
        choice: Choice | None = None,
        with_filter: bool = True,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._model = model
        self.grid = GalleryView(model, tile_px, choice)
        self.grid.set_empty_words(self._empty_words)
        self.search = SearchField(model, model.catalogue)
        self.search.left_down.connect(self._to_pictures)
        self.sort = _SortButton(model)
        self.filter = FilterButton(model, model.catalogue)
        self.filter.setVisible(with_filter)
        self.error = PlainLabel(look="error", wrap=True)
        self.error.hide()
        self.scope = ScopeBar(model)
        self.foot = _Foot(model, self.grid)
        row = QHBoxLayout()
        row.setContentsMargins(8, 8, 8, 0)
        row.setSpacing(4)
        row.addWidget(self.search, 1)
        row.addWidget(self.filter)
        row.addWidget(self.sort)
        below = QVBoxLayout()
        below.setContentsMargins(12, 0, 12, 0)
        below.addWidget(self.error)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(row)
        column.addLayout(below)
        column.addWidget(self.scope)
        column.addWidget(self.grid, 1)
        column.addWidget(self.foot)
        model.listed.connect(self._on_listed)
        model.query_failed.connect(self._on_failed)

    def _to_pictures(self) -> None:
        self.grid.setFocus()
        if not self.grid.choice.currentIndex().isValid():
            self.grid.choice.choose(0)

    def _on_listed(self) -> None:
        self.error.hide()

    def _on_failed(self, error: BadQuery) -> None:
        self.error.setText(f"{error.headline} {error.hint}".strip())
        self.error.show()

    def _empty_words(self) -> str:
        query = self._model.query
        if self.search.bad is not None:
            return ""
        if query.text or query.board:
            return self.tr("No picture answers this search.")
        return self.tr("Your pictures will stand here,\nnewest first")


class ScopeBar(QFrame):
    """Says that only a board, or only similar pictures are shown, and ends it."""

    def __init__(self, model: GalleryModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("scopeBar")
        self._model = model
        self.words = ElidedLabel()
        self.end = icon_button("close", self.tr("Show all pictures again"), px=12)
        self.end.clicked.connect(self._on_end)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 2, 6, 2)
        row.setSpacing(8)
        row.addWidget(IconSign("layers", "accent", 14))
        row.addWidget(self.words, 1)
        row.addWidget(self.end)
        model.listed.connect(self._show)
        self.hide()

    def _show(self) -> None:
        alike, board = self._model.alike, self._model.query.board
        if alike is not None:
            self.words.setText(self.tr("Similar to “{title}”").replace("{title}", picture_title(alike)))
        elif board:
            self.words.setText(self.tr("Board “{name}”").replace("{name}", board))
        self.setVisible(alike is not None or bool(board))

    def _on_end(self) -> None:
        self._model.set_query(replace(self._model.query, board=""))


class _SortButton(QToolButton):
    """The order of the pictures."""

    def __init__(self, model: GalleryModel) -> None:
        super().__init__()
        self._model = model
        self.setIcon(icon("sort"))
        self.setIconSize(QSize(18, 18))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        plain_tooltip(self, self.tr("Order of the pictures"), name=True)
        self.menu_below = QMenu(self)
        group = QActionGroup(self)
        self._actions: dict[Sort, QAction] = {}
        for sort in Sort:
            action = self.menu_below.addAction(sort_words(sort))
            action.setCheckable(True)
            action.triggered.connect(lambda _checked=False, sort=sort: self._set(sort))
            group.addAction(action)
            self._actions[sort] = action
        self.clicked.connect(self._open)

    def _open(self) -> None:
        self._actions[self._model.query.sort].setChecked(True)
        self.menu_below.popup(self.mapToGlobal(QPoint(0, self.height() + 2)))

    def _set(self, sort: Sort) -> None:
        self._model.set_query(replace(self._model.query, sort=sort))


class FilterButton(QToolButton):
    """Boards, tags, stars and colours in a popup below it; lit while a filter is on."""

    opened = Signal()

    def __init__(self, model: GalleryModel, catalogue: Catalogue) -> None:
        super().__init__()
        self._model = model
        self.setIcon(icon("filter"))
        self.setIconSize(QSize(18, 18))
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        plain_tooltip(self, self.tr("Boards, tags, stars and colours"), name=True)
        self.popup = QFrame(self, Qt.WindowType.Popup)
        self.popup.setObjectName("suggestPopup")
        self.side = FilterSide(model, catalogue)
        column = QVBoxLayout(self.popup)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.side)
        self.clicked.connect(self._open)
        model.listed.connect(self._show_lit)

    def _open(self) -> None:
        self._show_lit()
        self.popup.setFixedSize(264, 460)
        corner = self.mapToGlobal(QPoint(self.width() - self.popup.width(), self.height() + 4))
        screen = self.screen().availableGeometry()
        x = max(screen.left(), min(corner.x(), screen.right() - self.popup.width()))
        y = max(screen.top(), min(corner.y(), screen.bottom() - self.popup.height()))
        self.popup.move(x, y)
        self.popup.show()
        self.opened.emit()

    def _show_lit(self) -> None:
        self.setChecked(bool(self._model.query.board) or self.side.is_filtering())


class _Foot(QFrame):
    """How many pictures there are (and how many of them are selected), and the size of the tiles."""

    def __init__(self, model: GalleryModel, grid: GalleryView) -> None:
        super().__init__()
        self.setObjectName("historyFoot")
        self._model, self._grid = model, grid
        self.count = ElidedLabel(look="faint")
        self.size_slider = QSlider(Qt.Orientation.Horizontal)
        self.size_slider.setRange(TILE_PX_MIN, TILE_PX_MAX)
        self.size_slider.setPageStep(32)
        self.size_slider.setValue(grid.tile_px)
        self.size_slider.setFixedWidth(96)
        self.size_slider.setAccessibleName(self.tr("Size of the tiles"))
        plain_tooltip(self.size_slider, self.tr("Size of the tiles (Ctrl + wheel over the pictures)"))
        self.size_slider.valueChanged.connect(grid.set_tile_px)
        grid.tile_px_wished.connect(self.size_slider.setValue)
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 2, 12, 4)
        row.addWidget(self.count, 1)
        row.addWidget(self.size_slider)
        for changed in (model.listed, model.rowsInserted, model.rowsRemoved, grid.selection_changed):
            changed.connect(self._show)
        if model.rowCount():
            self._show()

    def _show(self) -> None:
        words = count_words(self._model.rowCount())
        selected = self._grid.choice.count()
        if selected > 1:
            words = self.tr("{n} of {all} selected").replace("{n}", f"{selected:,}").replace("{all}", words)
        self.count.setText(words)
