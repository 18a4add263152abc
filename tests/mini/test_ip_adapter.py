"""Mini's IP-Adapter: a few steps on a tiny model, and the file is one that diffusers' own loader and the plugin read."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from plugins.ip_adapter.adapter import ReferencePicture
from plugins.ip_adapter.pictures import mini_pixels
from studio.api import Denoiser, ModelMissing, Size, Use
from studio.mini import classifier, config, export, ip_adapter, stages
from studio.mini.data import scene_number, thumbnail
from studio.mini.drawings import render
from studio.mini.scorer import thumbnails_to_unit
from studio.mini.text_encoder import text_states, token_ids
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
    tower = classifier.networks().ImageTower(text=shop.arch.text_width)
    (shop.output / "clip").mkdir(parents=True)
    save_file(tower.state_dict(), shop.output / "clip" / "model.safetensors")
    return shop


def denoiser_over(shop: Workshop, unet: UNet2DConditionModel) -> Denoiser:
    return Denoiser(
        unet=unet, vae=shop.vae(), tokenizers=(), text_encoders=(), family="mini", model="mini",
        model_folder=shop.output, size=Size(width=64, height=64), branches=2, device=torch.device("cpu"),
        dtype=torch.float32,
    )  # fmt: skip


def test_diffusers_and_the_plugin_read_what_is_trained(shop: Workshop, tmp_path: Path) -> None:
    stages.TRAIN["ip_adapter"](shop, Budget(steps=3))
    file = shop.state / "ip_adapter" / ip_adapter.FILE
    with safe_open(file, "pt") as opened:
        tower = shop.output / "clip" / "model.safetensors"
        assert opened.metadata()["image_encoder"] == hashlib.sha256(tower.read_bytes()).hexdigest()
    state: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, value in load_file(file).items():
        part, _, rest = name.partition(".")
        state[part][rest] = value.float()
    folder = shop.state / "unet"
    stock, own = (UNet2DConditionModel.from_pretrained(folder, low_cpu_mem_usage=False).eval() for _ in range(2))
    stock._load_ip_adapter_weights([state], low_cpu_mem_usage=False)
    picture = Image.fromarray(render(scene_number(7, 1), 64).image)
    noisy, text = torch.randn(2, 16, 4, 4), torch.randn(2, 77, 16)
    pixels = mini_pixels(picture)
    use = Use(
        plugin="ip_adapter", part="reference", folder=tmp_path, data=tmp_path / "data", images={"picture": picture},
        files={"file": file}, weight=1.0,
    )  # fmt: skip
    with torch.no_grad():
        eye = ip_adapter.eyes().Eye.of(load_file(tower))
        seen = eye(pixels)
        seen = torch.cat([torch.zeros_like(seen), seen])[:, None]
        wanted = stock(noisy, 500, text, added_cond_kwargs={"image_embeds": [seen]}).sample
        without = own(noisy, 500, text).sample
        with ReferencePicture().attach(denoiser_over(shop, own), use):
            given = own(noisy, 500, text).sample
    assert torch.equal(given, wanted) and not torch.allclose(given, without, atol=1e-3)
    tower.write_bytes(tower.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(ModelMissing, match="behind another picture tower"):
        ReferencePicture().attach(denoiser_over(shop, own), use).__enter__()


def test_keys_and_values_begin_as_the_texts(shop: Workshop) -> None:
    unet = shop.unet()
    adapter = ip_adapter.Adapter(unet, features=8, text_width=shop.arch.text_width)
    for (name, attention), layer in zip(ip_adapter.cross_attentions(unet), adapter.layers, strict=True):
        assert torch.equal(layer.to_k_ip[0].weight, attention.to_k.weight), name
        assert torch.equal(layer.to_v_ip[0].weight, attention.to_v.weight), name
    assert len(adapter.layers) == 4


def test_the_fit_says_what_the_words_would_say(shop: Workshop) -> None:
    """On twelve scenes it may learn them by heart; no picture is the empty caption."""
    batches = shop.batches()
    eye = ip_adapter.eyes().Eye.of(load_file(ip_adapter.tower_file(shop)))
    adapter = ip_adapter.Adapter(shop.unet(), eye.features, shop.arch.text_width)
    lesson = ip_adapter.Lesson(batches.tower, batches.tokenizer, batches.compute)
    assert ip_adapter.fit(adapter, eye, batches.store, lesson)["left"] > 0
    with torch.no_grad():
        nothing = adapter.image_proj(torch.zeros(1, eye.features))
        fitted = adapter.image_proj(eye(thumbnails_to_unit(batches.store.thumbnails[:4])))
    assert torch.allclose(nothing[0], lesson.nothing(), atol=1e-4)
    wanted = lesson.of([batches.store.scene(row) for row in range(4)])
    assert fitted.shape == wanted.shape == (4, 4, shop.arch.text_width)
    assert (fitted - wanted).square().mean() < 0.5 * (nothing - wanted).square().mean()


def test_words_are_read_where_they_stand(shop: Workshop) -> None:
    batches = shop.batches()
    lesson = ip_adapter.Lesson(batches.tower, batches.tokenizer, batches.compute)
    scene = scene_number(3, 0)
    (thing,) = scene.things
    states = text_states(batches.tower, batches.tokenizer, [f"a {thing.colour} {thing.kind}"], batches.compute)[0]
    ids = token_ids(batches.tokenizer, [f"a {thing.colour} {thing.kind}"])[0]
    end = int((ids == batches.tokenizer.eos_token_id).int().argmax())
    told = lesson.of([scene])[0]
    assert torch.allclose(told[0], states[2], atol=1e-5) and torch.allclose(told[1], states[end - 1], atol=1e-5)
    assert torch.equal(told[1], told[2]), "there is one thing only"


def test_training_and_use_see_the_same_picture() -> None:
    picture = render(scene_number(7, 2), 256).image
    trained = thumbnails_to_unit(thumbnail(picture)[None])
    assert (mini_pixels(Image.fromarray(picture)) - trained).abs().max() < 2.1 / 127.5
    wide = np.concatenate([picture[:, :40] * 0, picture, picture[:, :40] * 0], axis=1)
    assert torch.equal(mini_pixels(Image.fromarray(wide)), mini_pixels(Image.fromarray(picture)))


def test_minis_file_stays_below_two_megabytes() -> None:
    with torch.device("meta"):
        adapter = ip_adapter.Adapter(config.make_unet(config.MINI), features=256, text_width=config.MINI.text_width)
    total = sum(value.numel() for value in adapter.parameters())
    assert 2 * total < 2_000_000, f"{2 * total:,} bytes"
