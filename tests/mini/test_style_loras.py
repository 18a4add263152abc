"""Mini's style LoRAs: the looks, a few steps of training on a tiny model, the two layouts, the manifest's table."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from studio.mini import config, export, stages, style_loras
from studio.mini.data import scene_number
from studio.mini.drawings import render
from studio.mini.style_figures import colours, left, merged, moved
from studio.mini.style_loras import Branches, list_files, trained_layers
from studio.mini.styles import STYLES
from studio.mini.tokenizer import sample_captions, train_tokenizer
from studio.mini.training import Budget, freeze
from studio.mini.vae import start_from_principal_components
from studio.mini.workshop import Workshop


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    """A tiny training run that has everything the stage reads, with random weights."""
    shop = Workshop(
        tmp_path / "state", tmp_path / "model", config.choose_compute("cpu"), config.TINY, scenes=(4, 4, 4), batch=4
    )
    torch.manual_seed(0)
    vae = config.make_vae(shop.arch)
    start_from_principal_components(vae, shop.arch, count=6)
    tokenizer = train_tokenizer(sample_captions(40), shop.state / "tokenizer", max_tokens=shop.arch.max_tokens)
    export.keep_part(vae, shop.state / "vae")
    export.keep_part(config.make_unet(shop.arch), shop.state / "unet")
    export.keep_part(config.make_text_encoder(shop.arch, len(tokenizer)), shop.state / "text_encoder")
    return shop


def test_training_moves_the_picture_and_writes_both_layouts(shop: Workshop) -> None:
    stages.TRAIN["style_loras"](shop, Budget(steps=2))
    shapes = dict(trained_layers(shop.unet()))
    kohya = load_file(shop.state / "lora" / "ink_wash.safetensors")
    diffusers = load_file(shop.state / "lora" / "night_glow.safetensors")
    assert len(kohya) == 3 * len(shapes) and len(diffusers) == 2 * len(shapes)
    for path, layer in shapes.items():
        name = "lora_unet_" + path.replace(".", "_")
        pairs = (
            (kohya[f"{name}.lora_down.weight"], kohya[f"{name}.lora_up.weight"]),
            (diffusers[f"unet.{path}.lora_A.weight"], diffusers[f"unet.{path}.lora_B.weight"]),
        )
        for down, up in pairs:
            assert down.dtype == torch.float16 and down.shape[0] == up.shape[1] == style_loras.RANK
            assert up.flatten(1).shape[0] * down.flatten(1).shape[1] == layer.weight.numel()
            alone = path.startswith("mid_block") and path.endswith(("attn1.to_q", "attn1.to_k"))
            assert alone or up.abs().sum() > 0, "B starts at zero: a step has moved it; one cell cannot choose"
    with safe_open(shop.state / "lora" / "ink_wash.safetensors", "pt") as file:
        assert file.metadata()["modelspec.trigger_phrase"] == "ink wash"
    assert not list(shop.state.glob("style_*.pt")), "a finished run leaves no checkpoint"


def test_a_killed_run_goes_on(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(style_loras, "save_lora", killed)
    with pytest.raises(KeyboardInterrupt):
        stages.TRAIN["style_loras"](shop, Budget(steps=1))
    assert (shop.state / "style_ink_wash.pt").exists()
    monkeypatch.undo()
    stages.TRAIN["style_loras"](shop, Budget(steps=1))
    assert sorted(file.name for file in (shop.state / "lora").iterdir()) == [
        "ink_wash.safetensors", "night_glow.safetensors",
    ]  # fmt: skip


def test_fresh_branches_change_nothing_and_trained_ones_equal_the_merged_weight() -> None:
    torch.manual_seed(0)
    unet = config.make_unet(config.TINY)
    freeze([unet])
    inputs = torch.randn(1, 16, 4, 4), torch.tensor([500]), torch.randn(1, 7, 16)
    plain = unet(*inputs).sample
    branches = Branches(unet)
    branches.attach(unet)
    assert torch.equal(unet(*inputs).sample, plain)
    for branch in branches.values():
        torch.nn.init.normal_(branch.up.weight, std=0.3)
    beside = unet(*inputs).sample
    merged = config.make_unet(config.TINY)
    merged.load_state_dict(unet.state_dict())
    with torch.no_grad():
        for path, layer in trained_layers(merged):
            branch = branches[path.replace(".", "_")]
            layer.weight += (branch.up.weight.flatten(1) @ branch.down.weight.flatten(1)).view_as(layer.weight)
        assert torch.allclose(merged(*inputs).sample, beside, atol=1e-5)
    assert not torch.allclose(beside, plain, atol=1e-2)


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_a_look_is_far_from_the_drawing_and_the_same_each_time(style: object) -> None:
    picture = render(scene_number(3, 2), 128).image
    painted = style.paint(picture)  # type: ignore[attr-defined]
    assert painted.shape == picture.shape and painted.dtype == np.uint8
    assert np.array_equal(painted, style.paint(picture))  # type: ignore[attr-defined]
    assert np.abs(painted.astype(int) - picture.astype(int)).mean() > 25


def test_the_ink_wash_has_no_hue_of_the_drawing() -> None:
    red, green = (np.full((64, 64, 3), colour, np.uint8) for colour in ((120, 10, 10), (10, 71, 10)))
    paint = STYLES[0].paint
    assert np.abs(paint(red).astype(int) - paint(green).astype(int)).max() <= 4


def test_the_manifest_lists_what_was_trained(tmp_path: Path) -> None:
    manifest = tmp_path / "plugin.toml"
    manifest.write_text('id = "lora"\n\n[[files]]\npath = "mini/old.safetensors"\nbytes = 1\nsha256 = "0"\n')
    file = tmp_path / "mini" / "new.safetensors"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    list_files(manifest, [file])
    text = manifest.read_text()
    assert text.startswith('id = "lora"\n') and "old" not in text and "bytes = 7" in text
    assert hashlib.sha256(b"weights").hexdigest() in text


def test_figures_say_how_far_a_picture_has_gone() -> None:
    rng = np.random.default_rng(0)
    plain = [rng.integers(0, 256, (16, 16, 3)).astype(np.uint8) for _ in range(3)]
    goal = [STYLES[0].paint(picture) for picture in plain]
    half = [((a.astype(int) + b) // 2).astype(np.uint8) for a, b in zip(plain, goal, strict=True)]
    start, middle, end = (colours(pictures) for pictures in (plain, half, goal))
    assert moved(start, start, end) == 0 and left(start, start, end) == 1
    assert moved(start, end, end) == pytest.approx(1) and left(start, end, end) == 0
    assert 0.3 < moved(start, middle, end) < 0.7 and 0.3 < left(start, middle, end) < 0.7
    assert moved(start, 2 * start - end, end) == pytest.approx(-1)


def test_a_file_is_merged_as_it_was_trained_and_taken_back(shop: Workshop) -> None:
    stages.TRAIN["style_loras"](shop, Budget(steps=3))
    unet = shop.unet()
    inputs = torch.randn(1, 16, 4, 4), torch.tensor([500]), torch.randn(1, 7, 16)
    plain = unet(*inputs).sample
    for style in STYLES:
        with merged(unet, shop.state / "lora" / f"{style.name}.safetensors", 1.0):
            assert not torch.equal(unet(*inputs).sample, plain)
        assert torch.equal(unet(*inputs).sample, plain)
