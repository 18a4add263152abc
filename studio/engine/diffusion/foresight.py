"""Where a picture begins: on a processor, whose system ends a program that takes too much instead of refusing it, at the
level that the estimate says will fit; on a card at the best one, as its allocator says no in time."""

from __future__ import annotations

from pathlib import Path

from studio.core.budget import Budget, Level
from studio.core.events import EngineReady
from studio.core.recipe import Recipe
from studio.engine.estimate.budget import Estimator, finder, folder_finder
from studio.engine.estimate.patches import file_finder
from studio.engine.intake.library import Library


class Foresight:
    """Looks ahead over the artist's files. Obeys `__call__(recipe, levels, ready)`."""

    def __init__(self, library: Library | None, folders: tuple[Path, ...]) -> None:
        if library is None:
            self._tell = Estimator(folder_finder(folders))
        else:
            self._tell = Estimator(finder(library), files=file_finder(library), shelf=library.installed)

    def __call__(self, recipe: Recipe, levels: tuple[Level, ...], ready: EngineReady) -> Level:
        """The level to begin with: one of `levels`, best first."""
        if not ready.device.startswith("cpu"):
            return levels[0]
        told: Budget | None = self._tell(recipe, ready)
        if told is None:  # what is wrong will be said in words
            return levels[0]
        return told.level if told.level in levels else levels[-1]
