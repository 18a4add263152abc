"""The engine door: a runner thread and the engine behind it. Light at import: torch comes in when `make_engine` is called.

The heavy room (studio/engine/diffusion) is imported inside the call, in the engine thread, never at start-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from studio.engine.protocol import Engine, PluginHost, Progress, ReadImage, RenderCancelled, Rendered
from studio.engine.runner import Runner

if TYPE_CHECKING:
    from studio.core.events import EngineReady, Suggest
    from studio.core.recipe import Recipe
    from studio.engine.annotators import Annotators
    from studio.engine.diffusion.compiled import Mode
    from studio.engine.diffusion.engine import DiffusionEngine
    from studio.engine.guests import OnFault
    from studio.engine.intake.library import Library
    from studio.engine.protocol import OnProgress, Undecoded

__all__ = ["Engine", "LazyEngine", "PluginHost", "Progress", "RenderCancelled", "Rendered", "Runner", "make_engine"]


class LazyEngine:
    """The diffusion engine, imported at the first call of `prepare` or `render` in the thread that calls.

    `on_fault` may be set at any time, from any thread: what becomes of the next picture when a plugin fails. So may
    `compile`: "automatic" compiles the model on a graphics card; `compiled_folder` is where the compiler keeps its files.
    """

    def __init__(
        self,
        model_folders: Sequence[Path],
        read_image: ReadImage,
        device: str = "auto",
        plugins: PluginHost | None = None,
        on_fault: OnFault = "fail",
        library: Library | None = None,
        annotators: Annotators | None = None,
    ) -> None:
        self._arguments = (tuple(model_folders), read_image, device, plugins, on_fault, library, annotators)
        self.on_fault: OnFault = on_fault
        self.compile: Mode = "off"
        self.compiled_folder: Path | None = None
        self._engine: DiffusionEngine | None = None
        self._fresh = False

    def prepare(self) -> EngineReady:
        return self._made().prepare()

    def forget(self) -> None:
        """From here on a picture is computed even if it is the last one again. Any thread."""
        self._fresh = True

    def render(self, recipe: Recipe, on_progress: OnProgress) -> Rendered:
        engine = self._made()
        if self._fresh:
            self._fresh = False
            engine.forget()
        return engine.render(recipe, on_progress)

    def decode(self, kept: Undecoded, on_progress: OnProgress) -> Rendered:
        return self._made().decode(kept, on_progress)

    def suggest(self, errand: Suggest) -> tuple[str, ...]:
        return self._made().suggest(errand)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def _made(self) -> DiffusionEngine:
        if self._engine is None:
            from studio.engine.diffusion.engine import DiffusionEngine

            self._engine = DiffusionEngine(*self._arguments)
        self._engine.on_fault = self.on_fault
        self._engine.compiler.mode, self._engine.compiler.folder = self.compile, self.compiled_folder
        return self._engine


def make_engine(
    model_folders: Sequence[Path],
    read_image: ReadImage,
    device: str = "auto",
    plugins: PluginHost | None = None,
    on_fault: OnFault = "fail",
    library: Library | None = None,
    annotators: Annotators | None = None,
) -> LazyEngine:
    """The real engine. `model_folders` are searched for model names, in order; `device` is "auto", "cpu", "cuda" or "mps".

    With a `library` it is asked instead: it knows more layouts, and finds moved files by their digest.
    Without `plugins` a recipe that needs one is refused. `on_fault` can be changed later: `engine.on_fault = ...`.
    `annotators` find control maps; without them, the same folders are looked through for theirs.
    """
    return LazyEngine(model_folders, read_image, device, plugins, on_fault, library, annotators)
