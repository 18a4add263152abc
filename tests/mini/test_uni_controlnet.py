"""Mini's Uni-ControlNet: a few steps on a tiny model, what is trained is what the plugin runs, the maps are the same."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import nn

from plugins.uni_controlnet.adapters import Local, WholePicture
from plugins.uni_controlnet.pictures import color_blocks
from plugins.uni_controlnet.pictures import thumbnail as seen_by_the_plugin
from plugins.uni_controlnet.session import Sessions
from plugins.uni_controlnet.weights import Weights
from studio.api import Denoiser, Size, StepContext, Use
from studio.mini import config, export, stages, uni_controlnet, uni_figures
from studio.mini.classifier import encoded_scenes
from studio.mini.data import scene_number, thumbnail
from studio.mini.drawings import render
from studio.mini.text_to_image import fill_store
from studio.mini.tokenizer import sample_captions, train_tokenizer
from studio.mini.training import Budget
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
    fill_store(shop.store(), shop.vae(), shop.arch, shop.compute)
    return shop


def test_what_is_trained_is_what_the_plugin_runs(shop: Workshop, tmp_path: Path) -> None:
    stages.TRAIN["uni_controlnet"](shop, Budget(steps=3))
    folder = shop.state / "uni_controlnet"
    with safe_open(folder / "local.safetensors", "pt") as file:
        assert file.metadata()["conditions"] == "line,color"
        assert max(float(file.get_tensor(name).abs().max()) for name in file.keys() if "zero_conv" in name) > 0  # noqa: SIM118  # not a dict
    folder.rename(tmp_path / "mini")
    unet, size = shop.unet(), Size(width=64, height=64)
    denoiser = Denoiser(
        unet=unet, vae=shop.vae(), tokenizers=(), text_encoders=(), family="mini", model="mini",
        model_folder=tmp_path / "none", size=size, branches=2, device=torch.device("cpu"), dtype=torch.float32,
    )  # fmt: skip
    drawing = render(shop.store().scene(5), 64)
    lines = Image.fromarray(drawing.outline).convert("RGB")
    use = Use(
        plugin="uni_controlnet", part="line", folder=tmp_path, data=tmp_path / "data", images={"map": lines}, weight=0.5
    )
    weights = Weights()
    text, noisy = torch.randn(2, 77, 16), torch.randn(2, 16, 4, 4)
    step = StepContext(index=0, count=1, timestep=torch.tensor(500), model_input=noisy, text=text)
    with Local("line", weights, Sessions()).attach(denoiser, use) as steering:
        assert steering.residuals is not None
        given = steering.residuals(step)
    assert given is not None and given.mid is not None
    local = uni_controlnet.make_adapters(unet, 16)["local"]
    with safe_open(tmp_path / "mini" / "local.safetensors", "pt") as file:
        local.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})  # noqa: SIM118
    maps = torch.cat([stage_hint(drawing.outline), torch.zeros(1, 3, 64, 64)], dim=1)
    with torch.no_grad():
        local.condition(maps)
        down, middle = local(noisy, torch.tensor([500, 500]), text)
    assert torch.allclose(given.mid, middle * 0.5, atol=1e-6)
    assert all(torch.allclose(a, b * 0.5, atol=1e-6) for a, b in zip(given.down, down, strict=True))
    with WholePicture(weights, Sessions()).attach(denoiser, use) as steering:
        assert steering.text is not None and steering.text(text).shape == (2, 81, 16)


def stage_hint(outline: np.ndarray) -> torch.Tensor:  # type: ignore[type-arg]  # uint8 (height, width)
    return torch.from_numpy(outline.astype(np.float32) / 255.0)[None, None].repeat(1, 3, 1, 1)


def test_the_store_of_another_run_is_not_begun_anew(shop: Workshop) -> None:
    from dataclasses import replace

    store = encoded_scenes(replace(shop, scenes=(400, 400, 400)))
    assert store.done == 12 and store.total == 12


def test_the_copy_begins_as_the_unets_own_encoder() -> None:
    from diffusers import ControlNetModel

    torch.manual_seed(2)
    unet = config.make_unet(config.TINY)
    for block in unet.down_blocks:
        torch.nn.init.normal_(block.resnets[0].norm1.weight)
        torch.nn.init.normal_(block.resnets[0].norm2.bias)
    local = uni_controlnet.make_adapters(unet, 16)["local"]
    controlnet = ControlNetModel.from_unet(unet)
    for network in (local.zero_convs, controlnet.controlnet_down_blocks):
        for layer in network:
            nn.init.dirac_(layer.weight)
    latents, text = torch.randn(2, 16, 4, 4), torch.randn(2, 7, 16)
    times = torch.tensor([3, 900])
    with torch.no_grad():
        local.condition(torch.zeros(1, 6, 64, 64))  # zero maps through zero convolutions: no feature
        down, _ = local(latents, times, text)
        wanted, _ = controlnet(latents, times, text, controlnet_cond=torch.zeros(2, 3, 32, 32), return_dict=False)
    assert len(down) == len(wanted) == 6
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(down, wanted, strict=True))


def test_minis_two_files_stay_below_twelve_megabytes() -> None:
    with torch.device("meta"):
        unet = config.make_unet(config.MINI)
        parts = uni_controlnet.networks()
        design = parts.LocalDesign(uni_controlnet.CONDITIONS, uni_controlnet.BEFORE, uni_controlnet.INJECT)
        local = parts.LocalAdapter(design, parts.encoder_of(unet))
        width = config.MINI.text_width
        others = [parts.GlobalAdapter(width, 2 * width, 4, (width, width)), parts.PictureEncoder(width)]
    total = sum(value.numel() for network in (local, *others) for value in network.parameters())
    assert 2 * total < 12_000_000, f"{2 * total:,} bytes"


def test_conditions_are_kept_and_dropped_as_in_the_paper() -> None:
    kept = uni_controlnet.keep_and_drop(np.random.default_rng(0), 40_000, 3)
    assert abs(kept.all(axis=1).mean() - (0.1 + 0.8 / 8)) < 0.01
    assert abs((~kept).all(axis=1).mean() - (0.1 + 0.8 / 8)) < 0.01
    assert abs(kept.mean() - 0.5) < 0.01


def test_training_and_use_see_the_same_maps() -> None:
    picture = render(scene_number(7, 2), 256).image
    use = Use(plugin="uni_controlnet", part="color_blocks", folder=Path(), data=Path())
    ours = np.asarray(color_blocks(Image.fromarray(picture), use)).astype(np.float32) / 255.0
    trained = uni_controlnet.color_maps(thumbnail(picture)[None], 256)[0].permute(1, 2, 0).numpy()
    assert ours.shape == trained.shape and np.abs(ours - trained).max() < 3 / 255
    rng = np.random.default_rng(1)
    looks = uni_controlnet.looks(np.stack([thumbnail(picture)] * 3), rng)
    assert looks.shape == (3, 3, 64, 64) and looks.abs().max() <= 1
    whole = seen_by_the_plugin(Image.fromarray(picture))
    assert (whole.mean(dim=(0, 2, 3)) - looks.mean(dim=(0, 2, 3))).abs().max() < 0.2


def test_the_extractor_starts_with_features_that_can_be_seen() -> None:
    torch.manual_seed(1)
    local = uni_controlnet.make_adapters(config.make_unet(config.TINY), 16)["local"]
    maps = (torch.rand(4, 6, 64, 64) > 0.9).float()
    uni_controlnet.warm_extractor(local.feature_extractor, maps)
    spreads = [float(feature.detach().std()) for feature in local.feature_extractor(maps)]
    assert spreads == pytest.approx([uni_controlnet.FAINT] * 3, rel=0.05)


def test_figures_can_be_taken(shop: Workshop) -> None:
    """Every way draws another picture; the errors are zero for the truth and grow with what differs."""
    unet = shop.unet()
    adapters = uni_controlnet.make_adapters(unet, 16).requires_grad_(False).eval()
    for layer in (*adapters["local"].zero_convs, adapters["local"].mid_zero_conv):
        nn.init.normal_(layer.weight)
    maps = torch.rand(2, 6, 64, 64)
    uni_controlnet.warm_extractor(adapters["local"].feature_extractor, maps)
    text = torch.randn(2, 77, 16)
    pipe = SimpleNamespace(
        unet=unet, vae=shop.vae(), scheduler=shop.scheduler(), encode_prompt=lambda *_: (text, torch.zeros_like(text))
    )
    asked = uni_figures.Asked(["a cat", "a hill"], [render(scene_number(n, 1), 64) for n in (1, 2)])
    drawn = {name: uni_figures.draw_steered(pipe, adapters, asked, way)[0] for name, way in uni_figures.WAYS.items()}
    assert drawn["nothing"].shape == (64, 64, 3)
    names = ["nothing", "line", "color", "line + color", "line + global"]
    assert len({drawn[name].tobytes() for name in names}) == len(names)
    truth = asked.drawings[0].image
    assert uni_figures.block_error(truth, truth) == uni_figures.palette_error(truth, truth) == 0
    moved = np.roll(truth, 20, axis=1)
    assert uni_figures.palette_error(moved, truth) == 0 and uni_figures.block_error(moved, truth) > 0
    assert uni_figures.palette_error(truth // 2, truth) > 5
