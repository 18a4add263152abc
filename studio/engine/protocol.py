"""What an engine is to the rest of the house. Values in, values out; no Qt, no torch."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from studio.api import Use
from studio.core.events import EngineReady, Suggest
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.plugins import Part, PartType
from studio.core.recipe import ControlUse, ImageRef, PluginRef, PluginUse, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecoded:
    """What the loop ended with: latents that are not yet a picture, as raw little-endian numbers.

    `shape` is (1, channels, height / f, width / f), `dtype` "float32", "float16" or "bfloat16"; `seconds` is what they
    took. `recipe` is what they were really made with.
    """

    recipe: Recipe
    shape: tuple[int, ...]
    dtype: str
    data: bytes = field(repr=False)
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a render stands: step 0 carries a `phase`, steps 1 ... n the seconds since the first began.

    `undecoded` comes once, before the decoding: who keeps it can have the picture decoded again.
    """

    step: int
    steps: int
    seconds: float = 0.0
    phase: str = ""
    preview: Pixels | None = None
    undecoded: Undecoded | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A finished picture in memory, not yet saved. `reused`: the recipe was the last one again.

    `recipe` is what it was really made with where that differs from what was asked: prompt tools have run, versions
    and digests of plugins are filled in, a plugin that failed was left out. None: exactly as asked.
    """

    pixels: Pixels
    made_with: MadeWith
    reused: bool = False
    recipe: Recipe | None = None


class RenderCancelled(Exception):
    """Raised inside `Engine.render` once `on_progress` has said stop; carries nothing."""


OnProgress = Callable[[Progress], bool]  # False: stop at this step boundary
ReadImage = Callable[[ImageRef], bytes]  # the stored bytes (PNG) of an input picture; raises StudioError


class PluginHost(Protocol):
    """What the engine asks of the plugin room; every call happens in the engine thread."""

    def part(self, type: PartType, plugin: PluginRef, name: str) -> Any:  # Any: the `studio.api` Protocol of `type`
        """What the plugin registered, imported at first use. Raises `PluginProblem` if it is missing or not allowed."""
        ...

    def control_part(self, use: ControlUse) -> Part:
        """The declared part behind a plugin's kind of control layer. Raises `PluginProblem`."""
        ...

    def use(self, use: PluginUse | ControlUse, read_image: ReadImage, **images: Any) -> Use:  # Any: Pillow images
        """What was asked, checked against the declared parameters, with pictures opened and files found by digest.

        `images` are added to its pictures ("map"). Raises `StudioError`.
        """
        ...

    def digest(self, file: Path) -> str:
        """SHA-256 in hex of a file that a plugin reads, computed once. Raises `PluginProblem` if it cannot be read."""
        ...

    def fence(self, plugin: str, hook: str) -> AbstractContextManager[None]:
        """Around every call into a plugin. `StudioError` and `RenderCancelled` pass; anything else that is raised,
        SystemExit included, becomes a `PluginProblem` that names plugin and hook, and counts towards three. A
        `WrongAnswer` raised inside (by the engine, about what came back) passes as it is, and counts as well."""
        ...

    def reference(self, id: str) -> PluginRef:
        """The plugin with the version and digest it has now. Raises `PluginProblem`."""
        ...


class Engine(Protocol):
    """Makes pictures, one at a time, in whatever thread calls it (always the same one)."""

    def prepare(self) -> EngineReady:
        """Import the libraries and choose a device. Slow at the first call. Raises StudioError."""
        ...

    def render(self, recipe: Recipe, on_progress: OnProgress) -> Rendered:
        """The picture of a recipe. Raises StudioError, or RenderCancelled after `on_progress` returned False."""
        ...

    def decode(self, kept: Undecoded, on_progress: OnProgress) -> Rendered:
        """The picture of latents that an earlier `render` told: picture tools and scorers run, nothing before them.

        Tries harder than `render` where memory is short or numbers overflow. Raises as `render` does.
        """
        ...

    def suggest(self, errand: Suggest) -> tuple[str, ...]:
        """1 ... `count` texts that a plugin's prompt tool makes of a prompt. Raises StudioError."""
        ...

    def close(self) -> None:
        """Let go of models and device memory."""
        ...
