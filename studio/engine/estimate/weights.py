"""Weights of a model's parts in numbers, and the configs of its networks, out of headers alone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.core.weights import WeightHeader, read_weight_header
from studio.engine.checkpoints import CONFIGS, base_of
from studio.engine.models import SECOND, component_weights, parts_of

_PREFIXES = {
    "unet": ("model.diffusion_model.",),
    "vae": ("first_stage_model.",),
    "text_encoder": ("cond_stage_model.", "conditioner.embedders."),
}
_Stamp = tuple[str, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One part: how many numbers its weights are, the most in one layer, and its config.json."""

    count: int
    largest: int
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """What a base model consists of."""

    unet: Network
    vae: Network
    texts: tuple[Network, ...]


class Headers:
    """Reads headers, each once while its file does not change. For one thread. State: `_kept`."""

    def __init__(self) -> None:
        self._kept: dict[_Stamp, WeightHeader] = {}

    def of(self, file: Path) -> WeightHeader:
        """Raises `ModelMissing`, `OSError`."""
        status = file.stat()
        stamp = (str(file), status.st_size, status.st_mtime_ns)
        if stamp not in self._kept:
            if len(self._kept) > 32:
                self._kept.clear()
            self._kept[stamp] = read_weight_header(file)
        return self._kept[stamp]

    def anatomy(self, name: str, place: Path) -> Anatomy:
        """Of a model in a folder or a file. Raises `ModelMissing`, `OSError`, `ValueError`, `KeyError`."""
        if place.is_file():
            header = self.of(place)
            configs = CONFIGS / base_of(header)
            text = _network([header], {}, _PREFIXES["text_encoder"])
            return Anatomy(
                unet=_network([header], _read(configs / "unet"), _PREFIXES["unet"]),
                vae=_network([header], _read(configs / "vae"), _PREFIXES["vae"]),
                texts=(text,),
            )
        found = {
            part: _network([self.of(file) for file in component_weights(name, place / part, stem)], _read(place / part))
            for part, stem in parts_of(place).items()
        }
        texts = tuple(found[part] for part in ("text_encoder", SECOND) if part in found)
        return Anatomy(unet=found["unet"], vae=found["vae"], texts=texts)

    def part(self, place: Path, prefixes: tuple[str, ...] = ("",)) -> Network:
        """Of one network in a file or in a folder with its config.json."""
        if place.is_file():
            header = self.of(place)
            inside = any(name.startswith(prefixes) for name in header.shapes)
            return _network([header], {}, prefixes if inside else ("",))
        files = component_weights(place.name, place, "diffusion_pytorch_model")
        return _network([self.of(file) for file in files], _read(place))

    def vae(self, place: Path) -> Network:
        """Of a VAE of its own, or the one in a checkpoint."""
        folder = place / "vae" if (place / "vae" / "config.json").is_file() else place
        return self.part(folder, _PREFIXES["vae"])


def _network(headers: Iterable[WeightHeader], config: Mapping[str, Any], prefixes: tuple[str, ...] = ("",)) -> Network:
    sizes = [
        math.prod(shape)
        for header in headers
        for name, shape in header.shapes.items()
        if name.startswith(prefixes) and header.dtypes[name].startswith(("F", "BF"))
    ]
    return Network(count=sum(sizes), largest=max(sizes, default=0), config=config)


def _read(folder: Path) -> dict[str, Any]:
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if not isinstance(config, dict):
        raise ValueError(f"{folder.name} has no config")
    return config
