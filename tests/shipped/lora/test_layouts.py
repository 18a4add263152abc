"""Every layout of a LoRA file against the formula and against diffusers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from studio.api import Denoiser
from tests.shipped.lora.makers import (
    ATTENTION,
    CONV,
    CROSS,
    ONE,
    TEXT,
    fresh,
    kohya,
    pair,
    product_of,
    same,
    state,
    use,
)


@pytest.mark.parametrize("path", [ATTENTION, CROSS, CONV, ONE, "conv_in", "time_embedding.linear_1"])
@pytest.mark.parametrize("weight", [1.0, -0.5])
def test_kohya_changes_a_layer_by_the_formula_and_back_to_the_bit(
    plugin: ModuleType, model: Denoiser, tmp_path: Path, path: str, weight: float
) -> None:
    tensors, product = kohya(model, path)
    save_file(tensors, tmp_path / "a.safetensors")
    before, layer = state(model), model.unet.get_submodule(path)
    kept, original = layer.weight, layer.weight.clone()
    with plugin.LoraAdapter().attach(model, use(tmp_path / "a.safetensors", weight=weight)) as steering:
        assert torch.allclose(layer.weight, original + weight * product, atol=1e-7)
        changed = [key for key, value in state(model).items() if not torch.equal(value, before[key])]
        assert changed == [f"unet.{path}.weight"] and steering.notes == ()
    assert layer.weight is kept and same(before, state(model))


def test_every_layout_of_the_same_numbers_gives_the_same_weights(
    plugin: ModuleType, model: Denoiser, tmp_path: Path
) -> None:
    layer, text = model.unet.get_submodule(ATTENTION), model.text_encoders[0].get_submodule(TEXT)
    (down, up), (text_down, text_up) = pair(layer), pair(text, seed=1)
    head, last = ATTENTION.rsplit(".", 1)
    names = {
        "kohya": ("lora_unet_" + ATTENTION.replace(".", "_"), ".lora_down.weight", ".lora_up.weight"),
        "peft": (f"unet.{ATTENTION}", ".lora_A.weight", ".lora_B.weight"),
        "raw peft": (f"base_model.model.{ATTENTION}", ".lora_A.weight", ".lora_B.weight"),
        "bare": (ATTENTION, ".lora.down.weight", ".lora.up.weight"),
        "diffusers": (f"unet.{ATTENTION}", ".lora.down.weight", ".lora.up.weight"),
        "processor": (f"unet.{head}.processor.{last}", "_lora.down.weight", "_lora.up.weight"),
        "original": ("lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q", ".lora_down.weight", ".lora_up.weight"),
        "dotted original": ("diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q", ".lora_A.weight", ".lora_B.weight"),
    }  # fmt: skip
    texts = {
        "kohya": ("lora_te_text_model_" + TEXT.replace(".", "_"), ".lora_down.weight", ".lora_up.weight"),
        "kohya, first": ("lora_te1_text_model_" + TEXT.replace(".", "_"), ".lora_down.weight", ".lora_up.weight"),
        "peft": (f"text_encoder.text_model.{TEXT}", ".lora_A.weight", ".lora_B.weight"),
        "linear layer": (f"text_encoder.text_model.{TEXT}", ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"),
        "processor": ("text_encoder.text_model.encoder.layers.0.self_attn.to_q", "_lora.down.weight", "_lora.up.weight"),
    }  # fmt: skip
    wanted, wanted_text = layer.weight + product_of(down, up, layer), text.weight + product_of(text_down, text_up, text)
    file = tmp_path / "a.safetensors"
    for name, down_end, up_end in names.values():
        save_file({name + down_end: down, name + up_end: up}, file)
        with plugin.LoraAdapter().attach(model, use(file)):
            assert torch.allclose(layer.weight, wanted, atol=1e-7), name
    for name, down_end, up_end in texts.values():
        save_file({name + down_end: text_down, name + up_end: text_up}, file)
        with plugin.LoraAdapter().attach(model, use(file)):
            assert torch.allclose(text.weight, wanted_text, atol=1e-7), name


def test_words_may_have_their_own_strength(plugin: ModuleType, model: Denoiser, tmp_path: Path) -> None:
    text = model.text_encoders[0].get_submodule(TEXT)
    tensors, product = kohya(model, ATTENTION)
    down, up = pair(text)
    name = "lora_te_text_model_" + TEXT.replace(".", "_")
    save_file(tensors | {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}, tmp_path / "a.safetensors")
    plain, plain_text = model.unet.get_submodule(ATTENTION).weight.clone(), text.weight.clone()
    adapter = plugin.LoraAdapter()
    for values, image, words in (
        ({"weight": 0.5}, 0.5, 0.5),
        ({"weight": 0.5, "separate": True, "text_weight": 2.0}, 0.5, 2.0),
        ({"weight": 0.0, "separate": True, "text_weight": 1.0}, 0.0, 1.0),
        ({"weight": 1.0, "separate": True, "text_weight": 0.0}, 1.0, 0.0),
        ({"weight": 0.0}, 0.0, 0.0),
    ):
        with adapter.attach(model, use(tmp_path / "a.safetensors", **values)):
            changed = model.unet.get_submodule(ATTENTION).weight
            assert torch.allclose(changed, plain + image * product, atol=1e-7)
            assert torch.allclose(text.weight, plain_text + words * product_of(down, up, text), atol=1e-7)


def test_locon_with_a_core(plugin: ModuleType, model: Denoiser, tmp_path: Path) -> None:
    layer = model.unet.get_submodule(CONV)
    out, into = layer.weight.shape[:2]
    rng = torch.Generator().manual_seed(0)
    up, mid, down = (torch.randn(shape, generator=rng) for shape in ((out, 4, 1, 1), (4, 4, 3, 3), (4, into, 1, 1)))
    name = "lora_unet_" + CONV.replace(".", "_")
    tensors = {f"{name}.lora_{part}.weight": t for part, t in (("up", up), ("mid", mid), ("down", down))}
    save_file(tensors, tmp_path / "a.safetensors")
    inputs = torch.randn(1, into, 8, 8, generator=rng)
    through = torch.conv2d(torch.conv2d(torch.conv2d(inputs, down), mid, padding=1), up)
    plain = layer(inputs)
    with plugin.LoraAdapter().attach(model, use(tmp_path / "a.safetensors")):
        assert torch.allclose(layer(inputs), plain + through, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("path", [ATTENTION, CONV])
@pytest.mark.parametrize("layout", ["dora_scale", "dora_scale, by input", "magnitude"])
def test_dora_gives_the_weights_their_learnt_lengths(
    plugin: ModuleType, model: Denoiser, tmp_path: Path, path: str, layout: str
) -> None:
    tensors, product = kohya(model, path, alpha=4.0)
    layer, ending = model.unet.get_submodule(path), ".dora_scale"
    changed = layer.weight + product
    axis = 1 if "input" in layout else 0
    lengths = torch.rand(changed.shape[axis]) + 0.5
    shape = [-1 if i == axis else 1 for i in range(changed.ndim)]
    others = tuple(i for i in range(changed.ndim) if i != axis)
    wanted = changed * (lengths.view(shape) / changed.pow(2).sum(others, keepdim=True).sqrt())
    if layout == "magnitude":
        ending = ".lora_magnitude_vector.weight"
        tensors = {
            "unet." + path + {"n": ".lora_A.weight", "p": ".lora_B.weight"}[key.removesuffix(".weight")[-1]]: value
            for key, value in tensors.items() if key.endswith(".weight")
        }  # fmt: skip
        shape = [1, -1, 1, 1] if changed.ndim == 4 else [-1]
    name = "unet." + path if layout == "magnitude" else "lora_unet_" + path.replace(".", "_")
    save_file(tensors | {name + ending: lengths.view(shape)}, tmp_path / "a.safetensors")
    with plugin.LoraAdapter().attach(model, use(tmp_path / "a.safetensors")):
        assert torch.allclose(layer.weight, wanted, atol=1e-6)


def test_scales_of_diffusers_metadata(plugin: ModuleType, model: Denoiser, tmp_path: Path) -> None:
    down, up = pair(model.unet.get_submodule(ATTENTION))
    tensors = {f"unet.{ATTENTION}.lora_A.weight": down, f"unet.{ATTENTION}.lora_B.weight": up}
    layer, plain = model.unet.get_submodule(ATTENTION), model.unet.get_submodule(ATTENTION).weight.clone()
    for settings, scale in (
        ({"unet.r": 4, "unet.lora_alpha": 8}, 2.0),
        ({"unet.r": 4, "unet.lora_alpha": 8, "unet.use_rslora": True}, 4.0),
        ({"unet.r": 4, "unet.lora_alpha": 8, "unet.alpha_pattern": {"attn1.to_q": 2}}, 0.5),
        ("no mapping", 1.0),
    ):
        save_file(tensors, tmp_path / "a.safetensors", {"lora_adapter_metadata": json.dumps(settings)})
        with plugin.LoraAdapter().attach(model, use(tmp_path / "a.safetensors")):
            assert torch.allclose(layer.weight, plain + scale * product_of(down, up, layer), atol=1e-6), settings


@pytest.mark.parametrize("layout", ["kohya", "peft", "dora"])
def test_the_same_weights_as_diffusers(
    plugin: ModuleType, model: Denoiser, folder: Path, tmp_path: Path, layout: str
) -> None:
    pytest.importorskip("peft")
    from diffusers import StableDiffusionPipeline

    tensors: dict[str, Tensor] = {}
    for seed, (path, layer) in enumerate(model.unet.named_modules()):
        if path.endswith(("to_q", "to_k", "to_v", "to_out.0", "proj_in", "ff.net.2")):
            down, up = pair(layer, seed=seed)
            if layout == "kohya":
                name = "lora_unet_" + path.replace(".", "_")
                tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
                tensors[f"{name}.alpha"] = torch.tensor(2.0)
            else:
                tensors |= {f"unet.{path}.lora_A.weight": down, f"unet.{path}.lora_B.weight": up}
            if layout == "dora" and layer.weight.ndim == 2:
                tensors[f"unet.{path}.lora_magnitude_vector"] = torch.rand(layer.weight.shape[0]) + 0.5
    if layout == "dora":
        tensors = {key: value for key, value in tensors.items() if "proj_in" not in key}
    for seed, (path, layer) in enumerate(model.text_encoders[0].named_modules() if layout == "kohya" else ()):
        if path.endswith(("q_proj", "k_proj", "v_proj", "out_proj")):
            down, up = pair(layer, seed=seed + 1000)
            name = "lora_te_text_model_" + path.replace(".", "_")
            tensors |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
            tensors[f"{name}.alpha"] = torch.tensor(1.0)
    save_file(tensors, tmp_path / "a.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
        pipe.load_lora_weights(tmp_path, weight_name="a.safetensors")
        pipe.fuse_lora(lora_scale=0.6)
        pipe.unload_lora_weights()
    with plugin.LoraAdapter().attach(model, use(tmp_path / "a.safetensors", weight=0.6)) as steering:
        assert steering.notes == ()
        for ours, theirs in ((model.unet, pipe.unet), (model.text_encoders[0], pipe.text_encoder)):
            wanted = theirs.state_dict()
            assert ours.state_dict().keys() == wanted.keys()
            for key, value in ours.state_dict().items():
                assert torch.allclose(value, wanted[key], atol=2e-6), key
        assert any(not torch.equal(a, b) for a, b in zip(model.unet.parameters(), fresh(folder), strict=True))
