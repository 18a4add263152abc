"""The published checkpoint's names for the local adapter (latent diffusion's) to ours (diffusers'), told by pattern.

Published: one file with `local_adapter.` and `global_adapter.` among the names of a whole Stable Diffusion 1.5. Knows
names and shapes only; no torch, no files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

Shapes = Mapping[str, tuple[int, ...]]
LOCAL, GLOBAL = "local_adapter.", "global_adapter."
PUBLISHED = ("canny", "mlsd", "hed", "line", "pose", "depth", "seg")
"""The seven conditions in the order in which the published local adapter stacks them; its fourth is the sketch."""

_RESNET = {
    "norm_in": "norm1",
    "norm_out": "norm2",
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_MIDDLE = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}
_PLAIN = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "middle_block_out.0": "mid_zero_conv",
}


def part(names: Mapping[str, object], prefix: str) -> dict[str, str]:
    """Names in a file -> names without the prefix, for the tensors of one adapter; all of them if none has it."""
    prefixed = {name: name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    return prefixed or {name: name for name in names if not name.startswith(_OTHERS)}


_OTHERS = (LOCAL, GLOBAL, "model.", "cond_stage_model.", "first_stage_model.", "betas", "alphas", "sqrt_", "log_")


def is_published(names: Mapping[str, object]) -> bool:
    """Whether these names are latent diffusion's."""
    return any(name.removeprefix(LOCAL).startswith("input_blocks.") for name in names)


def our_name(name: str, layers: int) -> str:
    """Our name of a published local adapter's tensor; `layers`: residual blocks to each level of the UNet."""
    for published, ours in _PLAIN.items():
        if name.startswith(published + "."):
            return ours + name.removeprefix(published)
    if match := re.fullmatch(r"zero_convs\.(\d+)\.0\.(\w+)", name):
        return f"zero_convs.{match[1]}.{match[2]}"
    if match := re.fullmatch(r"middle_block\.([012])\.(.+)", name):
        inner = match[2] if match[1] == "1" else _resnet(match[2])
        return f"mid_block.{_MIDDLE[match[1]]}.{inner}"
    if match := re.fullmatch(r"input_blocks\.(\d+)\.([01])\.(.+)", name):
        return _input_block(int(match[1]), match[2], match[3], layers)
    return name  # the feature extractor


def _input_block(number: int, place: str, rest: str, layers: int) -> str:
    level, row = divmod(number - 1, layers + 1)
    if row == layers:
        return f"down_blocks.{level}.downsamplers.0.{re.sub('^op', 'conv', rest)}"
    kind, inner = ("attentions", rest) if place == "1" else ("resnets", _resnet(rest))
    return f"down_blocks.{level}.{kind}.{row}.{inner}"


def _resnet(rest: str) -> str:
    for published, ours in _RESNET.items():
        if rest.startswith(published + "."):
            return ours + rest.removeprefix(published)
    return rest
