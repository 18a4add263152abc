"""The file layouts of T2I-Adapters, told apart by names and shapes: diffusers', and the authors' own (full and light).

Knows names and numbers only; no torch, no files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]
Rename = Callable[[str], str]
FULL, XL, LIGHT = "full_adapter", "full_adapter_xl", "light_adapter"
_STAGES = 4  # of every published adapter: one for each level of SD 1.x's UNet
_FACTORS = (8, 16, 32)  # SD 1.x, SDXL, Studio Mini


@dataclass(frozen=True, slots=True)
class Design:
    """What diffusers' T2IAdapter is built from. `downscale_factor`: pixels that the first layer folds into one cell."""

    adapter_type: str
    in_channels: int
    channels: tuple[int, ...]
    num_res_blocks: int
    downscale_factor: int

    def features(self) -> tuple[tuple[int, int], ...]:
        """(channels, pixels per cell) of each feature that it gives."""
        channels = (*self.channels, self.channels[-1]) if self.adapter_type == LIGHT else self.channels
        if self.adapter_type == XL:
            return tuple((c, self.downscale_factor * (1 if i < 2 else 2)) for i, c in enumerate(channels))
        return tuple((c, self.downscale_factor * 2**i) for i, c in enumerate(channels))

    def made_for(self) -> str:
        """The base models it was made for, in words."""
        if self.channels[:3] == (320, 640, 1280):
            return {8: "SD 1.x", 16: "SDXL"}.get(self.downscale_factor, "another model")
        return "Studio Mini" if self.downscale_factor == 32 else "another model"


def read_layout(shapes: Shapes) -> tuple[Design, dict[str, str]]:
    """The design behind a file's tensors, and its names -> diffusers' names. Raises `ValueError` for anything else."""
    if any(".resnets." in name for name in shapes):
        names = {name: name if name.startswith("adapter.") else f"adapter.{name}" for name in shapes}
        return _diffusers({names[name]: shape for name, shape in shapes.items()}), names
    bare = {name: name.removeprefix("adapter.") for name in shapes}
    plain = {bare[name]: shape for name, shape in shapes.items()}
    strange = [name for name in plain if ".skep." in name or ".down_opt." in name]
    if strange:
        raise ValueError(f"unknown layers: {strange[0]}")
    if "conv_in.weight" in plain:
        design, rename = _original_full(plain)
    elif "body.0.in_conv.weight" in plain:
        design, rename = _original_light(plain)
    else:
        raise ValueError("neither conv_in nor body.0.in_conv")
    return design, {name: rename(bare[name]) for name in shapes}


def _diffusers(shapes: Shapes) -> Design:
    blocks = _count(shapes, r"adapter\.body\.(\d+)\.")
    resnets = _count(shapes, r"adapter\.body\.0\.resnets\.(\d+)\.")
    if "adapter.conv_in.weight" in shapes:
        channels = tuple(shapes[f"adapter.body.{i}.resnets.0.block1.weight"][0] for i in range(blocks))
        return _full(shapes["adapter.conv_in.weight"][1], channels, resnets)
    channels = tuple(shapes[f"adapter.body.{i}.out_conv.weight"][0] for i in range(blocks))
    return _light(shapes["adapter.body.0.in_conv.weight"][1], channels, resnets)


def _original_full(shapes: Shapes) -> tuple[Design, Rename]:
    """TencentARC's `Adapter`: one flat list of residual blocks, `num_res_blocks` of them to each of four stages."""
    flat = _count(shapes, r"body\.(\d+)\.")
    each, rest = divmod(flat, _STAGES)
    if rest or not each:
        raise ValueError(f"{flat} residual blocks cannot be shared among {_STAGES} stages")
    channels = tuple(shapes[f"body.{i * each}.block1.weight"][0] for i in range(_STAGES))

    def rename(name: str) -> str:
        match = re.fullmatch(r"body\.(\d+)\.(in_conv|block1|block2)\.(weight|bias)", name)
        if match is None:
            return f"adapter.{name}"
        stage, place = divmod(int(match[1]), each)
        inner = "in_conv" if match[2] == "in_conv" else f"resnets.{place}.{match[2]}"
        return f"adapter.body.{stage}.{inner}.{match[3]}"

    return _full(shapes["conv_in.weight"][1], channels, each), rename


def _original_light(shapes: Shapes) -> tuple[Design, Rename]:
    """TencentARC's `Adapter_light`: four extractors, each a narrow row of residual blocks between two 1x1 layers."""
    stages = _count(shapes, r"body\.(\d+)\.")
    each = _count(shapes, r"body\.0\.body\.(\d+)\.")
    channels = tuple(shapes[f"body.{i}.out_conv.weight"][0] for i in range(stages))

    def rename(name: str) -> str:
        return "adapter." + re.sub(r"^(body\.\d+)\.body\.", r"\1.resnets.", name)

    return _light(shapes["body.0.in_conv.weight"][1], channels, each), rename


def _full(folded: int, channels: tuple[int, ...], each: int) -> Design:
    factor, colours = _unfold(folded)
    return Design(XL if factor > _FACTORS[0] else FULL, colours, channels, each, factor)


def _light(folded: int, channels: tuple[int, ...], each: int) -> Design:
    if len(channels) < 2 or channels[-1] != channels[-2]:
        raise ValueError(f"a light adapter with the widths {channels}")
    factor, colours = _unfold(folded)
    return Design(LIGHT, colours, channels[:-1], each, factor)


def _unfold(folded: int) -> tuple[int, int]:
    """(factor, 1 or 3) from factor^2 x colours: 64, 192 for SD 1.x; 256, 768 for SDXL; 1024, 3072 for Mini."""
    for factor in _FACTORS:
        if folded in (factor**2, 3 * factor**2):
            return factor, folded // factor**2
    raise ValueError(f"{folded} input channels")


def _count(shapes: Shapes, pattern: str) -> int:
    return 1 + max((int(match[1]) for name in shapes if (match := re.match(pattern, name))), default=-1)
