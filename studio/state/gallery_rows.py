"""A long list of pictures as rows of a model: all rows known at once, the pictures themselves read where somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QByteArray,
    QMimeData,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    QTimer,
    QUrl,
    Signal,
)

from studio.core.errors import StudioError
from studio.core.picture import Picture
from studio.state.background import Background
from studio.state.gallery_listing import PictureStore, read_pictures
from studio.state.picture_cache import PictureCache
from studio.state.row_order import Days, RowOrder
from studio.state.thumbnails import Thumbnails

AROUND = 40  # rows read before and after what is in sight
WINDOW_MAX = 400  # rows read at once
GATHER_MAX = 10_000  # pictures that one command may be about
PICTURE_MIME = "application/x-studio-picture"  # ids, one a line
Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()


class GalleryRows(QAbstractListModel):
    """`PictureRole` gives a Picture, `ThumbnailRole` a QImage, `RecipeRole` a Recipe; None while a picture is not read
    yet: `dataChanged` tells when it is.

    Mutable state: `_order` (a key for each row), `_days`, `_cache` (pictures by key), `_places` (id to key and
    neighbours of a picture that was taken out), `_revision` (changes with the rows), `_sight` (rows somebody looks at),
    `_reading` (a window is on its way), `_missed` (a row that was asked for unannounced, -1 if none).

    Signals: `failed(StudioError)` - pictures could not be read, or are too many for a command.
    """

    PictureRole = Qt.ItemDataRole.UserRole + 1
    ThumbnailRole = Qt.ItemDataRole.UserRole + 2
    RecipeRole = Qt.ItemDataRole.UserRole + 3

    failed = Signal(object)

    def __init__(
        self, store: PictureStore, background: Background, thumbnails: Thumbnails, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._store, self._background, self.thumbnails = store, background, thumbnails
        self._order, self._days, self._cache = RowOrder(), Days(), PictureCache()
        self._places: dict[str, tuple[int, int | None, int | None]] = {}
        self._revision = 0
        self._sight = (0, 0)
        self._reading = False
        self._missed = -1
        thumbnails.ready.connect(self._on_thumbnail)

    @property
    def days(self) -> tuple[tuple[str, int], ...]:
        """The days of the rows in their order, ("2026-11-25", 14), ...; empty where the order is not by time."""
        return self._days.all()

    # Where a picture is
    def picture(self, index: Index) -> Picture | None:
        """The picture of a row, None while it is not read yet."""
        row = index.row()
        return self._cache.get(self._order.key(row)) if 0 <= row < len(self._order) else None

    def pictures_at(self, rows: range) -> list[Picture | None]:
        """The pictures of neighbouring rows, quicker than one by one."""
        return [self._cache.get(key) for key in self._order.span(rows.start, rows.stop)]

    def find(self, picture_id: str) -> QModelIndex:
        """The index of a picture, invalid if it is not in the rows or was not looked at so far."""
        key = self._cache.key_of(picture_id)
        row = -1 if key is None else self._order.row(key)
        return QModelIndex() if row < 0 else self.index(row)

    def known(self, picture_id: str) -> Picture | None:
        """A picture that was looked at, if it is still held."""
        key = self._cache.key_of(picture_id)
        return None if key is None else self._cache.get(key)

    def key(self, row: int) -> int:
        """What stands for a row while the rows are those of one index: it moves with its picture."""
        return self._order.key(row)

    def row_of(self, key: int) -> int:
        """The row of a key, -1 if it is not among the rows."""
        return self._order.row(key)

    # Reading
    def look_at(self, first: int, last: int) -> None:
        """Somebody sees the rows `first` ... `last` - 1: their pictures are read, and a few around them."""
        self._sight = (first, last)
        self._read_window()

    def gather(self, rows: Iterable[int], done: Callable[[tuple[Picture, ...]], None]) -> None:
        """Give `done` the pictures of these rows, in their order; at once if they are known, else when they are read.

        More than GATHER_MAX rows are refused by `failed`.
        """
        keys = [self._order.key(row) for row in rows if 0 <= row < len(self._order)]
        if len(keys) > GATHER_MAX:
            words = self.tr("{n} pictures at once are too many.").replace("{n}", f"{len(keys):,}")
            hint = self.tr("Select at most {n}. Nothing was changed.").replace("{n}", f"{GATHER_MAX:,}")
            self.failed.emit(StudioError(words, hint))
            return
        have = {key: found for key in keys if (found := self._cache.get(key)) is not None}
        missing = [key for key in keys if key not in have]
        if not missing:
            done(tuple(have.values()))
            return

        def arrived(read: dict[int, Picture]) -> None:
            everything = have | read
            done(tuple(everything[key] for key in keys if key in everything))

        self._background.run(partial(read_pictures, self._store, missing), arrived, self.failed.emit)

    def _read_window(self) -> None:
        if self._reading:  # when it is back, what is in sight then is looked at
            return
        first, last = self._sight
        wanted = [key for key in self._order.span(first, last) if key not in self._cache][:WINDOW_MAX]
        if not wanted:
            around = self._order.span(first - AROUND, min(last, first + WINDOW_MAX) + AROUND)
            wanted = [key for key in around if key not in self._cache]
            if len(wanted) < AROUND // 2:
                return
        self._reading = True
        work = partial(read_pictures, self._store, wanted)
        self._background.run_latest("window", work, partial(self._on_window, wanted), self._on_no_window)

    def _on_window(self, wanted: list[int], read: dict[int, Picture]) -> None:
        self._reading = False
        rows = [row for key in wanted if (row := self._order.row(key)) >= 0]
        for key, picture in read.items():
            if key in self._order:
                self._cache.put(key, picture)
        self._cache.let_go()
        if rows:
            self.dataChanged.emit(self.index(min(rows)), self.index(max(rows)))
        if read:
            self._read_window()

    def _on_no_window(self, error: StudioError) -> None:
        self._reading = False
        self.failed.emit(error)

    def _miss(self, row: int) -> None:
        """A row was asked for that is not read: somebody looks there without having said so."""
        if self._missed < 0:
            QTimer.singleShot(0, self, self._on_missed)
        self._missed = row

    def _on_missed(self) -> None:
        row, self._missed = self._missed, -1
        if not self._sight[0] <= row < self._sight[1]:
            self.look_at(row, row + 1)

    def _on_thumbnail(self, picture_id: str) -> None:
        index = self.find(picture_id)
        if index.isValid():
            self.dataChanged.emit(index, index, [self.ThumbnailRole])

    # Single rows
    def _insert_row(self, row: int, key: int, picture: Picture, day: str) -> None:
        """`day` is "" where the order is not by time."""
        self.beginInsertRows(ROOT, row, row)
        self._revision += 1
        self._order.insert(row, key)
        if day:
            self._days.add(row, day)
        self._cache.put(key, picture)
        self.endInsertRows()

    def _take_row(self, row: int) -> Picture:
        """The picture of the row must be known."""
        key, last = self._order.key(row), len(self._order) - 1
        picture = self._cache.get(key)
        assert picture is not None
        after = self._order.key(row + 1) if row < last else None
        before = self._order.key(row - 1) if row else None
        self._places[picture.id] = (key, after, before)
        self.beginRemoveRows(ROOT, row, row)
        self._revision += 1
        self._order.remove(row)
        self._days.remove(row)
        self.endRemoveRows()
        return picture

    def _place_of(self, picture_id: str, newer_first: bool | None) -> int | None:
        """The row where a picture that was taken out belongs: next to a neighbour it had, and by age among those known.

        `newer_first` says how the rows stand, None if not by age. None where no neighbour is left.
        """
        place = self._places.get(picture_id)
        if place is None or place[0] in self._order:
            return None
        _, after, before = place
        followers = {key: follower for key, follower, _ in self._places.values()}
        for _ in self._places:  # the follower may be out as well: then its own follower, and so on
            if after is not None and after not in self._order:
                after = followers.get(after)
        if after is not None and after in self._order:
            row = self._order.row(after)
        elif before is not None and before in self._order:
            row = self._order.row(before) + 1
        elif newer_first is not None and (after is None or before is None):
            row = len(self._order) if after is None else 0  # it was the last, or the first
        else:
            return None if len(self._order) else 0
        while newer_first is not None and self._stands_wrong(row - 1, picture_id, newer_first):
            row -= 1
        while newer_first is not None and self._stands_wrong(row, picture_id, not newer_first):
            row += 1
        return row

    def _stands_wrong(self, row: int, picture_id: str, older: bool) -> bool:
        """Whether the row is known to hold an older (or a newer) picture than this one."""
        other = self._cache.get(self._order.key(row)) if 0 <= row < len(self._order) else None
        return other is not None and (other.id < picture_id if older else other.id > picture_id)

    # Qt overrides
    def rowCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(self._order)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # Any: Qt's own return type
        picture = self.picture(index)
        if picture is None:
            if 0 <= index.row() < len(self._order):
                self._miss(index.row())
            return None
        if role == self.ThumbnailRole:
            return self.thumbnails.image(picture)
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

    def mimeTypes(self) -> list[str]:
        return ["text/uri-list", PICTURE_MIME]

    def mimeData(self, indexes: Sequence[QModelIndex]) -> QMimeData:
        """As `mime_of`."""
        return mime_of([found for index in indexes if (found := self.picture(index)) is not None])

    def supportedDragActions(self) -> Qt.DropAction:
        return Qt.DropAction.CopyAction


def mime_of(pictures: Sequence[Picture]) -> QMimeData:
    """What dragging or copying pictures carries: their files for the desktop, their ids for our own panels."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(picture.file)) for picture in pictures])
    mime.setData(PICTURE_MIME, QByteArray("\n".join(picture.id for picture in pictures).encode()))
    return mime
