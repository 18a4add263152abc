"""Finds, checks and keeps the two adapters and the eye of the global one; refuses misfits from the header alone.

Where it looks, in this order: `uni_controlnet` in the model's folder, `<family>` in the plugin's data folder, and for
Studio Mini `mini` in the plugin's own. Any .safetensors there may hold one adapter or both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

from studio.api import Denoiser, ModelMissing, Use, WeightHeader, read_weight_header

from . import layout
from .networks import GlobalAdapter, LocalAdapter, LocalDesign, PictureEncoder, encoder_of
from .pictures import clip_pixels, thumbnail

Embed = Callable[[Image.Image], Tensor]
_LOCAL_SIGN, _GLOBAL_SIGN = "feature_extractor.pre_extractor.0.weight", "ff1.net.0.proj.weight"
_EYE = "encoder."
_FAMILIES = {768: "SD 1.x", 1024: "SD 2.x", 2048: "SDXL", 192: "Studio Mini"}


@dataclass(frozen=True, slots=True)
class Found:
    """One adapter in a file: names in the file -> ours, and shapes by ours."""

    file: Path
    header: WeightHeader
    names: dict[str, str]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {ours: self.header.shapes[name] for name, ours in self.names.items()}

    @property
    def key(self) -> tuple[object, ...]:
        """Changes whenever the file does."""
        status = self.file.stat()
        return self.file, status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Global:
    """A global adapter and the eye in front of it: a picture to its embedding (1, width)."""

    adapter: GlobalAdapter
    embed: Embed


class Weights:
    """Loads adapters. State: `_kept`, the last local and the last global one, with what decides them."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[object, ...], Any]] = {}

    def local(self, kind: str, denoiser: Denoiser, use: Use) -> LocalAdapter:
        """The local adapter that knows maps of this kind. Raises `ModelMissing` before anything is loaded."""
        found = find(_LOCAL_SIGN, layout.LOCAL, denoiser, use)
        design = local_design(found)
        if kind not in design.conditions:
            raise ModelMissing(
                f"The Uni-ControlNet of “{denoiser.model}” does not know “uni-{kind}”.",
                f"It knows {', '.join(f'uni-{known}' for known in design.conditions)}.",
            )
        _check_base(found, local_text_width(found), denoiser)
        use.reads(found.file)
        kept: LocalAdapter = self._keep("local", found, denoiser, lambda: load_local(found, design, denoiser))
        return kept

    def picture(self, denoiser: Denoiser, use: Use) -> Global:
        """The global adapter. Raises `ModelMissing` before anything is loaded."""
        found = find(_GLOBAL_SIGN, layout.GLOBAL, denoiser, use)
        _check_base(found, found.shapes.get("norm1.weight", (0,))[0], denoiser)
        for file in (found.file, *_eye_files(found, denoiser)):
            use.reads(file)
        kept: Global = self._keep("global", found, denoiser, lambda: load_global(found, denoiser))
        return kept

    def _keep(self, what: str, found: Found, denoiser: Denoiser, load: Callable[[], Any]) -> Any:
        eyes = (
            tuple((file, file.stat().st_mtime_ns) for file in _eye_files(found, denoiser)) if what == "global" else ()
        )
        key = (*found.key, eyes, denoiser.model_folder, denoiser.dtype, denoiser.device)
        if what not in self._kept or self._kept[what][0] != key:
            self._kept.pop(what, None)  # before loading: two may not fit
            self._kept[what] = (key, load())
        return self._kept[what][1]


def find(sign: str, prefix: str, denoiser: Denoiser, use: Use) -> Found:
    """The first file that holds a tensor of this name, bare or behind its prefix. Raises `ModelMissing`."""
    own = use.data / denoiser.family
    for file in _files(denoiser, use):
        header = read_weight_header(file)
        if sign in header.shapes or prefix + sign in header.shapes:
            names = layout.part(header.shapes, prefix)
            if layout.is_published(names):
                layers = _layers(denoiser)
                names = {name: layout.our_name(bare, layers) for name, bare in names.items()}
            return Found(file, header, names)
    raise ModelMissing(
        f"There is no Uni-ControlNet that belongs to the model “{denoiser.model}”.",
        f"Put its weights as a .safetensors file into {own} (README.md of the plugin tells how), or switch it off.",
    )


def local_design(found: Found) -> LocalDesign:
    """What the shapes say. Raises `ModelMissing`."""
    shapes = found.shapes
    try:
        before = [shapes["feature_extractor.pre_extractor.0.weight"][0]]
        while (place := f"feature_extractor.pre_extractor.{4 * len(before) - 2}.weight") in shapes:
            before.append(shapes[place][0])
        inject: list[int] = []
        while (place := f"feature_extractor.extractors.{len(inject)}.0.weight") in shapes:
            inject.append(shapes[place][0])
        maps = shapes["feature_extractor.pre_extractor.0.weight"][1] // 3
        named = tuple(found.header.metadata.get("conditions", ",".join(layout.PUBLISHED)).split(","))
        if len(named) != maps:
            raise ValueError(f"{maps} maps, but {len(named)} names")
    except (KeyError, IndexError, ValueError) as error:
        raise _unusable(found, "its parts do not fit together", str(error)) from None
    return LocalDesign(conditions=named, before=tuple(before), inject=tuple(inject))


def local_text_width(found: Found) -> int:
    """Features of a text token that the adapter's cross-attention reads; 0 if it has none."""
    return next((shape[-1] for name, shape in found.shapes.items() if name.endswith("attn2.to_k.weight")), 0)


def load_local(found: Found, design: LocalDesign, denoiser: Denoiser) -> LocalAdapter:
    """The network, ready. Raises `ModelMissing` unless every tensor is there in the UNet's sizes."""
    levels = len(denoiser.unet.config.block_out_channels)
    cell = 2 ** (len(denoiser.vae.config.block_out_channels) - 1)
    if len(design.inject) != levels or 2 ** len(design.before) != cell:
        raise _unusable(found, f"it was not made for the grids of “{denoiser.model}”")
    with torch.device("meta"):
        network = LocalAdapter(design, encoder_of(denoiser.unet))
    _fill(network, found, {name: name for name in found.shapes})
    return network.to(device=denoiser.device, dtype=denoiser.dtype).requires_grad_(False).eval()


def load_global(found: Found, denoiser: Denoiser) -> Global:
    """The adapter and its eye: Mini's own from the same file, else the CLIP that lies beside it. Raises `ModelMissing`."""
    shapes = {name: shape for name, shape in found.shapes.items() if not name.startswith(_EYE)}
    try:
        width, between = shapes["norm1.weight"][0], shapes["norm2.weight"][0]
        inner = shapes["ff1.net.2.weight"][1], shapes["ff2.net.2.weight"][1]
        tokens = shapes["ff2.net.2.weight"][0] // width
    except (KeyError, IndexError, ZeroDivisionError) as error:
        raise _unusable(found, "its parts do not fit together", str(error)) from None
    embed = _own_eye(found, width, denoiser) or _clip(found, width, denoiser)
    with torch.device("meta"):
        adapter = GlobalAdapter(width, between, tokens, inner)
    _fill(adapter, found, {name: name for name in shapes})
    return Global(adapter.to(device=denoiser.device, dtype=denoiser.dtype).requires_grad_(False).eval(), embed)


def _own_eye(found: Found, width: int, denoiser: Denoiser) -> Embed | None:
    eye = {name: name.removeprefix(_EYE) for name in found.shapes if name.startswith(_EYE)}
    if not eye:
        return None
    rows = [name for name in eye if ".layers." in name and name.endswith(".weight")]
    widths = [found.shapes[f"{_EYE}layers.{i}.weight"][0] for i in range(len(rows))]
    with torch.device("meta"):
        encoder = PictureEncoder(width, widths)
    _fill(encoder, found, eye)
    encoder.to(device=denoiser.device, dtype=denoiser.dtype).requires_grad_(False).eval()
    return lambda picture: encoder(thumbnail(picture).to(device=denoiser.device, dtype=denoiser.dtype))


def _eye_folder(found: Found, denoiser: Denoiser) -> Path | None:
    folders = (found.file.parent / "image_encoder", denoiser.model_folder / "image_encoder")
    return next((folder for folder in folders if (folder / "config.json").is_file()), None)


def _eye_files(found: Found, denoiser: Denoiser) -> list[Path]:
    """The weights of the eye where it is a CLIP; none for an adapter that has its own."""
    folder = None if any(name.startswith(_EYE) for name in found.shapes) else _eye_folder(found, denoiser)
    return sorted(folder.glob("*.safetensors")) if folder is not None else []


def _clip(found: Found, width: int, denoiser: Denoiser) -> Embed:
    folder = _eye_folder(found, denoiser)
    if folder is None:
        raise ModelMissing(
            "Uni-ControlNet's global adapter needs CLIP's eye (ViT-L/14), which is not there.",
            f"Put it in transformers' layout into {found.file.parent / 'image_encoder'}.",
        )
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if config.get("projection_dim", width) != width:
        raise ModelMissing(
            f"The CLIP in “{folder.name}” gives {config['projection_dim']} numbers; the global adapter reads {width}.",
            "It was trained with CLIP ViT-L/14. Nothing was loaded.",
        )
    from transformers.models.clip.modeling_clip import CLIPVisionModelWithProjection

    model = CLIPVisionModelWithProjection.from_pretrained(str(folder), local_files_only=True, use_safetensors=True)
    eye = model.to(device=denoiser.device, dtype=denoiser.dtype).requires_grad_(False).eval()

    def embed(picture: Image.Image) -> Tensor:
        pixels = clip_pixels(picture, eye.config.image_size).to(device=denoiser.device, dtype=denoiser.dtype)
        seen: Tensor = eye(pixel_values=pixels).image_embeds
        return seen

    return embed


def _fill(network: torch.nn.Module, found: Found, wanted: dict[str, str]) -> None:
    """Load the tensors `wanted` (our names in the file -> names in the network), after comparing every shape."""
    given = {inside: found.shapes[ours] for ours, inside in wanted.items()}
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    if given != expected:
        wrong = sorted(name for name in {*given, *expected} if given.get(name) != expected.get(name))
        raise _unusable(found, f"{len(wrong)} of its tensors are missing or of the wrong shape", ", ".join(wrong))
    in_file = {ours: name for name, ours in found.names.items()}
    try:
        with safe_open(found.file, framework="pt", backend="pread") as opened:
            tensors = {inside: opened.get_tensor(in_file[ours]).clone() for ours, inside in wanted.items()}
    except (OSError, RuntimeError, ValueError) as error:
        raise _unusable(found, "it could not be loaded", str(error)) from error
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise _unusable(found, "some of its numbers are not finite")
    network.load_state_dict(tensors, assign=True)


def _check_base(found: Found, width: int, denoiser: Denoiser) -> None:
    """Raise `ModelMissing` unless the adapter reads tokens as wide as this model's."""
    base = denoiser.unet.config.cross_attention_dim
    if width != base:
        raise ModelMissing(
            f"“{found.file.name}” is a Uni-ControlNet for {_FAMILIES.get(width, 'another model')} and does not fit the"
            f" model “{denoiser.model}” ({_FAMILIES.get(base, denoiser.family)}).",
            "Choose a model that it was made for. Nothing was loaded.",
            f"text features {width}, the UNet's {base}",
        )


def _files(denoiser: Denoiser, use: Use) -> Iterator[Path]:
    places = [denoiser.model_folder / "uni_controlnet", use.data / denoiser.family]
    places += [use.folder / "mini"] if denoiser.family == "mini" else []
    for place in places:
        yield from sorted(place.glob("*.safetensors"))


def _layers(denoiser: Denoiser) -> int:
    layers = denoiser.unet.config.layers_per_block
    return int(layers if isinstance(layers, int) else layers[0])


def _unusable(found: Found, why: str, detail: str = "") -> ModelMissing:
    return ModelMissing(f"“{found.file.name}” cannot be used: {why}.", "Fetch it again. Nothing was changed.", detail)
