"""The budget of a recipe on a device: what it will take, beside what is free there. For one background thread."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from studio.core.budget import Budget
from studio.core.errors import ModelMissing
from studio.core.events import EngineReady
from studio.core.model_files import Kind
from studio.core.recipe import ModelRef, Recipe
from studio.engine.estimate.guests import Shelf, empty
from studio.engine.estimate.need import DeviceFacts, Find, needs
from studio.engine.estimate.patches import Files, nowhere
from studio.engine.estimate.weights import Headers
from studio.engine.intake.library import Library
from studio.engine.models import check_model, find_model, find_part

_WIDTHS = {"float32": 4, "float16": 2, "bfloat16": 2}
_KINDS = ("cpu", "cuda", "mps")
FreeBytes = Callable[[], int]


class Estimator:
    """Tells budgets. State: `_headers`, each read once while its file does not change."""

    def __init__(self, find: Find, free: FreeBytes | None = None, files: Files = nowhere, shelf: Shelf = empty) -> None:
        self._find, self._headers, self._files, self._shelf = find, Headers(), files, shelf
        self._free = free or _Machine().free

    def __call__(self, recipe: Recipe, ready: EngineReady) -> Budget | None:
        """None where it cannot be told: an engine without a known device, a model that is not there or is no model."""
        kind = ready.device.split(":")[0]
        if kind not in _KINDS or ready.dtype not in _WIDTHS:
            return None
        facts = DeviceFacts(kind=kind, width=_WIDTHS[ready.dtype], eight=kind == "cuda")
        try:
            told = needs(recipe, facts, self._find, self._headers, self._files, self._shelf)
        except (ModelMissing, OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
            return None  # whoever presses Generate is told in words
        free = min(self._free(), ready.memory_bytes) if kind == "cpu" else ready.memory_bytes
        return Budget(needs=told, free=free, total=ready.memory_bytes)


def finder(library: Library) -> Find:
    """Where things lie, by a library."""

    def find(ref: ModelRef, kind: Kind) -> Path:
        found = library.find(ref.name, ref.sha256, kind)
        if kind is Kind.CHECKPOINT:
            check_model(found.name, found.path)
        return found.path

    return find


def folder_finder(folders: Iterable[Path]) -> Find:
    """Where things lie, by looking through folders."""
    searched = tuple(folders)

    def find(ref: ModelRef, kind: Kind) -> Path:
        return find_model(ref.name, searched) if kind is Kind.CHECKPOINT else find_part(ref.name, searched)

    return find


class _Machine:
    """The machine's own memory. What the studio's models hold is theirs to give: it counts as free. State: `_before`,
    what this process took when first asked, which is before a model was loaded."""

    def __init__(self) -> None:
        self._before = 0

    def free(self) -> int:
        psutil: Any = importlib.import_module("psutil")  # comes with accelerate; without annotations
        taken = int(psutil.Process().memory_info().rss)
        self._before = self._before or taken
        return int(psutil.virtual_memory().available) + max(0, taken - self._before)
