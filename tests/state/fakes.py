"""Stand-ins for the gallery: pictures that lie nowhere, and a store in memory."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from studio.core.errors import StorageProblem
from studio.core.library import BadQuery, Completion, Link, Listing, Query, Sort
from studio.core.picture import MadeWith, Picture
from studio.core.recipe import Recipe
from studio.engine.protocol import Rendered
from studio.state.gallery_marks import MarkChange, marked

MADE_WITH = MadeWith(studio="test", device="fake", dtype="uint8", seconds=0.1)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


def picture_of(recipe: Recipe, number: int = 0) -> Picture:
    """A picture that claims to lie somewhere; ids sort by number."""
    return Picture(
        id=f"{number:06d}",
        recipe=recipe,
        made_with=MADE_WITH,
        file=Path(f"/nowhere/{number:06d}.png"),
        width=recipe.size.width,
        height=recipe.size.height,
        created=FIRST + timedelta(seconds=number),
    )


def save(rendered: Rendered, recipe: Recipe, parents: tuple[Link, ...] = ()) -> Picture:
    """Pretends to save."""
    return replace(picture_of(recipe, recipe.seed), parents=parents)


class MemoryStore:
    """A picture store in memory that can be told to fail. A search finds the words in prompt and tags, and
    "rating:3" the stars; "(" cannot be understood. Row numbers are those of the ids, plus `shift`."""

    def __init__(self, count: int = 0) -> None:
        self.held = {f"{i:06d}": picture_of(Recipe(prompt=f"picture {i}", seed=i), i) for i in range(count)}
        self.trash: dict[str, Picture] = {}
        self.broken = False
        self.shift = 0
        self.asked: list[str] = []

    def put(self, picture: Picture) -> None:
        self.held[picture.id] = picture

    def page(self, offset: int, limit: int) -> tuple[Picture, ...]:
        self._check("page")
        newest = sorted(self.held.values(), key=lambda picture: picture.id, reverse=True)
        return tuple(newest[offset : offset + limit])

    def listing(self, query: Query) -> Listing:
        self._check("listing")
        if query.text.startswith("("):
            raise BadQuery("There is no “(” in a search.", position=0, length=1)
        found = sorted((p for p in self.held.values() if _answers(p, query)), key=_ORDERS[query.sort])
        days: dict[str, int] = {}
        for picture in found if query.sort in (Sort.NEWEST, Sort.OLDEST) else ():
            day = picture.created.astimezone().date().isoformat()
            days[day] = days.get(day, 0) + 1
        return Listing(query=query, keys=array("q", map(self.key, found)), days=tuple(days.items()))

    def key(self, picture: Picture) -> int:
        return int(picture.id) + self.shift

    def pictures(self, keys: Sequence[int]) -> tuple[Picture | None, ...]:
        self._check(f"pictures {len(keys)}")
        return tuple(self.held.get(f"{key - self.shift:06d}") for key in keys)

    def get(self, picture_id: str) -> Picture | None:
        return self.held.get(picture_id) or self.trash.get(picture_id)

    def get_many(self, ids: Sequence[str]) -> tuple[Picture | None, ...]:
        return tuple(self.held.get(picture_id) for picture_id in ids)

    def remove(self, picture_id: str) -> None:
        self._check("remove")
        self.trash[picture_id] = self.held.pop(picture_id)

    def empty_trash(self) -> int:
        self._check("empty_trash")
        count = len(self.trash)
        self.trash.clear()
        return count

    def restore(self, picture_id: str) -> None:
        self._check("restore")
        self.held[picture_id] = self.trash.pop(picture_id)

    def mark(self, ids: Sequence[str], **changes: object) -> tuple[Picture, ...]:
        self._check("mark")
        for picture_id in ids:
            self.held[picture_id] = marked(self.held[picture_id], MarkChange(**changes))  # type: ignore[arg-type]
        return tuple(self.held[picture_id] for picture_id in ids)

    def boards(self) -> tuple[tuple[str, int], ...]:
        return self._counted("boards")

    def tags(self) -> tuple[tuple[str, int], ...]:
        return self._counted("tags")

    def complete(self, text: str, cursor: int) -> tuple[Completion, ...]:
        begun = text[:cursor].split()[-1:] or [""]
        words = ("rating:", "steps:", "seed:")
        start = cursor - len(begun[0])
        return tuple(
            Completion(text=w, start=start, end=cursor, hint="a field") for w in words if w.startswith(begun[0])
        )

    def similar(self, picture_id: str, count: int) -> tuple[str, ...]:
        others = sorted((p for p in self.held if p != picture_id), key=lambda p: abs(int(p) - int(picture_id)))
        return tuple(others[:count])

    def _counted(self, what: str) -> tuple[tuple[str, int], ...]:
        counts: dict[str, int] = {}
        for picture in self.held.values():
            for name in getattr(picture.marks, what):
                counts[name] = counts.get(name, 0) + 1
        return tuple(sorted(counts.items()))

    def _check(self, what: str) -> None:
        self.asked.append(what)
        if self.broken:
            raise StorageProblem("The disk refuses.")


_ORDERS: dict[Sort, Callable[[Picture], Any]] = {
    Sort.NEWEST: lambda picture: -int(picture.id),
    Sort.OLDEST: lambda picture: int(picture.id),
    Sort.RATING: lambda picture: (-picture.marks.rating, -int(picture.id)),
    Sort.PROMPT: lambda picture: (picture.recipe.prompt, -int(picture.id)),
}


def _answers(picture: Picture, query: Query) -> bool:
    if query.board and query.board not in picture.marks.boards:
        return False
    return all(
        picture.marks.rating == int(word[7:]) if word.startswith("rating:")
        else word in picture.recipe.prompt or word in picture.marks.tags
        for word in query.text.split()
    )  # fmt: skip
