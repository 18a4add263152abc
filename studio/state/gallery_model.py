"""The pictures of the gallery as rows, newest first, read from the store page by page off the UI thread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from PySide6.QtCore import (
    QAbstractListModel,
    QByteArray,
    QMimeData,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    QUrl,
    Signal,
)
from PySide6.QtGui import QUndoCommand, QUndoStack

from studio.core.errors import StudioError
from studio.core.picture import Picture
from studio.state.background import Background
from studio.state.thumbnails import Thumbnails

PAGE = 200
PICTURE_MIME = "application/x-studio-picture"  # ids, one a line
Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()


class PictureStore(Protocol):
    """What this model needs of the gallery; every method is called in a background thread and may raise StudioError."""

    def page(self, offset: int, limit: int, /) -> Sequence[Picture]: ...
    def get(self, picture_id: str, /) -> Picture | None: ...
    def remove(self, picture_id: str, /) -> object: ...
    def restore(self, picture_id: str, /) -> object: ...


class GalleryModel(QAbstractListModel):
    """Rows over a store. `PictureRole` gives a Picture, `ThumbnailRole` a QImage or None, `RecipeRole` a Recipe.

    Mutable state: `_rows` (the newest pictures of the store, without a gap), `_more` (the store may have older ones),
    `_leaving` (ids on their way to the trash), `_trashed` (removed in this session, by id), `_meanwhile` (pictures
    that came while the first page was being read; None while it is not).

    Signals: `failed(StudioError)` - a page, a removal or a restore did not succeed; the rows are read anew.
    """

    PictureRole = Qt.ItemDataRole.UserRole + 1
    ThumbnailRole = Qt.ItemDataRole.UserRole + 2
    RecipeRole = Qt.ItemDataRole.UserRole + 3

    failed = Signal(object)

    def __init__(
        self,
        store: PictureStore,
        background: Background,
        thumbnails: Thumbnails,
        undo_stack: QUndoStack | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._store, self._background, self._thumbnails = store, background, thumbnails
        self._undo_stack = undo_stack
        self._rows: list[Picture] = []
        self._more = False
        self._fetching = False
        self._leaving: set[str] = set()
        self._trashed: dict[str, Picture] = {}
        self._meanwhile: list[Picture] | None = None
        thumbnails.ready.connect(self._on_thumbnail)

    def refresh(self) -> None:
        """Read anew from the store; the first page comes at once, older ones when a view asks."""
        self._fetching = True
        self._meanwhile = []
        self._background.run_latest("page", partial(self._store.page, 0, PAGE), self._start_over, self._on_page_failed)

    def insert(self, picture: Picture) -> None:
        """Show a picture that was just saved (or brought back) at its place by age."""
        if self._meanwhile is not None:
            self._meanwhile.append(picture)
        known = self.find(picture.id)
        if known.isValid():
            self._rows[known.row()] = picture
            self.dataChanged.emit(known, known)
            return
        row = next((row for row, other in enumerate(self._rows) if other.id < picture.id), len(self._rows))
        if row < len(self._rows) or not self._more:  # otherwise it comes with its page
            self.beginInsertRows(ROOT, row, row)
            self._rows.insert(row, picture)
            self.endInsertRows()

    def remove(self, ids: Iterable[str]) -> None:
        """Put pictures into the trash: the rows go at once; one undo step if there is an undo stack."""
        present = tuple(picture_id for picture_id in ids if self.find(picture_id).isValid())
        if not present:
            return
        if self._undo_stack is not None:
            many = len(present) > 1
            words = self.tr("delete %n pictures", "", len(present)) if many else self.tr("delete picture")
            self._undo_stack.push(_Removal(self, present, words))
        else:
            self.to_trash(present)

    def restore(self, ids: Iterable[str]) -> None:
        """Bring pictures back from the trash: those removed in this session are in their rows at once."""
        for picture_id in ids:
            picture = self._trashed.pop(picture_id, None)
            if picture is not None:
                self.insert(picture)
            work = partial(_bring_back, self._store, picture_id)
            self._background.run(work, self._on_restored, self._on_trouble)

    def to_trash(self, ids: Iterable[str]) -> None:
        """As `remove`, without an undo step."""
        for picture_id in ids:
            index = self.find(picture_id)
            if index.isValid():
                self._leaving.add(picture_id)
                self._trashed[picture_id] = self._take_row(index.row())
                self._thumbnails.forget(picture_id)
                work = partial(self._store.remove, picture_id)
                gone = partial(self._on_removed, picture_id)
                self._background.run(work, gone, partial(self._on_not_removed, picture_id))

    def picture(self, index: Index) -> Picture:
        """The picture of a valid index."""
        return self._rows[index.row()]

    def find(self, picture_id: str) -> QModelIndex:
        """The index of a picture, invalid if it is not among the rows read so far."""
        row = next((row for row, picture in enumerate(self._rows) if picture.id == picture_id), None)
        return QModelIndex() if row is None else self.index(row)

    def rowCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # Any: Qt's own return type
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        picture = self._rows[index.row()]
        if role == self.ThumbnailRole:
            return self._thumbnails.image(picture)
        if role == self.PictureRole:
            return picture
        if role == self.RecipeRole:
            return picture.recipe
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return picture.recipe.prompt
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        return super().flags(index) | Qt.ItemFlag.ItemIsDragEnabled | Qt.ItemFlag.ItemNeverHasChildren

    def canFetchMore(self, parent: Index) -> bool:
        return not parent.isValid() and self._more and not self._fetching

    def fetchMore(self, parent: Index) -> None:
        if self.canFetchMore(parent):
            self._fetching = True
            page = partial(self._store.page, len(self._rows), PAGE)
            self._background.run_latest("page", page, self._append, self._on_page_failed)

    def mimeTypes(self) -> list[str]:
        return ["text/uri-list", PICTURE_MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """The files, so that they can be dragged onto the desktop, and the ids for our own panels."""
        pictures = [self._rows[index.row()] for index in indexes]
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(picture.file)) for picture in pictures])
        mime.setData(PICTURE_MIME, QByteArray("\n".join(picture.id for picture in pictures).encode()))
        return mime

    def supportedDragActions(self) -> Qt.DropAction:
        return Qt.DropAction.CopyAction

    def _start_over(self, page: Sequence[Picture]) -> None:
        meanwhile, self._meanwhile = self._meanwhile or [], None
        self.beginResetModel()
        self._fetching, self._more = False, len(page) == PAGE
        self._rows = [picture for picture in page if picture.id not in self._leaving]
        self.endResetModel()
        for picture in meanwhile:
            if picture.id not in self._trashed:
                self.insert(picture)

    def _append(self, page: Sequence[Picture]) -> None:
        self._fetching, self._more = False, len(page) == PAGE
        known = self._leaving | {picture.id for picture in self._rows}  # pictures saved since have shifted the pages
        new = [picture for picture in page if picture.id not in known]
        if new:
            self.beginInsertRows(ROOT, len(self._rows), len(self._rows) + len(new) - 1)
            self._rows.extend(new)
            self.endInsertRows()

    def _on_page_failed(self, error: StudioError) -> None:
        self._fetching = self._more = False
        self._meanwhile = None
        self.failed.emit(error)

    def _on_removed(self, picture_id: str, _result: object) -> None:
        self._leaving.discard(picture_id)  # pages read from now on know it

    def _on_not_removed(self, picture_id: str, error: StudioError) -> None:
        self._leaving.discard(picture_id)
        self._trashed.pop(picture_id, None)
        self._on_trouble(error)

    def _on_restored(self, picture: Picture | None) -> None:
        if picture is not None and picture.id not in self._trashed:  # else it was removed again meanwhile
            self.insert(picture)

    def _on_trouble(self, error: StudioError) -> None:
        self.refresh()
        self.failed.emit(error)

    def _on_thumbnail(self, picture_id: str) -> None:
        index = self.find(picture_id)
        if index.isValid():
            self.dataChanged.emit(index, index, [self.ThumbnailRole])

    def _take_row(self, row: int) -> Picture:
        self.beginRemoveRows(ROOT, row, row)
        picture = self._rows.pop(row)
        self.endRemoveRows()
        return picture


class _Removal(QUndoCommand):
    """Pictures to the trash, and back."""

    def __init__(self, model: GalleryModel, ids: tuple[str, ...], words: str) -> None:
        super().__init__(words)
        self._model, self._ids = model, ids

    def redo(self) -> None:
        self._model.to_trash(self._ids)

    def undo(self) -> None:
        self._model.restore(self._ids)


def _bring_back(store: PictureStore, picture_id: str) -> Picture | None:
    store.restore(picture_id)
    return store.get(picture_id)
