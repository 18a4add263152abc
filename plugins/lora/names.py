"""How LoRA files name their tensors, and which layer of a model each name means. Knows names, not numbers.

Every name is brought to one form: which network, and the layer's path with underscores instead of dots. That is
kohya's own form; since the wanted names are made from the model at hand, nothing has to be guessed back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Network = Literal["unet", "text", "text_2"]
Role = Literal["down", "up", "mid", "alpha", "magnitude", "dora_scale"]


@dataclass(frozen=True, slots=True)
class Name:
    """What a key of a file says: the network, the layer's path with underscores, and the tensor's role in it."""

    network: Network
    layer: str
    role: Role


_ROLES: tuple[tuple[str, Role], ...] = (
    (".lora_down.weight", "down"),  # kohya
    (".lora_up.weight", "up"),
    (".lora_mid.weight", "mid"),  # LoCon with a Tucker core
    (".alpha", "alpha"),
    (".dora_scale", "dora_scale"),
    (".lora_A.weight", "down"),  # peft, and diffusers since 0.26
    (".lora_B.weight", "up"),
    (".lora_A.default.weight", "down"),
    (".lora_B.default.weight", "up"),
    (".lora_magnitude_vector", "magnitude"),
    (".lora_magnitude_vector.weight", "magnitude"),
    (".lora_magnitude_vector.default.weight", "magnitude"),
    (".lora_linear_layer.down.weight", "down"),  # diffusers' text encoders before peft
    (".lora_linear_layer.up.weight", "up"),
    (".lora.down.weight", "down"),
    (".lora.up.weight", "up"),
    ("_lora.down.weight", "down"),  # diffusers' attention processors
    ("_lora.up.weight", "up"),
)

_PREFIXES: tuple[tuple[str, Network], ...] = (
    ("lora_unet_", "unet"),
    ("lora_te1_", "text"),
    ("lora_te2_", "text_2"),
    ("lora_te_", "text"),
    ("unet.", "unet"),
    ("text_encoder_2.", "text_2"),
    ("text_encoder.", "text"),
    ("model.diffusion_model.", "unet"),
    ("diffusion_model.", "unet"),
)
_BEGINNINGS: tuple[tuple[str, Network], ...] = (
    ("text_model.", "text"),
    ("encoder.layers.", "text"),
    *((block, "unet") for block in ("down_blocks.", "mid_block.", "up_blocks.", "conv_", "time_embed")),
    *((block, "unet") for block in ("input_blocks.", "middle_block.", "output_blocks.")),
)


def read_name(key: str) -> Name | None:
    """What a key says, or None for one that belongs to no LoRA layout known here."""
    key = key.removeprefix("base_model.model.")
    for ending, role in _ROLES:
        if key.endswith(ending):
            path = key[: -len(ending)]
            return _named(_layer_path(path) if ending.startswith("_") else path, role)
    return None


def _named(path: str, role: Role) -> Name | None:
    for prefix, network in _PREFIXES:
        if path.startswith(prefix):
            return Name(network, _flat(network, path[len(prefix) :]), role)
    for beginning, network in _BEGINNINGS:
        if path.startswith(beginning):
            return Name(network, _flat(network, path), role)
    return None


def _flat(network: Network, path: str) -> str:
    """A path with underscores; text encoders lose the outer name that only some classes have."""
    flat = path.replace(".", "_")
    return flat if network == "unet" else flat.removeprefix("text_model_")


def _layer_path(path: str) -> str:
    """Of an attention processor's `...attn1.processor.to_q`, or a text encoder's `...self_attn.to_q`, its layer."""
    path = path.replace(".processor.", ".")
    if ".self_attn." in path:
        head, last = path.rsplit(".", 1)
        return f"{head}.{last.removeprefix('to_')}_proj"
    return re.sub(r"\.to_out$", ".to_out.0", path)


def layer_names(network: Network, module: Any) -> Iterator[tuple[str, Any]]:  # Any: the libraries' classes
    """Every name by which a file may call a layer of a network, and the layer. Only layers with a weight matrix."""
    for path, layer in module.named_modules():
        weight = getattr(layer, "weight", None)
        if weight is None or weight.ndim not in (2, 4) or type(layer).__name__ == "Embedding":
            continue
        yield _flat(network, path), layer
        if network == "unet":
            for other in original_names(path, module.config.layers_per_block):
                yield other, layer


_ORIGINAL = {
    "conv_in": "input_blocks_0_0",
    "conv_out": "out_2",
    "time_embedding.linear_1": "time_embed_0",
    "time_embedding.linear_2": "time_embed_2",
    "add_embedding.linear_1": "label_emb_0_0",
    "add_embedding.linear_2": "label_emb_0_2",
}
_RESNET = {
    "conv1": "in_layers_2",
    "conv2": "out_layers_3",
    "time_emb_proj": "emb_layers_1",
    "conv_shortcut": "skip_connection",
}
_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)\.(.+)")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)")


def original_names(path: str, layers: Any) -> tuple[str, ...]:  # Any: a number, or one for each block
    """What the original Stable Diffusion code calls a layer of diffusers' UNet: kohya names SDXL's layers so."""
    if path in _ORIGINAL:
        return (_ORIGINAL[path],)
    if middle := _MIDDLE.fullmatch(path):
        place = 1 if middle[1] == "attentions" else 2 * int(middle[2])
        return (f"middle_block_{place}_{_inner(middle[1], middle[3])}",)
    block = _BLOCK.fullmatch(path)
    if block is None or not isinstance(layers, int):
        return ()
    side, level, part, index, rest = block[1], int(block[2]), block[3], int(block[4]), block[5]
    first = level * (layers + 1)
    if part == "downsamplers":
        return (f"input_blocks_{first + layers + 1}_0_op",)
    if part == "upsamplers":  # last in its block: behind an attention or not
        return tuple(f"output_blocks_{first + layers}_{place}_conv" for place in (1, 2))
    place = 1 if part == "attentions" else 0
    number = 1 + first + index if side == "down" else first + index
    return (f"{'input' if side == 'down' else 'output'}_blocks_{number}_{place}_{_inner(part, rest)}",)


def _inner(part: str, rest: str) -> str:
    return _RESNET.get(rest, rest) if part == "resnets" else rest.replace(".", "_")
