"""What the files of plugin layers change: copies of the weights that a LoRA works on are kept aside meanwhile."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from studio.core.errors import ModelMissing
from studio.core.plugins import PartType
from studio.core.recipe import FileRef, Recipe
from studio.core.weights import WeightHeader
from studio.engine.estimate.weights import Headers
from studio.engine.intake.library import Library

Files = Callable[[FileRef], Path | None]  # None: nobody here knows where it lies
_HALF = re.compile(r"(.+?)[._]lora[._](?:linear_layer\.)?(down|up|A|B)(?:\.default)?\.weight")
_DOWN = ("down", "A")


def nowhere(_file: FileRef) -> None:
    """Nothing is known of files."""


def file_finder(library: Library) -> Files:
    """Where a layer's file lies among the models: by its bytes, or else by its name, with its folder if that is told."""

    def find(ref: FileRef) -> Path | None:
        found = library.installed()
        known = [file.path for file in found if file.sha256 and file.sha256 == ref.sha256]
        known += [file.path for file in found if file.path.as_posix().endswith(f"/{ref.name}")]
        known += [file.path.parent / ref.name for file in found if file.path.name == ref.name.rpartition("/")[0]]
        return next((path for path in known if path.is_file()), None)

    return find


def patched(recipe: Recipe, find: Files, headers: Headers) -> int:
    """Numbers of all weights that LoRAs change, each once: they are kept aside while the picture is made."""
    changed: dict[str, int] = {}
    for header in _headers(recipe, find, headers):
        for layer, count in _products(header).items():
            changed[layer] = max(count, changed.get(layer, 0))
    return sum(changed.values())


def changes_weights(header: WeightHeader) -> bool:
    """Whether a file holds what is added to the model's weights, as a LoRA does."""
    return bool(_products(header))


def _headers(recipe: Recipe, find: Files, headers: Headers) -> Iterator[WeightHeader]:
    for ref in _named(recipe):
        place = find(ref)
        if place is None:
            continue
        try:
            yield headers.of(place)
        except (ModelMissing, OSError):
            continue  # whoever presses Generate is told in words


def _named(recipe: Recipe) -> Iterable[FileRef]:
    uses = (use for use in recipe.plugins if use.type == PartType.ADAPTER)
    return dict.fromkeys(ref for use in uses for _, ref in use.files)


def _products(header: WeightHeader) -> dict[str, int]:
    """Layers by the file's names, and how many weights each has: rows of the upper matrix times columns of the lower."""
    halves: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in header.shapes.items():
        if match := _HALF.fullmatch(name):
            halves.setdefault(match[1], {})["down" if match[2] in _DOWN else "up"] = shape
    return {
        layer: parts["up"][0] * math.prod(parts["down"][1:])
        for layer, parts in halves.items()
        if len(parts) == 2 and parts["up"]
    }
