"""LoRAs are put back to the bit: after several, after an exception, in half precision."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from studio.api import Denoiser
from studio.engine.diffusion.snapshot import Snapshot
from tests.shipped.lora.makers import (
    ATTENTION,
    CONV,
    kohya,
    product_of,
    same,
    state,
    use,
)


def test_several_stack_in_order_and_leave_in_any(plugin: ModuleType, model: Denoiser, tmp_path: Path) -> None:
    layer, kept = model.unet.get_submodule(ATTENTION), model.unet.get_submodule(ATTENTION).weight
    original = kept.clone()
    tensors, product = kohya(model, ATTENTION)
    save_file(tensors, tmp_path / "a.safetensors")
    adapter, first, both = plugin.LoraAdapter(), ExitStack(), ExitStack()
    first.enter_context(adapter.attach(model, use(tmp_path / "a.safetensors", weight=1.0)))
    alone = layer.weight.clone()
    both.enter_context(adapter.attach(model, use(tmp_path / "a.safetensors", weight=0.25)))
    assert torch.allclose(layer.weight, original + 1.25 * product, atol=1e-6)
    both.close()
    assert torch.equal(layer.weight, alone)
    both.enter_context(adapter.attach(model, use(tmp_path / "a.safetensors", weight=0.25)))
    first.close()
    assert torch.allclose(layer.weight, original + 0.25 * product, atol=1e-7)
    both.close()
    assert torch.equal(layer.weight, original) and layer.weight is kept


@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_within_leaves_nothing_behind(
    plugin: ModuleType, model: Denoiser, tmp_path: Path, kind: type[BaseException]
) -> None:
    save_file(kohya(model, CONV)[0], tmp_path / "a.safetensors")
    before = state(model)
    with pytest.raises(kind), plugin.LoraAdapter().attach(model, use(tmp_path / "a.safetensors")):
        raise kind
    assert same(before, state(model))


def test_a_failure_while_attaching_leaves_nothing_behind(
    plugin: ModuleType, model: Denoiser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file(kohya(model, ATTENTION)[0] | kohya(model, CONV)[0], tmp_path / "a.safetensors")
    before, change = state(model), sys.modules["lora_under_test.change"].Change
    true_apply: Callable[..., Tensor] = change.apply

    def fails_on_convolutions(self: Any, weight: Tensor, strength: float) -> Tensor:
        if weight.ndim == 4:
            raise torch.OutOfMemoryError
        return true_apply(self, weight, strength)

    monkeypatch.setattr(change, "apply", fails_on_convolutions)
    with pytest.raises(torch.OutOfMemoryError), plugin.LoraAdapter().attach(model, use(tmp_path / "a.safetensors")):
        pass
    assert same(before, state(model))


def test_half_precision_models_are_changed_in_float32_and_rounded_once(
    plugin: ModuleType, model: Denoiser, tmp_path: Path
) -> None:
    tensors, _ = kohya(model, CONV)
    save_file({key: value.to(torch.bfloat16) for key, value in tensors.items()}, tmp_path / "a.safetensors")
    layer = model.unet.half().get_submodule(CONV)
    layer.weight.data = layer.weight.data.to(memory_format=torch.channels_last)
    name = "lora_unet_" + CONV.replace(".", "_")
    down, up = (tensors[f"{name}.{part}.weight"].bfloat16().float() for part in ("lora_down", "lora_up"))
    original = layer.weight.clone()
    wanted = (layer.weight.float() + 0.7 * 0.5 * product_of(down, up, layer)).half()
    with plugin.LoraAdapter().attach(model, use(tmp_path / "a.safetensors", weight=0.7)):
        assert layer.weight.dtype == torch.float16 and layer.weight.is_contiguous(memory_format=torch.channels_last)
        assert (layer.weight.float() - wanted.float()).abs().max() <= 2**-12, "one unit in the last place"
        with plugin.LoraAdapter().attach(model, use(tmp_path / "a.safetensors", weight=-0.7)):
            assert torch.equal(layer.weight, original), "both at once are nothing, but for rounding in float32"


def test_the_engine_finds_nothing_changed_after_each_of_several(
    plugin: ModuleType, model: Denoiser, tmp_path: Path
) -> None:
    """Each adapter is held to leaving what it found: the same parameter objects, in the same place, to the bit."""
    save_file(kohya(model, ATTENTION)[0] | kohya(model, CONV)[0], tmp_path / "a.safetensors")
    save_file({"<toy>": torch.ones(2, 16)}, tmp_path / "b.safetensors")
    lora, word, stack = plugin.LoraAdapter(), plugin.EmbeddingAdapter(), ExitStack()
    seen: list[str] = []
    for adapter, name, part in (
        (lora, "a", "lora"),
        (word, "b", "embedding"),
        (lora, "a", "lora"),
        (word, "b", "embedding"),
    ):
        before = Snapshot((model.unet, *model.text_encoders), model.tokenizers)
        stack.callback(lambda before=before: seen.append(before.changes()))
        stack.enter_context(adapter.attach(model, use(tmp_path / f"{name}.safetensors", part, token=f"<{len(seen)}>")))
        assert before.changes(), "it does something"
    stack.close()
    assert seen == [""] * 4
