"""Union ControlNets (xinsir's ControlNet++): one network for many kinds of maps, told which kind it is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.core.choices import ControlKind
from studio.core.control_nets import UNION_TYPES
from studio.core.errors import ModelMissing
from studio.core.weights import WeightHeader
from studio.engine import checkpoints
from studio.engine.diffusion.parts import load_part, ready

_TASKS = "task_embedding"
_ADD = "control_add_embedding.linear_1.weight"


def is_union(header: WeightHeader) -> bool:
    """Whether a ControlNet is told which kind of map it reads."""
    return _TASKS in header.shapes and _ADD in header.shapes


def union_class() -> Any:
    from diffusers.models.controlnets.controlnet_union import ControlNetUnionModel

    return ControlNetUnionModel


def load_union(place: Path, dtype: torch.dtype) -> Any:
    """The union ControlNet in a folder with its config.json, or in one file with diffusers' key names.

    A file says by its shapes how many kinds it knows; all else of it is as SDXL's. Raises `ModelMissing`.
    """
    if place.is_dir():
        return load_part(union_class(), place.parent, place.name, dtype)
    from safetensors.torch import load_file

    tensors = {name: tensor.to(dtype) for name, tensor in load_file(place).items()}
    config = json.loads((checkpoints.CONFIGS / "sdxl" / "controlnet" / "config.json").read_text("utf-8"))
    dims = int(config["addition_time_embed_dim"])
    if _ADD not in tensors or tensors[_ADD].shape[1] % dims:
        raise ModelMissing(f"“{place.name}” is built unlike the unions the studio knows.", "Choose another one.")
    config["num_control_type"] = tensors[_ADD].shape[1] // dims
    network = union_class().from_config(config).to(dtype)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelMissing(
            f"“{place.name}” is built unlike the unions the studio knows.", "Choose another one.", str(error)[:1000]
        ) from error
    return ready(network)


def control_type(controlnet: Any, name: str, kind: ControlKind) -> int | None:
    """Which of a union's inputs reads a kind; None for a network that is no union. Raises `ModelMissing`."""
    known = getattr(controlnet.config, "num_control_type", None)
    if known is None:
        return None
    number = UNION_TYPES.get(kind)
    if number is None or number >= known:
        raise ModelMissing(
            f"The union “{name}” does not read {kind} layers.", "Choose a ControlNet made for them, or another kind."
        )
    return number


def told(controlnet: Any, number: int, like: Tensor) -> dict[str, Any]:
    """What a union is told beside its map: (batch, kinds) with 1 at the kind that it reads."""
    kinds = torch.zeros((like.shape[0], controlnet.config.num_control_type), dtype=like.dtype, device=like.device)
    kinds[:, number] = 1
    return {"control_type": kinds, "control_type_idx": [number]}
