"""Whether a picture was saved although nobody heard of it: asked of the files, because its row may be missing too."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.errors import StudioError
from studio.core.paths import Folders
from studio.core.picture import Picture
from studio.core.plot_text import PlotNote
from studio.core.recipe import Recipe
from studio.gallery.names import is_id, time_of
from studio.gallery.png import read_imprint, stored_form
from studio.gallery.rows import UNKNOWN

if TYPE_CHECKING:
    from studio.gallery.store import GalleryStore

LOOKED_AT = 500  # pictures after `since`; the wanted one is among the first

_JUST_BEFORE = 120.0  # seconds before a note in which a picture may have been saved that it does not know


def was_saved(folders: Folders, recipe: Recipe, since: float) -> bool:
    """Whether a file of the pictures folder has this recipe and was saved after `since` (seconds since 1970)."""
    return bool(saved_since(folders, (recipe,), since))


def saved_since(folders: Folders, recipes: Iterable[Recipe], since: float) -> dict[Recipe, Picture]:
    """Which of these recipes have a file that was saved after `since`, and the first picture of each, as its file says.

    Sheets are passed over: their recipe is what their cells were varied from.
    """
    wanted = {stored_form(recipe): recipe for recipe in recipes}
    found: dict[Recipe, Picture] = {}
    for file in _after(folders.pictures, datetime.fromtimestamp(since, UTC))[:LOOKED_AT]:
        if len(found) == len(wanted):
            break
        with suppress(StudioError):
            imprint = read_imprint(file)
            recipe, made_with = wanted.get(imprint.recipe), imprint.made_with or UNKNOWN
            if recipe is not None and recipe not in found and not made_with.sheet:
                found[recipe] = Picture(
                    id=file.stem,
                    recipe=imprint.recipe,
                    made_with=made_with,
                    file=file,
                    width=imprint.width,
                    height=imprint.height,
                    created=imprint.created or time_of(file.stem),
                    parents=imprint.parents,
                )
    return found


def cells_of(store: GalleryStore, note: PlotNote) -> tuple[Picture | None, ...]:
    """The pictures of a plot's cells. The studio may have died between a file and the note that it is there."""
    cells = tuple(zip(note.plot.cells, note.cells, strict=True))
    unsure = [cell.recipe for cell, known in cells if not known.picture and not known.over]
    just_saved = saved_since(store.folders, unsure, note.at - _JUST_BEFORE)  # their rows may be missing, too
    made = {picture.id: picture for picture in store.get_many(known.picture for known in note.cells if known.picture)}
    return tuple(made.get(known.picture) if known.picture else just_saved.get(cell.recipe) for cell, known in cells)


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
