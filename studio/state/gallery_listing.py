"""What the gallery's rows are made from, worked out in a background thread: a listing, its first pictures, what changed."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Protocol

from studio.core.library import Completion, Listing, Query
from studio.core.picture import Picture
from studio.state.row_order import RowOrder

EDITS_MAX = 256  # rows that come or go one by one; above that all are shown anew
SIMILAR_MAX = 120


class PictureStore(Protocol):
    """What the history's state objects need of the gallery.

    Every method is called in a background thread and may raise StudioError; `listing` raises BadQuery for a search
    that cannot be understood.
    """

    def page(self, offset: int, limit: int, /) -> Sequence[Picture]: ...
    def listing(self, query: Query, /) -> Listing: ...
    def pictures(self, keys: Sequence[int], /) -> Sequence[Picture | None]: ...
    def get(self, picture_id: str, /) -> Picture | None: ...
    def get_many(self, ids: Sequence[str], /) -> Sequence[Picture | None]: ...
    def remove(self, picture_id: str, /) -> object: ...
    def restore(self, picture_id: str, /) -> object: ...
    def mark(
        self,
        ids: Sequence[str],
        *,
        rating: int | None = None,
        note: str | None = None,
        add_tags: Sequence[str] = (),
        remove_tags: Sequence[str] = (),
        add_boards: Sequence[str] = (),
        remove_boards: Sequence[str] = (),
    ) -> Sequence[Picture]: ...
    def empty_trash(self) -> int: ...
    def boards(self) -> Sequence[tuple[str, int]]: ...
    def tags(self) -> Sequence[tuple[str, int]]: ...
    def complete(self, text: str, cursor: int, /) -> Sequence[Completion]: ...
    def similar(self, picture_id: str, count: int, /) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Edits:
    """A few steps from one order of rows to another: rows to take out, then rows to put in, each by what it is then."""

    renamed: tuple[tuple[int, int], ...] = ()  # (the key a row had, the key it has)
    removed: tuple[int, ...] = ()  # rows, the last one first
    inserted: tuple[tuple[int, int], ...] = ()  # (row, key), the first row first


@dataclass(frozen=True, slots=True)
class Found:
    """What a look into the store gave: all rows anew in `order`, or the `edits` that bring the rows shown up to date."""

    days: tuple[tuple[str, int], ...] = ()
    order: RowOrder | None = None
    edits: Edits | None = None
    pictures: Mapping[int, Picture] = field(default_factory=dict)  # by key, read on the way


@dataclass(frozen=True, slots=True)
class Shown:
    """The rows as they are when a look begins: their keys, ids of pictures that have no row number of the store yet
    (with the key that stands for it), and the pictures in sight, which are read again."""

    keys: array[int]
    own: Mapping[str, int]
    sight: Mapping[int, str]


def look_first(store: PictureStore, count: int, next_key: int) -> Found:
    """The newest pictures alone, which takes the same time whatever else there is; keys count down from `next_key`."""
    found = store.page(0, count)
    runs = groupby(found, key=lambda picture: picture.created.astimezone().date().isoformat())
    pictures = {next_key - number: picture for number, picture in enumerate(found)}
    days = tuple((day, sum(1 for _ in run)) for day, run in runs)
    return Found(days=days, order=RowOrder(array("q", pictures)), pictures=pictures)


def look_anew(store: PictureStore, query: Query, first: int) -> Found:
    """All rows of a query, with the `first` pictures."""
    return _whole(store, store.listing(query), first)


def look_again(store: PictureStore, query: Query, first: int, shown: Shown) -> Found:
    """What changed since: the rows that came and went, or all anew where that is too much to be told row by row."""
    listing = store.listing(query)
    pictures = read_pictures(store, array("q", shown.sight))
    if any(key not in pictures or pictures[key].id != known for key, known in shown.sight.items()):
        still = set(listing.keys)  # a key in sight names another picture: the index was rebuilt
        if any(key in still for key in shown.sight if key not in pictures or pictures[key].id != shown.sight[key]):
            return _whole(store, listing, first)
    before = set(shown.keys)
    fresh = array("q", (key for key in listing.keys if key not in before))
    if len(fresh) > EDITS_MAX:
        return _whole(store, listing, first)
    pictures |= read_pictures(store, fresh)
    renamed = {shown.own[pictures[key].id]: key for key in fresh if key in pictures and pictures[key].id in shown.own}
    keys = array("q", (renamed.get(key, key) for key in shown.keys)) if renamed else shown.keys
    edits = edits_between(keys, listing.keys)
    if edits is None:
        return _whole(store, listing, first)
    told = Edits(tuple(renamed.items()), edits.removed, edits.inserted)
    return Found(days=listing.days, edits=told, pictures=pictures)


def look_alike(store: PictureStore, picture_id: str, next_key: int) -> Found:
    """Pictures that look like one of them, the most similar first, after it itself; keys count down from `next_key`."""
    ids = [picture_id, *(other for other in store.similar(picture_id, SIMILAR_MAX) if other != picture_id)]
    found = [picture for picture in store.get_many(ids) if picture is not None]
    found.sort(key=lambda picture: ids.index(picture.id))
    pictures = {next_key - number: picture for number, picture in enumerate(found)}
    return Found(order=RowOrder(array("q", pictures)), pictures=pictures)


def edits_between(old: array[int], new: array[int]) -> Edits | None:
    """The steps from one order to another, None if they are many or what stays has changed places."""
    if old == new:
        return Edits()
    old_set, new_set = set(old), set(new)
    if len(old_set ^ new_set) > EDITS_MAX:
        return None
    removed = [row for row, key in enumerate(old) if key not in new_set]
    inserted = [(row, key) for row, key in enumerate(new) if key not in old_set]
    if array("q", (k for k in old if k in new_set)) != array("q", (k for k in new if k in old_set)):
        return None
    return Edits((), tuple(reversed(removed)), tuple(inserted))


def _whole(store: PictureStore, listing: Listing, first: int) -> Found:
    return Found(days=listing.days, order=RowOrder(listing.keys), pictures=read_pictures(store, listing.keys[:first]))


def read_pictures(store: PictureStore, keys: Sequence[int]) -> dict[int, Picture]:
    """The pictures of these keys, by key; those that cannot be read are left out."""
    if not keys:
        return {}
    return {key: found for key, found in zip(keys, store.pictures(keys), strict=True) if found is not None}
