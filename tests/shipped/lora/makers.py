"""LoRA files and uses for the tests of the plugin "lora", by the formula. Knows torch and `studio.api`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.api import Denoiser, Use
from studio.core.paths import PROJECT

LORA = PROJECT / "plugins" / "lora"
ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
CROSS = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
CONV = "down_blocks.0.resnets.0.conv1"
ONE = "down_blocks.0.attentions.0.proj_in"
TEXT = "encoder.layers.0.self_attn.q_proj"


def use(file: Path | None, part: str = "lora", weight: float = 1.0, **values: Any) -> Use:
    files = {"file": file} if file else {}
    defaults = {"separate": False, "text_weight": 1.0, "token": "", "weight": weight}
    return Use(plugin="lora", part=part, folder=LORA, data=LORA, values=defaults | values, files=files, weight=weight)


def state(model: Denoiser) -> dict[str, Tensor]:
    networks = {"unet": model.unet, "text": model.text_encoders[0]}
    return {f"{name}.{key}": value.clone() for name, net in networks.items() for key, value in net.state_dict().items()}


def same(before: dict[str, Tensor], after: dict[str, Tensor]) -> bool:
    return before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)


def pair(layer: Any, rank: int = 4, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A and B of a LoRA for a layer."""
    rng = torch.Generator().manual_seed(seed)
    out, into, *kernel = layer.weight.shape
    down = torch.randn(rank, into, *kernel, generator=rng) * 0.1
    return down, torch.randn(out, rank, *(1 for _ in kernel), generator=rng) * 0.1


def product_of(down: Tensor, up: Tensor, layer: Any) -> Tensor:
    return (up.flatten(1) @ down.flatten(1)).view_as(layer.weight)


def kohya(model: Denoiser, path: str, alpha: float | None = 2.0) -> tuple[dict[str, Tensor], Tensor]:
    layer = model.unet.get_submodule(path)
    down, up = pair(layer)
    name = "lora_unet_" + path.replace(".", "_")
    tensors = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
    if alpha is not None:
        tensors[f"{name}.alpha"] = torch.tensor(alpha)
    return tensors, product_of(down, up, layer) * (1.0 if alpha is None else alpha / 4)


def fresh(folder: Path) -> Iterator[Tensor]:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False).parameters()


def fails(plugin: ModuleType, model: Denoiser, file: Path, kind: type[Exception], part: str = "lora") -> str:
    """The sentence of the refusal, and nothing of the model was touched."""
    before = state(model)
    adapter = plugin.LoraAdapter() if part == "lora" else plugin.EmbeddingAdapter()
    with pytest.raises(kind) as caught, adapter.attach(model, use(file, part)):
        pass
    assert same(before, state(model))
    return str(caught.value)
