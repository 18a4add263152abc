"""The pictures of a long list that were looked at, by the key of their row and by id, the oldest let go."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from studio.core.picture import Picture

KEPT = 4000
OWN = -(1 << 40)  # keys of our own are this and below: the store's never are


class PictureCache:
    """Keys are the store's row numbers; a picture that came since has one of our own and is never let go.

    Mutable state: `_pictures` (read longest ago first), `_key_of` (their ids), `_own` (ids with a key of our own),
    `_next_own` (counts down), `newest` (the highest id seen).
    """

    def __init__(self) -> None:
        self._pictures: OrderedDict[int, Picture] = OrderedDict()
        self._key_of: dict[str, int] = {}
        self._own: dict[str, int] = {}
        self._next_own = OWN
        self.newest = ""

    def __contains__(self, key: int) -> bool:
        return key in self._pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def get(self, key: int) -> Picture | None:
        """The picture of a key, if it was looked at."""
        return self._pictures.get(key)

    def key_of(self, picture_id: str) -> int | None:
        """The key of a picture that was looked at."""
        return self._key_of.get(picture_id)

    def own(self) -> dict[str, int]:
        """The pictures that have a key of our own."""
        return dict(self._own)

    @property
    def next_own(self) -> int:
        """Keys from here on down are free."""
        return self._next_own

    def put(self, key: int, picture: Picture) -> None:
        """Hold a picture, in place of an older state of it."""
        self._pictures[key] = picture
        self._pictures.move_to_end(key)
        self._key_of[picture.id] = key
        self.newest = max(self.newest, picture.id)
        if key <= OWN:
            self._own[picture.id] = key
            self._next_own = min(self._next_own, key - 1)

    def put_own(self, picture: Picture) -> int:
        """Hold a picture that the store has no row number for yet, and say which key stands for it."""
        key = self._own.get(picture.id, self._next_own)
        self.put(key, picture)
        return key

    def rename(self, old: int, new: int) -> None:
        """The picture of a key has another one now."""
        picture = self._pictures.pop(old, None)
        if picture is not None:
            self._own.pop(picture.id, None)
            self.put(new, picture)

    def agrees(self, pictures: Mapping[int, Picture]) -> bool:
        """Whether the keys still name the pictures they did, as far as both know them."""
        return all((held := self._pictures.get(key)) is None or held.id == p.id for key, p in pictures.items())

    def drop_own(self) -> None:
        """Let go of the pictures with a key of our own: a new listing gives them the store's."""
        for picture_id, key in self._own.items():
            self._pictures.pop(key, None)
            if self._key_of.get(picture_id) == key:
                del self._key_of[picture_id]
        self._own.clear()

    def clear(self) -> None:
        """Let go of all: row numbers mean others now."""
        self._pictures.clear()
        self._key_of.clear()
        self._own.clear()

    def let_go(self) -> None:
        """Let go of those that were read longest ago, down to KEPT."""
        over = max(0, len(self._pictures) - KEPT)
        for key in [key for key in list(self._pictures)[:over] if key > OWN]:
            self._key_of.pop(self._pictures.pop(key).id, None)
