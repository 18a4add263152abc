"""What does not fit is refused in words before it is loaded; what fits in part says so."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from studio.api import BadRecipe, Denoiser, ModelMissing
from tests.shipped.lora.makers import (
    ATTENTION,
    CROSS,
    fails,
    kohya,
    use,
)


@pytest.mark.parametrize(
    ("width", "family"), [(768, "Stable Diffusion 1.x"), (1024, "2.x"), (2048, "SDXL"), (192, "Studio Mini")]
)
def test_another_family_is_refused_before_loading(
    plugin: ModuleType, model: Denoiser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, family: str
) -> None:
    monkeypatch.setattr(sys.modules["lora_under_test.lora"], "safe_open", None)  # loading would fail
    name = "lora_unet_" + CROSS.replace(".", "_")
    save_file(
        {f"{name}.lora_down.weight": torch.zeros(4, width), f"{name}.lora_up.weight": torch.zeros(16, 4)},
        tmp_path / "style.safetensors",
    )
    sentence = fails(plugin, model, tmp_path / "style.safetensors", BadRecipe)
    assert "style.safetensors" in sentence and family in sentence and "sd1" in sentence


def test_files_that_are_something_else_are_refused_in_words(
    plugin: ModuleType, model: Denoiser, tmp_path: Path
) -> None:
    file, tensors = tmp_path / "a.safetensors", kohya(model, ATTENTION)[0]
    zeros, name = torch.zeros(4, 4), "lora_unet_" + ATTENTION.replace(".", "_")
    cases: list[tuple[dict[str, Tensor], type[Exception], str]] = [
        ({"lora_te2_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": zeros,
          "lora_te2_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight": zeros.clone()}, BadRecipe, "SDXL"),
        ({"transformer.blocks.0.attn.to_q.lora_A.weight": zeros}, BadRecipe, "Flux"),
        ({f"{name}.hada_w1_a": zeros}, BadRecipe, "LoHa"),
        ({f"{name}.lokr_w1": zeros}, BadRecipe, "LoKr"),
        ({"emb_params": zeros}, BadRecipe, "textual inversion"),
        ({"weight": zeros}, BadRecipe, "not a LoRA"),
        ({key: t for key, t in tensors.items() if "up" not in key}, ModelMissing, "incomplete"),
        ({f"{name}.lora_down.weight": torch.zeros(4, 99), f"{name}.lora_up.weight": torch.zeros(16, 4)}, BadRecipe,
         "other sizes"),
        ({key.replace("down_blocks_0", "down_blocks_7"): t for key, t in tensors.items()}, BadRecipe,
         "None of the 1 layers"),
        ({key: t * torch.nan for key, t in tensors.items()}, ModelMissing, "damaged"),
    ]  # fmt: skip
    for content, kind, words in cases:
        save_file(content, file)
        assert words in fails(plugin, model, file, kind), words
    save_file(tensors, file)
    whole = file.read_bytes()
    for broken in (b"", whole[:4], whole[:-1], b"<html>not found</html>", b"\xff" * 64):
        file.write_bytes(broken)
        assert "a.safetensors" in fails(plugin, model, file, ModelMissing)
    with pytest.raises(BadRecipe, match="names no file"), plugin.LoraAdapter().attach(model, use(None)):
        pass


def test_a_file_that_fits_in_part_says_how_much_was_used(plugin: ModuleType, model: Denoiser, tmp_path: Path) -> None:
    tensors, product = kohya(model, ATTENTION)
    tensors |= {key.replace("down_blocks_0", "down_blocks_7"): t.clone() for key, t in tensors.items()}
    save_file(tensors, tmp_path / "a.safetensors")
    layer, plain = model.unet.get_submodule(ATTENTION), model.unet.get_submodule(ATTENTION).weight.clone()
    with plugin.LoraAdapter().attach(model, use(tmp_path / "a.safetensors")) as steering:
        assert "Of 2 layers in “a.safetensors”, 1 were used" in steering.notes[0]
        assert torch.allclose(layer.weight, plain + product, atol=1e-7)


def test_a_changed_file_is_read_again_and_few_are_kept(plugin: ModuleType, model: Denoiser, tmp_path: Path) -> None:
    adapter, layer = plugin.LoraAdapter(), model.unet.get_submodule(ATTENTION)
    tensors, product = kohya(model, ATTENTION)
    plain = layer.weight.clone()
    for i in range(6):
        save_file(tensors, tmp_path / f"{i}.safetensors")
        with adapter.attach(model, use(tmp_path / f"{i}.safetensors")):
            pass
    assert len(adapter._kept) == 4
    name = next(key for key in tensors if key.endswith("alpha"))
    save_file(tensors | {name: torch.tensor(4.0), "x.alpha": torch.tensor(1.0)}, tmp_path / "5.safetensors")
    with adapter.attach(model, use(tmp_path / "5.safetensors")):
        assert torch.allclose(layer.weight, plain + 2 * product, atol=1e-7)


def test_tensors_of_another_kind_among_a_loras_are_told(plugin: ModuleType, model: Denoiser, tmp_path: Path) -> None:
    """LyCORIS files mix kinds: norms beside LoCons, say. What is left out may be what the artist misses."""
    tensors, _ = kohya(model, ATTENTION)
    strange = "lora_unet_down_blocks_0_attentions_0_norm.w_norm"
    save_file(tensors | {strange: torch.zeros(16)}, tmp_path / "a.safetensors")
    with plugin.LoraAdapter().attach(model, use(tmp_path / "a.safetensors")) as steering:
        said = f"“a.safetensors” also holds tensors of a kind that is not used here: 1, such as {strange}."
        assert steering.notes == (said,)
