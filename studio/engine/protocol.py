"""What an engine is to the rest of the house. Values in, values out; no Qt, no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from studio.core.events import EngineReady
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.recipe import ImageRef, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a render stands: step 0 carries a `phase`, steps 1 ... n the seconds since the first began."""

    step: int
    steps: int
    seconds: float = 0.0
    phase: str = ""
    preview: Pixels | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A finished picture in memory, not yet saved. `reused`: the recipe was the last one again."""

    pixels: Pixels
    made_with: MadeWith
    reused: bool = False


class RenderCancelled(Exception):
    """Raised inside `Engine.render` once `on_progress` has said stop; carries nothing."""


OnProgress = Callable[[Progress], bool]  # False: stop at this step boundary
ReadImage = Callable[[ImageRef], bytes]  # the stored bytes (PNG) of an input picture; raises StudioError


class Engine(Protocol):
    """Makes pictures, one at a time, in whatever thread calls it (always the same one)."""

    def prepare(self) -> EngineReady:
        """Import the libraries and choose a device. Slow at the first call. Raises StudioError."""
        ...

    def render(self, recipe: Recipe, on_progress: OnProgress) -> Rendered:
        """The picture of a recipe. Raises StudioError, or RenderCancelled after `on_progress` returned False."""
        ...

    def close(self) -> None:
        """Let go of models and device memory."""
        ...
