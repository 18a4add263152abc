"""What the networks of plugins take that no recipe names: told by the files that lie where such plugins look.

No plugin is asked. A layer that was painted before names what it found; else its adapter lies beside the model in a folder
called after the plugin, or is known by its kind among the artist's models. What cannot be found so is not counted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.core.choices import ControlKind
from studio.core.errors import ModelMissing
from studio.core.model_files import Family, Kind, ModelFile, fits
from studio.core.model_use import LAYERS, guest_kind_of
from studio.core.plugins import PartType
from studio.core.recipe import ControlUse, FileRef, PluginUse, Recipe
from studio.core.weights import WeightHeader
from studio.engine.estimate.patches import Files, changes_weights
from studio.engine.estimate.weights import Headers
from studio.engine.models import companions_of

Shelf = Callable[[], tuple[ModelFile, ...]]
_VARIANTS = ("plain", "plus", "full face")  # of several IP-Adapters that fit the first is taken
_EYE = ("vision_model.", "visual_projection.")  # of a whole CLIP the half that sees
_TOKENS, _WHOLE = ("image_proj.proj_in.weight", "image_proj.proj.0.weight"), "image_proj.proj.weight"


def empty() -> tuple[ModelFile, ...]:
    """Nothing is known of the artist's models."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where the networks of a recipe's plugins may lie: beside the model at `place`, and among the artist's models."""

    place: Path
    files: Files
    shelf: Shelf
    headers: Headers

    def staying(self, recipe: Recipe) -> int:
        """Numbers of all networks that lie beside the model while it paints: those of control layers, each once."""
        guests = [use for use in recipe.controls if not isinstance(use.kind, ControlKind)]
        return sum(self._numbers(file) for file in dict.fromkeys(file for use in guests for file in self._control(use)))

    def looking(self, recipe: Recipe) -> int:
        """Numbers of the most that looks at its picture at once, before the first step, and is let go."""
        layers = (use for use in recipe.plugins if use.type == PartType.ADAPTER)
        return max((sum(map(self._numbers, self._layer(use))) for use in layers), default=0)

    def _control(self, use: ControlUse) -> tuple[Path, ...]:
        """The files of a plugin's control layer."""
        if use.found and (known := self._known(use.found)):
            return known
        kind = str(use.kind)
        beside = companions_of(self.place) / (use.plugin.id if use.plugin is not None else kind)
        named = [path for path in _entries(beside) if kind.partition("-")[2] in path.name.lower()]
        shelved = [file.path for file in self._fitting(Kind.T2I_ADAPTER) if guest_kind_of(file.name) == kind]
        return (*named, *shelved, *_entries(beside))[:1]

    def _layer(self, use: PluginUse) -> tuple[Path, ...]:
        """The files that a plugin's layer looks through; none for one that changes weights."""
        named = [ref for _, ref in use.files]
        if not named and use.found and (known := self._known(use.found)):
            return known
        files = [*(self._known(named) if named else self._unnamed(use))]
        files = [file for file in files if (header := self._header(file)) is not None and not changes_weights(header)]
        return (*files, *(eye for file in files for eye in self._eye_of(file)))

    def _unnamed(self, use: PluginUse) -> tuple[Path, ...]:
        if (use.plugin.id, use.part) != LAYERS[Kind.IP_ADAPTER][:2]:
            return ()
        order = {variant: i for i, variant in enumerate(_VARIANTS)}
        fitting = sorted(self._fitting(Kind.IP_ADAPTER), key=lambda file: order.get(file.traits.variant, len(order)))
        return tuple(file.path for file in fitting[:1])

    def _eye_of(self, adapter: Path) -> Iterator[Path]:
        """The image encoder behind an IP-Adapter: it gives as many numbers as the adapter reads."""
        header = self._header(adapter)
        shapes = {} if header is None else header.shapes
        whole = _WHOLE in shapes
        wanted = next((shapes[name][1] for name in (_WHOLE, *_TOKENS) if len(shapes.get(name, ())) == 2), 0)
        for eye in self._fitting(Kind.IMAGE_ENCODER) if wanted else ():
            seen = self._header(eye.path)
            shape = () if seen is None else seen.shapes.get("visual_projection.weight", ())
            if len(shape) == 2 and shape[0 if whole else 1] == wanted:
                yield eye.path
                return

    def _fitting(self, kind: Kind) -> list[ModelFile]:
        shelf = self.shelf()
        base = next((file.family for file in shelf if file.path == self.place), Family.UNKNOWN)
        return [file for file in shelf if file.kind is kind and fits(file, base)]

    def _known(self, refs: Iterable[FileRef]) -> tuple[Path, ...]:
        return tuple(path for ref in refs if (path := self.files(ref)) is not None)

    def _header(self, path: Path) -> WeightHeader | None:
        """Of a file, or of the weights in a folder. None where it cannot be read: whoever presses Generate is told."""
        try:
            weights = next(iter(_weights(path)), None)
            return None if weights is None else self.headers.of(weights)
        except (ModelMissing, OSError):
            return None

    def _numbers(self, path: Path) -> int:
        header = self._header(path)
        shapes = {} if header is None else header.shapes
        seeing = any(name.startswith(_EYE) for name in shapes)
        return sum(math.prod(shape) for name, shape in shapes.items() if not seeing or name.startswith(_EYE))


def _entries(folder: Path) -> list[Path]:
    """What may be an adapter in a folder: files, and folders with one in them."""
    try:
        return sorted(path for path in folder.iterdir() if any(_weights(path)))
    except OSError:
        return []


def _weights(path: Path) -> list[Path]:
    """The .safetensors of a folder, those with all bits first, or the file itself."""
    if path.is_dir():
        return sorted(path.glob("*.safetensors"), key=lambda file: (".fp16" in file.name, file.name))
    return [path] if path.suffix == ".safetensors" else []
