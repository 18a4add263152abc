"""Whether a picture was saved although nobody heard of it: asked of the files, because its row may be missing too."""

from __future__ import annotations

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
    wanted = stored_form(recipe)
    for file in _after(folders.pictures, datetime.fromtimestamp(since, UTC))[:LOOKED_AT]:
        with suppress(StudioError):
            if read_imprint(file).recipe == wanted:
                return True
    return False


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
