"""An engine without a model: draws a picture from the seed. For tests of everything around the engine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import replace

from studio import __version__
from studio.core.errors import BadInputImage
from studio.core.events import EngineReady, Suggest
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.recipe import ImageRef, Recipe
from studio.engine.guests import Guests, OnFault
from studio.engine.protocol import OnProgress, PluginHost, Progress, ReadImage, RenderCancelled, Rendered, Undecoded


class FakeEngine:
    """Obeys the engine protocol. `seconds_per_step` slows it down; `before_step(step)` may raise to play a broken engine.

    Of plugins it runs prompt tools, picture tools and scorers; adapters and guides are looked up and change the
    picture only as every field of a recipe does.
    """

    def __init__(
        self,
        seconds_per_step: float = 0.0,
        before_step: Callable[[int], None] | None = None,
        read_image: ReadImage | None = None,
        plugins: PluginHost | None = None,
        on_fault: OnFault = "fail",
    ) -> None:
        self._seconds_per_step, self._before_step = seconds_per_step, before_step
        self.before_decode: Callable[[], None] | None = None  # may raise to play a decoder that fails
        self._read_image, self._plugins, self.on_fault = read_image or _no_images, plugins, on_fault

    def prepare(self) -> EngineReady:
        return EngineReady(device="fake", dtype="uint8", memory_bytes=0)

    def render(self, recipe: Recipe, on_progress: OnProgress) -> Rendered:
        started = time.monotonic()

        def tell(phase: str, step: int = 0, preview: Pixels | None = None, undecoded: Undecoded | None = None) -> None:
            seconds = time.monotonic() - started if step else 0.0
            progress = Progress(
                step=step, steps=recipe.steps, seconds=seconds, phase=phase, preview=preview, undecoded=undecoded
            )
            if not on_progress(progress):
                raise RenderCancelled

        guests = Guests(self._plugins, self._read_image, recipe, self.on_fault)
        guests.look_up()
        guests.write_prompt(tell)
        for step in range(recipe.steps):
            if self._before_step is not None:
                self._before_step(step)
            time.sleep(self._seconds_per_step)
            tell("", step + 1, _stripes(guests.recipe, 32, 32))
        latents = Undecoded(recipe=guests.recipe, shape=(1, 4, 1, 1), dtype="float32", data=bytes(16))
        tell("decoding", recipe.steps, undecoded=latents)
        rendered = self._finished(guests, tell, started)
        return replace(rendered, recipe=guests.changed_recipe())

    def decode(self, kept: Undecoded, on_progress: OnProgress) -> Rendered:
        started = time.monotonic() - kept.seconds
        steps = kept.recipe.steps

        def tell(phase: str) -> None:
            if not on_progress(Progress(step=steps, steps=steps, phase=phase)):
                raise RenderCancelled

        guests = Guests(self._plugins, self._read_image, kept.recipe, self.on_fault)
        guests.look_up()
        tell("decoding")
        return self._finished(guests, tell, started)

    def _finished(self, guests: Guests, tell: Callable[[str], None], started: float) -> Rendered:
        if self.before_decode is not None:
            self.before_decode()
        size = guests.recipe.size
        pixels = guests.retouch(_stripes(guests.recipe, size.width, size.height), tell)
        made_with = MadeWith(
            studio=__version__,
            device="fake",
            dtype="uint8",
            seconds=time.monotonic() - started,
            pixel_sha256=pixels.sha256,
            scores=guests.score(pixels, tell),
            notes=tuple(guests.notes),
        )
        return Rendered(pixels=pixels, made_with=made_with, recipe=guests.recipe)

    def suggest(self, errand: Suggest) -> tuple[str, ...]:
        return Guests(self._plugins, self._read_image, Recipe(prompt="", seed=0)).suggest(errand)

    def close(self) -> None:
        pass


def _no_images(image: ImageRef) -> bytes:
    raise BadInputImage("This engine has no pictures to read.", detail=image.digest)


def _stripes(recipe: Recipe, width: int, height: int) -> Pixels:
    """Horizontal bands of colour: a function of the whole recipe, so that every field changes the picture."""
    rng = random.Random(repr(recipe))
    bands = [bytes(rng.randrange(256) for _ in range(3)) * width for _ in range(8)]
    return Pixels(width=width, height=height, data=b"".join(bands[y * 8 // height] for y in range(height)))
