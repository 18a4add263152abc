"""The gallery's rows: what a search shows, kept true while pictures come, go, return from the trash and are marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoStack

from studio.core.errors import StudioError
from studio.core.library import BadQuery, Query, Sort
from studio.core.picture import Picture
from studio.state.background import Background
from studio.state.first_sight import FirstSight
from studio.state.gallery_catalogue import Catalogue
from studio.state.gallery_listing import (
    Edits,
    Found,
    PictureStore,
    Shown,
    look_again,
    look_alike,
    look_anew,
    look_first,
)
from studio.state.gallery_marks import MarkChange, MarkCommand, RemovalCommand, back, marked
from studio.state.gallery_rows import GATHER_MAX, PICTURE_MIME, ROOT, WINDOW_MAX, GalleryRows, Index, mime_of
from studio.state.picture_cache import OWN
from studio.state.row_order import Days
from studio.state.thumbnails import Thumbnails

__all__ = ["GATHER_MAX", "PICTURE_MIME", "GalleryModel", "Index", "PictureStore", "mime_of"]

FIRST = 60  # pictures that come with the rows
BY_TIME = (Sort.NEWEST, Sort.OLDEST)


class GalleryModel(GalleryRows):
    """Rows over a store: those of one `Query`, or the pictures that resemble one. `catalogue` knows boards and tags.
    A view tells `first_sight` at the start when what it has in sight is painted; then all rows are read.

    Mutable state: `_query` (of the rows), `_asked` (wished last), `_alike`, `_leaving` (ids on their way to the
    trash), `_trashed` (removed in this session, by id; None if it had no row), `_meanwhile` (pictures that came while
    all rows are being read; None while they are not).

    Signals: `listed()` - the rows are those of `query` now; `query_failed(BadQuery)` - a search cannot be understood,
    the rows stay; `failed(StudioError)` - something else did not succeed, the rows are read anew; `gone(id)` - a
    picture goes to the trash; `marks_changed()` - the store holds new marks.
    """

    listed = Signal()
    query_failed = Signal(object)
    gone = Signal(str)
    marks_changed = Signal()

    def __init__(
        self,
        store: PictureStore,
        background: Background,
        thumbnails: Thumbnails,
        undo_stack: QUndoStack | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(store, background, thumbnails, parent)
        self.catalogue = Catalogue(store, background, self)
        self.first_sight = FirstSight()
        self._undo_stack = undo_stack
        self._query = self._asked = Query()
        self._alike: Picture | None = None
        self._leaving: set[str] = set()
        self._trashed: dict[str, Picture | None] = {}
        self._meanwhile: list[Picture] | None = None

    @property
    def query(self) -> Query:
        """What was asked for last; the rows follow with `listed`."""
        return self._asked

    @property
    def alike(self) -> Picture | None:
        """The picture that the rows resemble while similar ones are shown, else None."""
        return self._alike

    def before(self, picture: Picture) -> Picture | None:
        """The picture that was made before this one, as far as the rows stand by time and it is read."""
        step = {Sort.NEWEST: 1, Sort.OLDEST: -1}.get(self._query.sort, 0)
        index = self.find(picture.id)
        return self.picture(self.index(index.row() + step)) if step and index.isValid() and not self._alike else None

    # What is shown
    def set_query(self, query: Query) -> None:
        """Show what answers a query; a newer one takes the place of one still on its way."""
        self._asked = query
        look = partial(self._look, partial(look_anew, self._store, query, FIRST), query, None)
        if self._revision == 0 and query == Query():  # at the start: the newest ones before all rows are known
            self._meanwhile = []
            self.first_sight.hold(partial(self._begin, look))
            first = partial(look_first, self._store, FIRST, self._cache.next_own)
            self._background.run_latest("first", first, self._show_first, lambda _: self.first_sight.end())
        else:
            look()

    def _begin(self, look: Callable[[], None]) -> None:
        """All rows, and after them boards and tags: nobody sees these before."""
        look()
        self.catalogue.refresh()

    def show_similar(self, picture: Picture) -> None:
        """Show the pictures that look like this one, the most similar first; `set_query` ends it."""
        self._asked = Query(sort=self._query.sort)
        self._look(partial(look_alike, self._store, picture.id, self._cache.next_own), self._asked, picture)

    def refresh(self) -> None:
        """Bring the rows up to date with the store; selection and place stay where the rows do."""
        if self._alike is not None:
            self.show_similar(self._alike)
        elif self._meanwhile is not None or not len(self._order):
            self.set_query(self._asked)
        else:
            self._look_again()
        if not self.first_sight.is_holding:
            self.catalogue.refresh()

    def _look_again(self) -> None:
        sight = self._order.span(*self._sight)[:WINDOW_MAX]
        known = {key: found.id for key in sight if key > OWN and (found := self._cache.get(key)) is not None}
        own = {picture_id: key for picture_id, key in self._cache.own().items() if key in self._order}
        work = partial(look_again, self._store, self._query, FIRST, Shown(self._order.keys(), own, known))
        self._background.run_latest("listing", work, partial(self._catch_up, self._revision), self._on_no_listing)

    def _look(self, work: partial[Found], query: Query, alike: Picture | None) -> None:
        self.first_sight.drop()
        self._meanwhile = []
        self._background.run_latest("listing", work, partial(self._start_over, query, alike), self._on_no_listing)

    def _show_first(self, found: Found) -> None:
        if self._revision == 0 and found.order is not None and len(found.order):
            self.beginResetModel()
            self._revision += 1
            self._order, self._days = found.order, Days(found.days)
            for key, picture in found.pictures.items():
                self._cache.put(key, picture)
            self.endResetModel()
            self.first_sight.rows_shown()
        else:
            self.first_sight.end()

    def _start_over(self, query: Query, alike: Picture | None, found: Found) -> None:
        meanwhile, self._meanwhile = self._meanwhile or [], None
        assert found.order is not None
        self.beginResetModel()
        self._revision += 1
        self._query, self._alike = query, alike
        self._order, self._days = found.order, Days(found.days)
        if self._cache.agrees(found.pictures):
            self._cache.drop_own()
        else:  # the index was built anew
            self._cache.clear()
        for key, picture in found.pictures.items():
            self._cache.put(key, picture)
        self._places = {name: place for name, place in self._places.items() if name in self._leaving}
        leaving = [place[0] for place in self._places.values()]
        leaving += [key for key, picture in found.pictures.items() if picture.id in self._leaving]
        for key in leaving:
            if (row := self._order.row(key)) >= 0:  # read before it went to the trash
                self._order.remove(row)
                self._days.remove(row)
        self.endResetModel()
        new = [picture for picture in meanwhile if picture.id not in self._trashed]
        if query.sort is Sort.NEWEST:  # the newest are known by now, so none can stand there twice
            for picture in new:
                self.insert(picture)
        elif new:
            self.refresh()
        self.listed.emit()

    def _catch_up(self, revision: int, found: Found) -> None:
        if revision != self._revision:  # rows came or went while the store was read
            self.refresh()
        elif found.edits is None:
            self._cache.clear()
            self._start_over(self._query, None, found)
        else:
            self._edit(found.edits)
            self._days = Days(found.days)
            for key, picture in found.pictures.items():
                self._cache.put(key, picture)
            rows = [row for key in found.pictures if (row := self._order.row(key)) >= 0]
            if rows:
                self.dataChanged.emit(self.index(min(rows)), self.index(max(rows)))
            self.listed.emit()

    def _edit(self, edits: Edits) -> None:
        self._revision += 1
        for old, new in edits.renamed:
            self._order.rename(old, new)
            self._cache.rename(old, new)
        for row in edits.removed:
            self.beginRemoveRows(ROOT, row, row)
            self._order.remove(row)
            self._days.remove(row)
            self.endRemoveRows()
        for row, key in edits.inserted:
            self.beginInsertRows(ROOT, row, row)
            self._order.insert(row, key)
            self._days = Days()  # told whole when all rows are in
            self.endInsertRows()

    def _on_no_listing(self, error: StudioError) -> None:
        self._meanwhile = None
        if isinstance(error, BadQuery):
            self.query_failed.emit(error)
        else:
            self.failed.emit(error)

    # Pictures that come and go
    def insert(self, picture: Picture) -> None:
        """Show a picture that was just saved (or brought back): at its place if that is plain, else the store is asked."""
        self._trashed.pop(picture.id, None)
        if self._meanwhile is not None:
            self._meanwhile.append(picture)
        key = self._cache.key_of(picture.id)
        if key is not None and (row := self._order.row(key)) >= 0:
            self._cache.put(key, picture)
            self.dataChanged.emit(self.index(row), self.index(row))
        elif self._alike is None and (place := self._plain_place(picture)) is not None:
            self._insert_row(place, self._cache.put_own(picture), picture, self._day(picture))
        elif self._alike is None and self._meanwhile is None:
            self.refresh()

    def remove(self, ids: Iterable[str]) -> None:
        """Put pictures into the trash, whether they are among the rows or not: the rows go at once; one undo step if
        there is an undo stack. Those on their way there, or put there in this session, are passed over."""
        present = tuple(picture_id for picture_id in dict.fromkeys(ids) if picture_id not in self._trashed)
        if not present:
            return
        if self._undo_stack is not None:
            many = len(present) > 1
            words = self.tr("delete %n pictures", "", len(present)) if many else self.tr("delete picture")
            self._undo_stack.push(RemovalCommand(words, present, self.to_trash, self.restore))
        else:
            self.to_trash(present)

    def to_trash(self, ids: Iterable[str]) -> None:
        """As `remove`, without an undo step."""
        for picture_id in ids:
            self.gone.emit(picture_id)
            self._leaving.add(picture_id)
            index = self.find(picture_id)
            self._trashed[picture_id] = self._take_row(index.row()) if index.isValid() else None
            self.thumbnails.forget(picture_id)
            work = partial(self._store.remove, picture_id)
            away = partial(self._on_removed, picture_id)
            self._background.run(work, away, partial(self._on_not_removed, picture_id))

    def restore(self, ids: Iterable[str]) -> None:
        """Bring pictures back from the trash: those removed in this session are in their rows at once."""
        for picture_id in ids:
            picture = self._trashed.pop(picture_id, None)
            if picture is not None:
                self._put_back(picture)
            work = partial(_bring_back, self._store, picture_id)
            self._background.run(work, self._on_restored, self._on_trouble)

    def empty_trash(self) -> None:
        """Delete for good what lies in the trash; there is no undo."""
        self._trashed.clear()
        self._background.run(self._store.empty_trash, lambda _: self.refresh(), self._on_trouble)

    def _put_back(self, picture: Picture) -> None:
        newer_first = self._query.sort is Sort.NEWEST if self._query.sort in BY_TIME else None
        row = self._place_of(picture.id, newer_first)
        if row is not None and self._alike is None:
            self._insert_row(row, self._places[picture.id][0], picture, self._day(picture))
        else:
            self.insert(picture)

    def _plain_place(self, picture: Picture) -> int | None:
        """The row of a new picture where the order is by age and all are shown, None where the store must be asked."""
        query = self._query
        if query.text or query.board or picture.id < self._cache.newest:
            return None
        return {Sort.NEWEST: 0, Sort.OLDEST: len(self._order)}.get(query.sort)

    def _day(self, picture: Picture) -> str:
        return picture.created.astimezone().date().isoformat() if self._query.sort in BY_TIME else ""

    def _on_removed(self, picture_id: str, _result: object) -> None:
        self._leaving.discard(picture_id)  # listings read from now on know it
        if picture_id in self._trashed and self._trashed[picture_id] is None:  # its row, if any, was not read yet
            self.refresh()

    def _on_not_removed(self, picture_id: str, error: StudioError) -> None:
        self._leaving.discard(picture_id)
        picture = self._trashed.pop(picture_id, None)
        if picture is not None:
            self._put_back(picture)
        self._on_trouble(error)

    def _on_restored(self, picture: Picture | None) -> None:
        if picture is not None and picture.id not in self._trashed:  # else it was removed again meanwhile
            self.insert(picture)
            if self._query.sort not in BY_TIME or self._query.text or self._query.board:
                self.refresh()

    def _on_trouble(self, error: StudioError) -> None:
        self.refresh()
        self.failed.emit(error)

    # Marks
    def mark(self, pictures: Sequence[Picture], words: str, change: MarkChange) -> None:
        """Change stars, tags, boards or notes of pictures, as one undo step named `words` if there is an undo stack."""
        touched = tuple(picture for picture in pictures if change.on(picture.marks) != picture.marks)
        if not touched:
            return
        ids = tuple(picture.id for picture in touched)
        if self._undo_stack is not None:
            self._undo_stack.push(MarkCommand(words, (ids, change), back(touched, change), self._put_marks))
        else:
            self._put_marks(ids, change)

    def _put_marks(self, ids: tuple[str, ...], change: MarkChange) -> None:
        for picture_id in ids:
            key, picture = self._cache.key_of(picture_id), self.known(picture_id)
            if key is not None and picture is not None:
                self._cache.put(key, marked(picture, change))
                if (row := self._order.row(key)) >= 0:
                    self.dataChanged.emit(self.index(row), self.index(row), [self.PictureRole])
        work = partial(
            self._store.mark, ids, rating=change.rating, note=change.note, add_tags=change.add_tags,
            remove_tags=change.remove_tags, add_boards=change.add_boards, remove_boards=change.remove_boards,
        )  # fmt: skip
        self._background.run(work, self._on_marked, self._on_trouble)

    def _on_marked(self, _pictures: object) -> None:
        self.marks_changed.emit()
        self.catalogue.refresh()
        if self._query.text or self._query.board or self._query.sort is Sort.RATING:
            self.refresh()


def _bring_back(store: PictureStore, picture_id: str) -> Picture | None:
    store.restore(picture_id)
    return store.get(picture_id)
