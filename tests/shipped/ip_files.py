"""IP-Adapter files in the authors' layouts: names and shapes at any size, and random weights for them. No studio."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]


def plain(features: int, text: int, tokens: int = 4) -> Shapes:
    """`ImageProjModel`: the whole picture's embedding to four tokens."""
    return {
        "image_proj.proj.weight": (tokens * text, features), "image_proj.proj.bias": (tokens * text,),
        "image_proj.norm.weight": (text,), "image_proj.norm.bias": (text,),
    }  # fmt: skip


def full_face(features: int, text: int) -> Shapes:
    """`MLPProjModel`: every patch to one token."""
    return {
        "image_proj.proj.0.weight": (features, features), "image_proj.proj.0.bias": (features,),
        "image_proj.proj.2.weight": (text, features), "image_proj.proj.2.bias": (text,),
        "image_proj.proj.3.weight": (text,), "image_proj.proj.3.bias": (text,),
    }  # fmt: skip


def plus(features: int, text: int, hidden: int, heads: int, tokens: int = 16) -> Shapes:
    """`Resampler`: four layers of attention over all patches, in heads of 64."""
    shapes: Shapes = {
        "image_proj.latents": (1, tokens, hidden),
        "image_proj.proj_in.weight": (hidden, features), "image_proj.proj_in.bias": (hidden,),
        "image_proj.proj_out.weight": (text, hidden), "image_proj.proj_out.bias": (text,),
        "image_proj.norm_out.weight": (text,), "image_proj.norm_out.bias": (text,),
    }  # fmt: skip
    for layer in (f"image_proj.layers.{number}." for number in range(4)):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            shapes |= {f"{layer}{norm}.weight": (hidden,), f"{layer}{norm}.bias": (hidden,)}
        shapes |= {
            f"{layer}0.to_q.weight": (64 * heads, hidden), f"{layer}0.to_kv.weight": (128 * heads, hidden),
            f"{layer}0.to_out.weight": (hidden, 64 * heads),
            f"{layer}1.1.weight": (4 * hidden, hidden), f"{layer}1.3.weight": (hidden, 4 * hidden),
        }  # fmt: skip
    return shapes


def layers(widths: list[int], text: int) -> Shapes:
    """Keys and values of each cross-attention; `widths` in the UNet's own order: down, up, middle."""
    return {
        f"ip_adapter.{2 * number + 1}.to_{part}_ip.weight": (width, text)
        for number, width in enumerate(widths)
        for part in "kv"
    }


def save(file: Path, shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Random weights of these shapes, large enough to be seen in a picture."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {
        name: torch.randn(shape, generator=generator) * (0.1 if "image_proj" in name else 0.5)
        for name, shape in shapes.items()
    }
    tensors |= {name: 1 + value for name, value in tensors.items() if "norm" in name and name.endswith("weight")}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)
    return tensors
