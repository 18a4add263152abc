"""Finds the T2I-Adapter for a kind of map, refuses what does not fit the UNet before loading, and keeps the last few.

Where it looks, in this order: `t2i_adapter` in the model's folder, then `<family>` in the plugin's data folder. There:
a folder (config.json and one .safetensors) or a .safetensors file with the kind in its name. Then in the artist's model
folders, whatever program's they are: there "t2i" must stand in its path as well. Of several that fit, `_rank` takes one.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.adapter import T2IAdapter
from safetensors.torch import load_file

from studio.api import Denoiser, ModelMissing, Use, WeightHeader, read_weight_header

from .layouts import FULL, LIGHT, Design, read_layout

LINES = ("sketch", "canny", "lineart")
"""Maps of thin light lines on black: an adapter that lies without a name beside a model was trained on such."""
_KEPT = 4


@dataclass(frozen=True, slots=True)
class Choice:
    """The adapter that was taken, and the titles of others that would do."""

    found: Found
    others: tuple[str, ...] = ()

    def words(self, kind: str) -> tuple[str, ...]:
        """A sentence for the artist where there was a choice."""
        if not self.others:
            return ()
        listed = ", ".join(f"“{title}”" for title in self.others[:3]) + (" and more" if len(self.others) > 3 else "")
        return (f"t2i-{kind} is read by “{_title(self.found.file)}”; {listed} would fit as well.",)


@dataclass(frozen=True, slots=True)
class Found:
    """An adapter on disk: its weights, what it is built as, and its tensors' names -> diffusers' names."""

    file: Path
    header: WeightHeader
    design: Design
    names: Mapping[str, str]


class Weights:
    """Loads adapters. State: `_kept`, the last few, by file, its size and time, design (a config.json beside it may
    change), number format and device."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], Any] = OrderedDict()

    def get(
        self, kind: str, denoiser: Denoiser, use: Use
    ) -> tuple[Any, tuple[str, ...]]:  # Any: T2IAdapter is not typed
        """The network for maps of this kind, ready for this model, and what is to be said of the choice.

        Raises `ModelMissing` before anything is loaded.
        """
        choice = find(kind, denoiser, use)
        found = choice.found
        use.reads(found.file)
        status = found.file.stat()
        key = (found.file, status.st_size, status.st_mtime_ns, found.design, denoiser.dtype, denoiser.device)
        if key not in self._kept:
            self._kept[key] = load(found).to(device=denoiser.device, dtype=denoiser.dtype)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key], choice.words(kind)


def find(kind: str, denoiser: Denoiser, use: Use) -> Choice:
    """The adapter for maps of this kind. Raises `ModelMissing` that says where one may be put, or why none fits."""
    beside, own = denoiser.model_folder / "t2i_adapter", use.data / denoiser.family
    for place in (beside, own):
        named = [file for entry in _entries(place) if kind in entry.name.lower() for file in _weights_of(entry)[:1]]
        if named:
            return _best(kind, named, denoiser, use)
    if kind in LINES and (beside / "config.json").is_file() and _weights_of(beside):
        return _best(kind, _weights_of(beside)[:1], denoiser, use)
    shelved = tuple(_shelved(kind, use.places))
    if shelved:
        return _best(kind, shelved, denoiser, use)
    raise ModelMissing(
        f"There is no T2I-Adapter for “{kind}” that belongs to the model “{denoiser.model}”.",
        "Get one on the page Get models, or put it into a models folder with “t2i” and its kind in the name; or switch"
        " the layer off.",
        f"looked in {beside}, in {own} and in your models folders",
    )


def _best(kind: str, files: Iterable[Path], denoiser: Denoiser, use: Use) -> Choice:
    """The first in rank of those that fit. Raises `ModelMissing` of the first in rank where none does."""
    fitting: list[Found] = []
    misfits: list[tuple[Path, ModelMissing]] = []
    for file in files:
        try:
            found = inspect(file)
            check_fit(found, denoiser)
        except ModelMissing as error:
            misfits.append((file, error))
        else:
            fitting.append(found)
    if not fitting:
        raise min(misfits, key=lambda pair: _rank(kind, pair[0], False, use))[1]
    ranked = sorted(fitting, key=lambda found: _rank(kind, found.file, found.design.adapter_type == LIGHT, use))
    titles = dict.fromkeys(_title(found.file) for found in ranked)
    return Choice(ranked[0], tuple(titles)[1:])


def _rank(kind: str, file: Path, light: bool, use: Use) -> tuple[Any, ...]:  # Any: what can be compared
    """What an earlier picture of the recipe was made with, what is called after the kind alone, full before light ones,
    newer before older ones as far as their names tell, all bits before half of them; then by name."""
    before = any(file.as_posix().endswith(f"/{name}") for name in use.found)
    title = _title(file).lower()
    versions = tuple(-int(digits[:9]) for digits in re.findall(r"\d+", title.replace("t2i", "")))
    return (
        not before,
        title.removesuffix(".safetensors") != kind,
        light,
        versions,
        ".fp16" in file.name,
        title,
        str(file),
    )


def _shelved(kind: str, places: Iterable[Path]) -> Iterator[Path]:
    """Adapters for this kind of map in the artist's folders, told by their names."""
    for place in places:
        try:
            files = sorted(place.rglob("*.safetensors"))
        except OSError:
            continue
        for file in files:
            path = file.relative_to(place).as_posix().lower()
            if "t2i" in path and kind in f"{file.parent.name}/{file.name}".lower():
                yield file


def inspect(file: Path) -> Found:
    """What a weight file holds, from its header and the config.json beside it. Raises `ModelMissing`."""
    header = read_weight_header(file)
    config = file.parent / "config.json"
    try:
        design, names = read_layout(header.shapes)
        if config.is_file():
            design = _configured(json.loads(config.read_text("utf-8")))
    except (ValueError, KeyError, TypeError, IndexError, OSError) as error:
        raise _unusable(file, "it is no T2I-Adapter in a layout that is known here", str(error)) from None
    return Found(file, header, design, names)


def check_fit(found: Found, denoiser: Denoiser) -> None:
    """Raise `ModelMissing` unless the features fit the UNet and every tensor is there. Reads nothing but the header."""
    wanted = slots(denoiser)
    given = found.design.features()
    levels = len(denoiser.unet.config.block_out_channels)
    if given != wanted[: len(given)] or len(given) < levels:
        raise ModelMissing(
            f"“{_title(found.file)}” is a T2I-Adapter for {found.design.made_for()} and does not fit the model"
            f" “{denoiser.model}” ({_words(denoiser.family)}).",
            "Choose an adapter that was made for this model. Nothing was loaded.",
            f"features {given}, the UNet takes {wanted}",
        )
    with torch.device("meta"):
        wanted_shapes = {name: tuple(value.shape) for name, value in _empty(found.design).state_dict().items()}
    shapes = {found.names[name]: shape for name, shape in found.header.shapes.items()}
    if shapes != wanted_shapes:
        wrong = sorted(name for name in {*shapes, *wanted_shapes} if shapes.get(name) != wanted_shapes.get(name))
        raise _unusable(found.file, f"{len(wrong)} of its tensors are missing or of the wrong shape", ", ".join(wrong))


def slots(denoiser: Denoiser) -> tuple[tuple[int, int], ...]:
    """(channels, pixels per cell) where the UNet takes a feature: one for each down block, then its middle.

    diffusers adds it before the downsampler of a block with attention, and after that of a block without.
    """
    config = denoiser.unet.config
    cell = 2 ** (len(denoiser.vae.config.block_out_channels) - 1)
    last = len(config.block_out_channels) - 1
    places = []
    for i, (kind, channels) in enumerate(zip(config.down_block_types, config.block_out_channels, strict=True)):
        after = "CrossAttn" not in kind and i < last
        places.append((int(channels), int(cell * 2 ** (i + after))))
    return (*places, (int(config.block_out_channels[-1]), int(cell * 2**last)))


def load(found: Found) -> Any:
    """The network with its weights, in the file's number format, on the processor. Raises `ModelMissing`."""
    with torch.device("meta"):
        network = _empty(found.design)
    try:
        tensors = load_file(found.file, backend="pread")
        network.load_state_dict({found.names[name]: value.clone() for name, value in tensors.items()}, assign=True)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise _unusable(found.file, "it could not be loaded", str(error)) from error
    return network.requires_grad_(False).eval()


def _empty(design: Design) -> Any:
    return T2IAdapter(
        in_channels=design.in_channels,
        channels=list(design.channels),
        num_res_blocks=design.num_res_blocks,
        downscale_factor=design.downscale_factor,
        adapter_type=design.adapter_type,
    )


def _configured(config: Mapping[str, Any]) -> Design:  # Any: JSON
    return Design(
        adapter_type=str(config.get("adapter_type", FULL)),
        in_channels=int(config["in_channels"]),
        channels=tuple(int(width) for width in config["channels"]),
        num_res_blocks=int(config["num_res_blocks"]),
        downscale_factor=int(config["downscale_factor"]),
    )


def _entries(place: Path) -> list[Path]:
    return sorted(place.iterdir()) if place.is_dir() else []


def _weights_of(entry: Path) -> list[Path]:
    """The .safetensors of a folder or the file itself; the full-precision one first."""
    if entry.is_dir():
        return sorted(entry.glob("*.safetensors"), key=lambda file: (".fp16" in file.name, file.name))
    return [entry] if entry.suffix == ".safetensors" else []


def _title(file: Path) -> str:
    return file.parent.name if file.stem.startswith("diffusion_pytorch_model") else file.name


def _words(family: str) -> str:
    return {"sd1": "SD 1.x", "sd2": "SD 2.x", "sdxl": "SDXL", "mini": "Studio Mini"}.get(family, family)


def _unusable(file: Path, why: str, detail: str = "") -> ModelMissing:
    return ModelMissing(
        f"The T2I-Adapter “{_title(file)}” cannot be used: {why}.", "Fetch it again. Nothing was changed.", detail
    )
