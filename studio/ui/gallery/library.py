"""The library: the history over the whole window, boards at its left, details at its right."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from studio.state.studio_state import StudioState
from studio.ui.gallery.choice import Choice
from studio.ui.gallery.details_panel import DetailsPanel
from studio.ui.gallery.folders import FolderSide
from studio.ui.gallery.panel import HistoryPanel
from studio.ui.gallery.side import FilterSide

SIDE_PX, DETAILS_PX = 208, 300


class LibraryPage(QWidget):
    """Shares rows and choice with the history's dock."""

    def __init__(
        self, state: StudioState, choice: Choice, folders: FolderSide, tile_px: int, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.setObjectName("libraryPage")
        self._choice = choice
        model = state.gallery
        self.side = FilterSide(model, model.catalogue)
        self.folders = folders
        self.side.add_places(folders)
        self.panel = HistoryPanel(model, tile_px, choice, with_filter=False)
        self.grid = self.panel.grid
        self.grid.setObjectName("libraryGrid")
        self.details = DetailsPanel(model)
        self.details.part_of = state.plugins.declared
        self.split = QSplitter(Qt.Orientation.Horizontal)
        for part in (self.side, self.panel, self.details):
            self.split.addWidget(part)
        self.split.setStretchFactor(1, 1)
        self.split.setSizes([SIDE_PX, 800, DETAILS_PX])
        self.split.setChildrenCollapsible(False)
        self.split.setHandleWidth(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.split)
        choice.selectionChanged.connect(self._describe)
        choice.currentChanged.connect(self._describe)
        model.listed.connect(self._describe)

    def begin(self) -> None:
        """The page was opened: on with the pictures."""
        self._describe()
        self.grid.setFocus()
        if self._choice.currentIndex().isValid():
            self.grid.scrollTo(self._choice.currentIndex())

    def _describe(self) -> None:
        if self.isVisible():
            self.details.show_pictures(self._choice.pictures(), self._choice.current())
