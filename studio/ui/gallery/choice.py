"""Which pictures are chosen: one selection that every view of the history shares, kept while rows come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from PySide6.QtCore import QItemSelection, QItemSelectionModel, QItemSelectionRange, QModelIndex, QObject, Signal

from studio.core.picture import Picture
from studio.state.gallery_model import GalleryModel

SELECTED_KEPT = 500  # selected pictures that are found again after all rows came anew, and dragged at once
_Select = QItemSelectionModel.SelectionFlag


class Choice(QItemSelectionModel):
    """The selection of a `GalleryModel`.

    Mutable state: `_quiet` (the current picture changes without the artist's doing), `_awaited` (the key of one that
    was chosen before it was read), `_kept` (current and selected ids while the rows are made anew).

    Signals: `picture_chosen(Picture)` - the artist made a picture the current one.
    """

    picture_chosen = Signal(object)

    def __init__(self, model: GalleryModel, parent: QObject | None = None) -> None:
        super().__init__(model, parent or model)
        self._pictures = model
        self._quiet = False
        self._awaited: int | None = None
        self._kept: tuple[str, tuple[str, ...]] = ("", ())
        model.modelAboutToBeReset.connect(self._keep)
        model.listed.connect(self._find_again)
        model.dataChanged.connect(self._tell_awaited)
        model.rowsRemoved.connect(self._take_neighbour)
        self.currentChanged.connect(self._on_current)

    @property
    def is_quiet(self) -> bool:
        """Whether the selection changes now without the artist's doing: nothing shall move for it."""
        return self._quiet

    def parts(self) -> Iterable[QItemSelectionRange]:
        """The selection in runs of rows."""
        return ranges(self.selection())

    def rows(self) -> list[int]:
        """The selected rows in order."""
        parts = sorted((part.top(), part.bottom() + 1) for part in self.parts())
        return [row for top, stop in parts for row in range(top, stop)]

    def count(self) -> int:
        """How many pictures are selected."""
        return sum(part.height() for part in self.parts())

    def current(self) -> Picture | None:
        """The picture that the last click or key was about."""
        return self._pictures.picture(self.currentIndex())

    def pictures(self) -> tuple[Picture, ...]:
        """The selected pictures in their order, as far as they are read; at most 500: see `gather` for all."""
        found = (self._pictures.picture(self._pictures.index(row)) for row in self.rows()[:SELECTED_KEPT])
        return tuple(picture for picture in found if picture is not None)

    def gather(self, use: Callable[[tuple[Picture, ...]], None]) -> None:
        """Call `use` with all selected pictures, when they are read."""
        self._pictures.gather(self.rows(), use)

    def choose(self, row: int) -> None:
        """Make the picture of a row the only selected one, as a click does."""
        if 0 <= row < self._pictures.rowCount():
            self.setCurrentIndex(self._pictures.index(row), _Select.ClearAndSelect)

    def choose_quietly(self, index: QModelIndex) -> None:
        """Make a picture the selected one without telling anybody."""
        self._quiet = True
        self.setCurrentIndex(index, _Select.ClearAndSelect)
        self._quiet = False

    def _on_current(self, current: QModelIndex, _before: QModelIndex) -> None:
        if not current.isValid() or self._quiet:
            return
        picture = self._pictures.picture(current)
        self._awaited = None if picture is not None else self._pictures.key(current.row())
        if picture is not None:
            self.picture_chosen.emit(picture)
        else:
            self._pictures.data(current)  # asks for it

    def _tell_awaited(self) -> None:
        if self._awaited is None or not self.currentIndex().isValid():
            return
        picture = self.current()
        if picture is not None and self._pictures.key(self.currentIndex().row()) == self._awaited:
            self._awaited = None
            self.picture_chosen.emit(picture)

    def _take_neighbour(self) -> None:
        """When all that was selected is gone, the picture that is current now is: keys go on with it."""
        if self.currentIndex().isValid() and not self.count():
            self.choose_quietly(self.currentIndex())

    def _keep(self) -> None:
        current = self.current()
        self._kept = (current.id if current is not None else "", tuple(picture.id for picture in self.pictures()))

    def _find_again(self) -> None:
        (current, ids), self._kept = self._kept, ("", ())
        if not current and not ids:
            return
        self._quiet = True
        selection = QItemSelection()
        for picture_id in ids:
            index = self._pictures.find(picture_id)
            if index.isValid():
                selection.select(index, index)
        self.select(selection, _Select.ClearAndSelect)
        index = self._pictures.find(current) if current else QModelIndex()
        if index.isValid():
            self.setCurrentIndex(index, _Select.NoUpdate)
        self._quiet = False


def ranges(selection: QItemSelection) -> Iterable[QItemSelectionRange]:
    """A selection's runs; Qt's own annotations do not say that it can be walked through."""
    return cast("Iterable[QItemSelectionRange]", selection)
