"""Image encoders: CLIP's vision towers in the artist's folders, and Mini's own eye beside Mini's other parts.

An encoder is loaded to look at one picture and let go: at full size it takes as much memory as a whole SD 1.5.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from studio.api import Denoiser, ModelMissing, Use, read_weight_header

from .eye import Eye
from .layout import PLAIN, Design
from .pictures import clip_pixels, mini_pixels

FOLDERS = ("image_encoder", "clip_vision")
_SIZES = {  # numbers of a token -> the encoder, and where it is had
    ("whole", 1024): ("CLIP ViT-H", "Get “Image encoder for IP-Adapters” (2.5 GB) on the page Models"),
    ("cells", 1280): ("CLIP ViT-H", "Get “Image encoder for IP-Adapters” (2.5 GB) on the page Models"),
    ("whole", 1280): ("CLIP ViT-bigG", "Get the folder sdxl_models/image_encoder of h94/IP-Adapter (3.7 GB)"),
    ("cells", 1664): ("CLIP ViT-bigG", "Get the folder sdxl_models/image_encoder of h94/IP-Adapter (3.7 GB)"),
    ("whole", 768): ("CLIP ViT-L", "Get openai/clip-vit-large-patch14 (1.7 GB)"),
    ("cells", 1024): ("CLIP ViT-L", "Get openai/clip-vit-large-patch14 (1.7 GB)"),
}


@dataclass(frozen=True, slots=True)
class Encoder:
    """An image encoder on disk. `files` decide what it sees; `tokens` of one picture, 0 where only the whole counts."""

    files: tuple[Path, ...]
    folder: Path | None  # None: Mini's eye
    tokens: int


def find_encoder(design: Design, adapter: Path, tower: str, denoiser: Denoiser, use: Use) -> Encoder:
    """The encoder that an adapter was trained behind. Raises `ModelMissing` that says what to fetch, and how big it is.

    `tower`: the digest of Mini's picture tower that the adapter's file names, "" for one behind a CLIP.
    """
    if tower:
        return _mini_eye(adapter, tower, denoiser)
    for folder in _folders(adapter, denoiser, use):
        config = _vision_config(folder)
        files = tuple(sorted(folder.glob("*.safetensors")))
        if files and config and config.get(_size_of(design)[1]) == design.features:
            for file in files:
                read_weight_header(file)  # whole, or refused in words
            side = int(config.get("image_size", 224)) // int(config.get("patch_size", 32))
            return Encoder(files, folder, 0 if design.variant == PLAIN else side * side + 1)
    name, get = _SIZES.get((_size_of(design)[0], design.features), ("a CLIP", "Get the one it was published with"))
    raise ModelMissing(
        f"“{adapter.name}” looks at pictures through an image encoder ({name}), which is not among the models.",
        f"{get}, or put its folder (config.json, model.safetensors) into a folder image_encoder beside the adapters.",
        f"wanted: {_size_of(design)[1]} {design.features}",
    )


def _size_of(design: Design) -> tuple[str, str]:
    return ("whole", "projection_dim") if design.variant == PLAIN else ("cells", "hidden_size")


def _mini_eye(adapter: Path, tower: str, denoiser: Denoiser) -> Encoder:
    file = denoiser.model_folder / "clip" / "model.safetensors"
    read_weight_header(file)
    if hashlib.sha256(file.read_bytes()).hexdigest() != tower:
        raise ModelMissing(
            f"“{adapter.name}” was trained behind another picture tower than the one that is here.",
            "Restore resources/mini, or train the stage “ip_adapter” again.",
        )
    return Encoder((file,), None, 0)


def _folders(adapter: Path, denoiser: Denoiser, use: Use) -> Iterator[Path]:
    """Where encoders may lie: beside the adapter, beside the model, in the plugin's data and the artist's folders."""
    for place in (adapter.parent, denoiser.model_folder, use.data, *use.places):
        for name in FOLDERS:
            if (place / name).is_dir():
                yield from sorted({file.parent for file in (place / name).rglob("config.json")})


def _vision_config(folder: Path) -> dict[str, Any]:  # Any: JSON values
    """The sizes in a folder's config.json; those of the vision half where it is a whole CLIP."""
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        vision = config.get("vision_config")
        inner = config if vision is None else {"projection_dim": config.get("projection_dim")} | vision
        return dict(inner) if str(config.get("model_type", "")).startswith("clip") else {}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


@torch.no_grad()
def look(encoder: Encoder, design: Design, picture: Image.Image, denoiser: Denoiser) -> Tensor:
    """What the adapter reads, (branches, features) or (branches, tokens, features): of nothing, then of the picture.

    Nothing is zeros in place of the whole picture's embedding, or what the encoder makes of a picture of zeros, as
    diffusers has it; without guidance it is left out.
    """
    see, pixels = _eye(encoder, denoiser) if encoder.folder is None else _clip(encoder.folder, denoiser)
    seen = see(pixels(picture), design)
    if denoiser.branches == 1:
        return seen
    nothing = torch.zeros_like(seen) if design.variant == PLAIN else see(torch.zeros_like(pixels(picture)), design)
    return torch.cat([nothing, seen])


def _eye(encoder: Encoder, denoiser: Denoiser) -> tuple[Any, Any]:
    try:
        eye = Eye.of(load_file(encoder.files[0], backend="pread")).to(device=denoiser.device, dtype=denoiser.dtype)
    except (KeyError, RuntimeError) as error:
        raise ModelMissing("Mini's picture tower cannot be used.", "Restore resources/mini.", str(error)) from None

    def pixels(picture: Image.Image) -> Tensor:
        return mini_pixels(picture).to(device=denoiser.device, dtype=denoiser.dtype)

    return (lambda seen, _design: eye(seen)), pixels


def _clip(folder: Path, denoiser: Denoiser) -> tuple[Any, Any]:
    from transformers import CLIPVisionModelWithProjection

    try:
        model = CLIPVisionModelWithProjection.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, dtype=denoiser.dtype
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelMissing(
            f"The image encoder “{folder.name}” cannot be loaded.", "Fetch it again.", str(error)
        ) from None
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()  # nothing of the file stays mapped
    model = model.to(denoiser.device).requires_grad_(False).eval()

    def pixels(picture: Image.Image) -> Tensor:
        return clip_pixels(picture, model.config.image_size).to(device=denoiser.device, dtype=denoiser.dtype)

    def see(seen: Tensor, design: Design) -> Tensor:
        if design.variant == PLAIN:
            embedding: Tensor = model(seen).image_embeds
            return embedding
        states: Tensor = model(seen, output_hidden_states=True).hidden_states[-2]
        return states

    return see, pixels
