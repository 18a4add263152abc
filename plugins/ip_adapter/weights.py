"""Finds an IP-Adapter, refuses what does not fit from the header alone, and keeps what it made of the last pictures.

Where it looks without a file given: `ip_adapter` in the model's folder, `<family>` in the plugin's data, `ip_adapter`
in the artist's model folders; for Studio Mini last `mini` in the plugin's own folder. What is kept are the keys and
values of a few pictures, some MB each; the adapter and its image encoder are let go.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.models.embeddings import ImageProjection, IPAdapterFullImageProjection, IPAdapterPlusImageProjection
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor

from studio.api import Denoiser, ModelMissing, Use, WeightHeader, read_weight_header

from .attention import cross_attentions, projected
from .encoders import Encoder, find_encoder, look
from .layout import (
    FAMILIES,
    FULL,
    PLAIN,
    PLUS,
    Design,
    Refused,
    layer_names,
    projection_names,
    read_design,
)

FOLDERS = ("ip_adapter", "ipadapter", "ip-adapter")
_KEPT = 8
Seen = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]


@dataclass(frozen=True, slots=True)
class Found:
    """An adapter on disk."""

    file: Path
    header: WeightHeader
    design: Design


class Weights:
    """State: `_kept`, keys and values of the last pictures, by all that decides them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], Seen] = OrderedDict()

    def seen(self, picture: Image.Image, denoiser: Denoiser, use: Use) -> Seen:
        """Keys and values (branches, tokens, width) of a picture for each cross-attention of the UNet.

        Raises `ModelMissing` before anything is loaded.
        """
        found = find(denoiser, use)
        check_fit(found, denoiser)
        tower = found.header.metadata.get("image_encoder", "") if denoiser.family == "mini" else ""
        encoder = find_encoder(found.design, found.file, tower, denoiser, use)
        files = (found.file, *encoder.files)
        for file in files:
            use.reads(file)
        pixels = hashlib.sha256(picture.tobytes()).digest()
        numbers = denoiser.branches, denoiser.dtype, denoiser.device
        key = (picture.size, pixels, *numbers, *(_stamp(file) for file in files))
        if key not in self._kept:
            self._kept[key] = _compute(found, encoder, picture, denoiser)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]


def _stamp(file: Path) -> tuple[object, ...]:
    status = file.stat()
    return file, status.st_size, status.st_mtime_ns


def find(denoiser: Denoiser, use: Use) -> Found:
    """The file that was given, or the first adapter for this model. Raises `ModelMissing`."""
    if "file" in use.files:
        return inspect(use.files["file"])
    fitting: list[Found] = []
    for file in _files(denoiser, use):
        try:
            found = inspect(file)
        except ModelMissing:
            continue  # of no use here; the artist may name it to hear why
        if found.design.text == denoiser.unet.config.cross_attention_dim:
            fitting.append(found)
    if fitting:
        return min(fitting, key=lambda found: (PLAIN, PLUS, FULL).index(found.design.variant))
    family = FAMILIES.get(denoiser.unet.config.cross_attention_dim, denoiser.family)
    raise ModelMissing(
        f"There is no IP-Adapter for the model “{denoiser.model}” ({family}).",
        "Get one on the page Models (for SD 1.5 it is 45 MB, for SDXL 848 MB), or switch the layer off.",
    )


def _files(denoiser: Denoiser, use: Use) -> Iterator[Path]:
    places = [denoiser.model_folder / "ip_adapter", use.data / denoiser.family]
    places += [place / name for place in use.places for name in FOLDERS]
    places += [use.folder / "mini"] if denoiser.family == "mini" else []
    for place in places:
        yield from sorted(place.rglob("*.safetensors"))


def inspect(file: Path) -> Found:
    """What a file holds, from its header. Raises `ModelMissing` in words."""
    header = read_weight_header(file)
    try:
        return Found(file, header, read_design(header.shapes))
    except Refused as refused:
        raise _unusable(file, str(refused), "Choose another one. Nothing was loaded.") from None
    except (KeyError, IndexError, ValueError, StopIteration, ZeroDivisionError) as error:
        raise _unusable(file, "its parts do not fit together", detail=repr(error)) from None


def check_fit(found: Found, denoiser: Denoiser) -> None:
    """Raise `ModelMissing` unless the adapter is whole and made for this UNet. Reads nothing but the header."""
    base, text = denoiser.unet.config.cross_attention_dim, found.design.text
    if text != base:
        raise ModelMissing(
            f"“{found.file.name}” is an IP-Adapter for {FAMILIES.get(text, 'another model')} and does not fit the"
            f" model “{denoiser.model}” ({FAMILIES.get(base, denoiser.family)}).",
            "Choose an adapter that was made for this model. Nothing was loaded.",
            f"text features {text}, the UNet's {base}",
        )
    with torch.device("meta"):
        network = projection_of(found.design)
    wanted = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given: dict[str, tuple[int, ...]] = {}
    for name, ours in projection_names(found.design, found.header.shapes).items():
        rows, *rest = found.header.shapes[name] or (0,)
        given |= {part: (rows // len(ours), *rest) for part in ours}
    for number, attention in enumerate(cross_attentions(denoiser.unet)):
        shape = int(attention.to_k.weight.shape[0]), text
        wanted |= dict.fromkeys(layer_names(number), shape)
    given |= {name: shape for name, shape in found.header.shapes.items() if name.startswith("ip_adapter.")}
    if given != wanted:
        wrong = sorted(name for name in {*given, *wanted} if given.get(name) != wanted.get(name))
        raise _unusable(
            found.file, f"{len(wrong)} of its tensors are missing or of the wrong shape", detail=", ".join(wrong)
        )


def projection_of(design: Design) -> Any:  # Any: diffusers' classes are not typed
    """diffusers' network from what the encoder saw to tokens, with random weights."""
    if design.variant == PLAIN:
        return ImageProjection(design.features, design.text, design.tokens)
    if design.variant == FULL:
        return IPAdapterFullImageProjection(design.features, design.text)
    return IPAdapterPlusImageProjection(
        embed_dims=design.features,
        output_dims=design.text,
        hidden_dims=design.hidden,
        depth=design.depth,
        heads=design.heads,
        num_queries=design.tokens,
    )


@torch.no_grad()
def _compute(found: Found, encoder: Encoder, picture: Image.Image, denoiser: Denoiser) -> Seen:
    """Look, project, and take keys and values: once for a picture, as the tokens are the same at every step."""
    seen = look(encoder, found.design, picture, denoiser)
    try:
        with safe_open(found.file, framework="pt", backend="pread") as opened:
            tokens = _projection(found, opened, denoiser)(seen)
            numbers = range(len(cross_attentions(denoiser.unet)))
            layers = [
                tuple(_placed(opened.get_tensor(name), denoiser) for name in layer_names(number)) for number in numbers
            ]
    except (OSError, RuntimeError, SafetensorError) as error:
        raise _unusable(found.file, "it could not be loaded", detail=str(error)) from error
    keys, values = projected(tokens, [k for k, _ in layers]), projected(tokens, [v for _, v in layers])
    if not all(bool(torch.isfinite(value).all()) for value in (*keys, *values)):
        raise _unusable(found.file, "some of its numbers are not finite")
    return keys, values


def _projection(found: Found, opened: Any, denoiser: Denoiser) -> Any:
    with torch.device("meta"):
        network = projection_of(found.design)
    tensors: dict[str, Tensor] = {}
    for name, ours in projection_names(found.design, found.header.shapes).items():
        tensors |= zip(ours, opened.get_tensor(name).chunk(len(ours), dim=0), strict=True)
    network.load_state_dict({name: _placed(value, denoiser) for name, value in tensors.items()}, assign=True)
    return network.requires_grad_(False).eval()


def _placed(tensor: Tensor, denoiser: Denoiser) -> Tensor:
    """A copy of its own, where and how the model computes: nothing of the file stays mapped."""
    return tensor.clone().to(device=denoiser.device, dtype=denoiser.dtype)


def _unusable(
    file: Path, why: str, hint: str = "Fetch it again. Nothing was changed.", detail: str = ""
) -> ModelMissing:
    return ModelMissing(f"“{file.name}” cannot be used: {why}.", hint, detail)
