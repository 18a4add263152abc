"""The stages `classifier` and `clip` on tiny data: what they optimise, what they write, and what they leave alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from studio.mini import classifier, clip, config, stages
from studio.mini.data import thumbnail, to_unit
from studio.mini.drawings import KINDS, Scene, Thing, render
from studio.mini.scorer import thumbnails_to_unit
from studio.mini.text_to_image import Diffusion
from studio.mini.tokenizer import sample_captions, train_tokenizer
from studio.mini.training import Budget
from studio.mini.workshop import Workshop


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A tiny run with everything these stages read."""
    folder = tmp_path_factory.mktemp("guidance")
    shop = Workshop(
        folder / "state", folder / "model", config.choose_compute("cpu"), config.TINY, scenes=(4, 4, 4), batch=2
    )
    tokenizer = train_tokenizer(sample_captions(40), shop.state / "tokenizer", merges=20)
    shop.keep("text_encoder", config.make_text_encoder(config.TINY, len(tokenizer)))
    stages.train_vae(shop, Budget())
    stages.train_latents(shop, Budget())
    return shop


def _metadata(file: Path) -> dict[str, str]:
    with safe_open(file, "pt") as opened:
        return dict(opened.metadata())


def test_two_things_are_wanted_by_halves() -> None:
    things = (Thing("house", "red", 0.3, 0.5, 0.3), Thing("whale", "blue", 0.7, 0.5, 0.3))
    shares = classifier.kinds_wanted(Scene("sea", "day", "flat", "", things, 1))
    assert shares[KINDS.index("house")] == shares[KINDS.index("whale")] == 0.5 and shares.sum() == 1


def test_shifting_moves_whole_cells_and_repeats_the_border() -> None:
    maps = torch.arange(16.0).view(1, 1, 4, 4)
    seen = {tuple(classifier.shifted(np.random.default_rng(n), maps, 1).flatten().tolist()) for n in range(60)}
    assert len(seen) == 9 and tuple(maps.flatten().tolist()) in seen
    assert all(set(values) <= set(range(16)) for values in seen)


def test_the_classifier_learns_a_handful_of_scenes(shop: Workshop) -> None:
    torch.manual_seed(0)
    stage = classifier.ClassifierStage(
        classifier.encoded_scenes(shop), Diffusion(shop.scheduler(), torch.device("cpu")), shop.compute, batch=24
    )
    optimiser = torch.optim.Adam(stage.network.parameters(), 3e-3)
    losses = []
    for step in range(25):
        loss, _ = stage.loss(np.random.default_rng(step), 1.0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_the_classifier_stage_writes_half_precision_weights_and_its_figures(shop: Workshop) -> None:
    before = (classifier.PLUGIN / "plugin.toml").read_bytes()
    stages.TRAIN["classifier"](shop, Budget(steps=2))
    file = shop.state / "guidance" / "classifier.safetensors"
    figures = json.loads(_metadata(file)["figures"])
    assert set(figures) == {f"t{level}" for level in range(0, 1000, 100)}
    assert (classifier.PLUGIN / "plugin.toml").read_bytes() == before, "a trial run does not touch the plugin"


def test_encoded_scenes_are_never_begun_anew(shop: Workshop) -> None:
    import dataclasses

    careless = dataclasses.replace(shop, scenes=(2, 2, 2))
    assert classifier.encoded_scenes(careless).total == 12 and classifier.encoded_scenes(shop).done == 12


def test_pairs_that_only_seem_wrong_do_not_count() -> None:
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0], [1.0, 0.01], [0.0, 1.0]]), dim=1)
    none = torch.eye(3, dtype=torch.bool)
    twins = none.clone()
    twins[0, 1] = twins[1, 0] = True
    scale = torch.tensor(3.0)
    strict, _ = clip.info_nce(vectors, vectors, scale, none)
    fair, right = clip.info_nce(vectors, vectors, scale, twins)
    assert fair < 0.1 < strict and right == 1.0
    labels = {name: torch.tensor([1, 1, 1]) for name in clip.THINGS} | {"colour0": torch.tensor([1, 1, 2])}
    assert clip.alike(labels).tolist() == [[True, True, False], [True, True, False], [False, False, True]]


def test_previews_show_what_the_thumbnails_show() -> None:
    model = config.MODEL_FOLDER
    if not (model / "preview.json").exists():
        pytest.fail("resources/mini is not complete")
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(model / "vae", dtype=torch.float32).requires_grad_(False)
    scene = Scene("meadow", "day", "flat", "", (Thing("house", "red", 0.5, 0.6, 0.4),), 3)
    picture = render(scene, 256).image
    seen = clip.Previews(model / "preview.json")(vae.encode(to_unit(picture[None])).latent_dist.mode())
    assert float((seen - thumbnails_to_unit(thumbnail(picture)[None])).abs().mean()) < 0.1


def test_the_clip_stage_writes_its_tower_beside_the_text_tower(shop: Workshop) -> None:
    import hashlib

    stages.TRAIN["clip"](shop, Budget(steps=2))
    metadata = _metadata(shop.output / "clip" / "model.safetensors")
    words = (shop.output / "text_encoder" / "model.safetensors").read_bytes()
    assert metadata["text_encoder"] == hashlib.sha256(words).hexdigest()
    assert {"en_long_1", "zh_short_5"} <= set(json.loads(metadata["figures"]))


def test_states_are_those_at_the_end_token_whatever_follows(shop: Workshop) -> None:
    tower, tokenizer = shop.tower(), shop.tokenizer()
    both = clip.end_states(tower, tokenizer, ["a cat", "a red house on green hills"], shop.compute)
    alone = clip.end_states(tower, tokenizer, ["a cat"], shop.compute)
    assert torch.allclose(both[:1], alone, atol=1e-5) and not torch.allclose(both[0], both[1])
