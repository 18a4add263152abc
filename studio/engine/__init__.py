"""The engine door: a runner thread and the engine behind it. Light at import: torch comes in when `make_engine` is called.

The heavy room (studio/engine/diffusion) is imported inside the call, in the engine thread, never at start-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studio.engine.protocol import Engine, Progress, ReadImage, RenderCancelled, Rendered
from studio.engine.runner import Runner

if TYPE_CHECKING:
    from studio.core.events import EngineReady
    from studio.core.recipe import Recipe
    from studio.engine.protocol import OnProgress

__all__ = ["Engine", "LazyEngine", "Progress", "RenderCancelled", "Rendered", "Runner", "make_engine"]


class LazyEngine:
    """The diffusion engine, imported at the first call of `prepare` or `render` in the thread that calls."""

    def __init__(self, model_folders: Sequence[Path], read_image: ReadImage, device: str = "auto") -> None:
        self._arguments = (tuple(model_folders), read_image, device)
        self._engine: Engine | None = None

    def prepare(self) -> EngineReady:
        return self._made().prepare()

    def render(self, recipe: Recipe, on_progress: OnProgress) -> Rendered:
        return self._made().render(recipe, on_progress)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def _made(self) -> Engine:
        if self._engine is None:
            from studio.engine.diffusion.engine import DiffusionEngine

            self._engine = DiffusionEngine(*self._arguments)
        return self._engine


def make_engine(model_folders: Sequence[Path], read_image: ReadImage, device: str = "auto") -> Engine:
    """The real engine. `model_folders` are searched for model names, in order; `device` is "auto", "cpu", "cuda" or "mps"."""
    return LazyEngine(model_folders, read_image, device)
