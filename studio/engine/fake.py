"""An engine without a model: draws a picture from the seed. For tests of everything around the engine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from studio import __version__
from studio.core.events import EngineReady
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.recipe import Recipe
from studio.engine.protocol import OnProgress, Progress, RenderCancelled, Rendered


class FakeEngine:
    """Obeys the engine protocol. `seconds_per_step` slows it down; `before_step(step)` may raise to play a broken engine."""

    def __init__(self, seconds_per_step: float = 0.0, before_step: Callable[[int], None] | None = None) -> None:
        self._seconds_per_step = seconds_per_step
        self._before_step = before_step

    def prepare(self) -> EngineReady:
        return EngineReady(device="fake", dtype="uint8", memory_bytes=0)

    def render(self, recipe: Recipe, on_progress: OnProgress) -> Rendered:
        started = time.monotonic()
        for step in range(recipe.steps):
            if self._before_step is not None:
                self._before_step(step)
            time.sleep(self._seconds_per_step)
            seconds = time.monotonic() - started
            preview = _stripes(recipe, 32, 32)
            if not on_progress(Progress(step=step + 1, steps=recipe.steps, seconds=seconds, preview=preview)):
                raise RenderCancelled
        pixels = _stripes(recipe, recipe.size.width, recipe.size.height)
        made_with = MadeWith(
            studio=__version__,
            device="fake",
            dtype="uint8",
            seconds=time.monotonic() - started,
            pixel_sha256=pixels.sha256,
        )
        return Rendered(pixels=pixels, made_with=made_with)

    def close(self) -> None:
        pass


def _stripes(recipe: Recipe, width: int, height: int) -> Pixels:
    """Horizontal bands of colour: a function of the whole recipe, so that every field changes the picture."""
    rng = random.Random(repr(recipe))
    bands = [bytes(rng.randrange(256) for _ in range(3)) * width for _ in range(8)]
    return Pixels(width=width, height=height, data=b"".join(bands[y * 8 // height] for y in range(height)))
