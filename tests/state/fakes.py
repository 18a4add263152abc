"""Stand-ins for the gallery: pictures that lie nowhere, and a store in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from studio.core.errors import StorageProblem
from studio.core.library import Link
from studio.core.picture import MadeWith, Picture
from studio.core.recipe import Recipe
from studio.engine.protocol import Rendered

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
    """A picture store in memory, newest first, that can be told to fail."""

    def __init__(self, count: int = 0) -> None:
        self.pictures = [picture_of(Recipe(prompt=f"picture {i}", seed=i), i) for i in range(count)]
        self.trash: dict[str, Picture] = {}
        self.broken = False

    def page(self, offset: int, limit: int) -> tuple[Picture, ...]:
        self._check()
        newest = sorted(self.pictures, key=lambda picture: picture.id, reverse=True)
        return tuple(newest[offset : offset + limit])

    def get(self, picture_id: str) -> Picture | None:
        return next((picture for picture in self.pictures if picture.id == picture_id), None)

    def remove(self, picture_id: str) -> None:
        self._check()
        picture = self.get(picture_id)
        assert picture is not None
        self.pictures.remove(picture)
        self.trash[picture_id] = picture

    def restore(self, picture_id: str) -> None:
        self._check()
        self.pictures.append(self.trash.pop(picture_id))

    def _check(self) -> None:
        if self.broken:
            raise StorageProblem("The disk refuses.")
