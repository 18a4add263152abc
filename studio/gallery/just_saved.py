"""Whether a picture was saved although nobody heard of it: asked of the files, because its row may be missing too."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from studio.core.errors import StudioError
from studio.core.paths import Folders
from studio.core.recipe import Recipe
from studio.gallery.names import is_id, time_of
from studio.gallery.png import read_imprint, stored_form

LOOKED_AT = 500  # pictures after `since`; the wanted one is among the first


def was_saved(folders: Folders, recipe: Recipe, since: float) -> bool:
    """Whether a file of the pictures folder has this recipe and was saved after `since` (seconds since 1970)."""
    return bool(saved_since(folders, (recipe,), since))


def saved_since(folders: Folders, recipes: Iterable[Recipe], since: float) -> dict[Recipe, str]:
    """Which of these recipes have a file that was saved after `since`, and the id of the first picture of each."""
    wanted = {stored_form(recipe): recipe for recipe in recipes}
    found: dict[Recipe, str] = {}
    for file in _after(folders.pictures, datetime.fromtimestamp(since, UTC))[:LOOKED_AT]:
        if len(found) == len(wanted):
            break
        with suppress(StudioError):
            recipe = wanted.get(read_imprint(file).recipe)
            if recipe is not None:
                found.setdefault(recipe, file.stem)
    return found


def _after(pictures: Path, moment: datetime) -> list[Path]:
    """The studio's files with an id from `moment` on, oldest first."""
    found: list[Path] = []
    with suppress(OSError):
        days = sorted(folder for folder in pictures.iterdir() if folder.name >= f"{moment:%Y-%m-%d}")
        for day in days:
            with suppress(OSError):
                found += (file for file in day.glob("*.png") if is_id(file.stem) and time_of(file.stem) >= moment)
            if len(found) >= LOOKED_AT:
                break
    return sorted(found, key=lambda file: file.name)
