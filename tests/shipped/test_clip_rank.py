"""The ranking plugin: the sketch's score on true renders, the towers' agreement, refusals, and Mini's CLIP on captions."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageOps
from safetensors.torch import load_file

from studio.api import BadRecipe, ModelMissing, Recipe, Use
from studio.core.recipe import ModelRef
from studio.mini.data import HELD_OUT, scene_number
from studio.mini.drawings import caption, render
from studio.mini.metrics import edge_f1

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "plugins" / "clip_rank"
MINI = ROOT / "resources" / "mini"


def _module(part: str) -> ModuleType:
    """A module of the plugin, from its folder."""
    name = "clip_rank_under_test"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, PLUGIN / "__init__.py", submodule_search_locations=[str(PLUGIN)]
        )
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[f"{name}.{part}"]


def _use(part: str, folder: Path = PLUGIN, text: str = "", **images: Image.Image) -> Use:
    return Use(plugin="clip_rank", part=part, folder=folder, data=folder / "data", values={"text": text}, images=images)


def _recipe(prompt: str = "a house", model: str = "mini") -> Recipe:
    return Recipe(prompt=prompt, seed=1, model=ModelRef(name=model))


def test_the_drawing_a_picture_was_made_from_scores_highest() -> None:
    drawings = [render(scene_number(HELD_OUT + n, 1), 256) for n in range(6)]
    pictures = [Image.fromarray(drawing.image) for drawing in drawings]
    sketches = [Image.fromarray(drawing.outline).convert("RGB") for drawing in drawings]
    score = _module("sketch").faithfulness
    for n, sketch in enumerate(sketches):
        scores = [score(picture, _recipe(), _use("sketch", sketch=sketch)) for picture in pictures]
        assert int(np.argmax(scores)) == n and scores[n] > 0.5
        assert scores[n] == pytest.approx(edge_f1(drawings[n].image, drawings[n].outline), abs=0.02)


def test_lines_count_within_two_pixels_and_whichever_way_they_are_drawn() -> None:
    score = _module("sketch").faithfulness
    picture = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(picture).rectangle((40, 40, 90, 90), fill="black")

    def lines(by: int) -> Image.Image:
        sketch = Image.new("RGB", (128, 128))
        ImageDraw.Draw(sketch).rectangle((40 + by, 40 + by, 90 + by, 90 + by), outline="white")
        return sketch

    near, far = (score(picture, _recipe(), _use("sketch", sketch=lines(by))) for by in (1, 6))
    assert near > 0.95 and far < 0.3
    assert score(picture, _recipe(), _use("sketch", sketch=ImageOps.invert(lines(1)))) == pytest.approx(near)
    assert score(picture, _recipe(), _use("sketch", sketch=lines(1).resize((256, 256)))) > 0.9, "scaled to the picture"


def test_an_empty_or_missing_drawing_is_refused_in_words() -> None:
    picture = Image.new("RGB", (64, 64))
    with pytest.raises(BadRecipe, match="empty"):
        _module("sketch").faithfulness(picture, _recipe(), _use("sketch", sketch=Image.new("RGB", (64, 64))))
    with pytest.raises(BadRecipe, match="no line drawing"):
        _module("sketch").faithfulness(picture, _recipe(), _use("sketch"))


def test_the_tower_is_the_one_that_was_trained() -> None:
    from studio.mini.classifier import networks

    torch.manual_seed(0)
    tower = networks().ImageTower((8, 16, 16, 24), 20, 12, 10).eval().requires_grad_(False)
    pictures = torch.randn(2, 3, 64, 64)
    vectors = _module("likeness").look(tower.state_dict(), pictures)
    assert torch.allclose(torch.nn.functional.normalize(vectors, dim=1), tower(pictures), atol=1e-6)


def test_a_scorer_without_text_or_clip_says_so(tmp_path: Path) -> None:
    scorer, picture = _module("likeness").ClipScorer(), Image.new("RGB", (64, 64))
    with pytest.raises(BadRecipe, match="no prompt"):
        scorer(picture, _recipe("  "), _use("clip"))
    with pytest.raises(ModelMissing, match="needs a CLIP model") as caught:
        scorer(picture, _recipe(model="sd15"), _use("clip", tmp_path))
    assert str(tmp_path / "data" / "clip") in caught.value.hint
    with pytest.raises(ModelMissing):
        scorer(picture, _recipe(), _use("clip", tmp_path / "a" / "b"))


def test_a_model_distilled_from_mini_is_judged_by_minis_clip(tmp_path: Path) -> None:
    (tmp_path / "resources" / "mini-fast").mkdir(parents=True)
    (tmp_path / "resources" / "mini-fast" / "companions.json").write_text('{"of": "mini"}', "utf-8")
    use = _use("clip", tmp_path / "plugins" / "clip_rank")
    with pytest.raises(ModelMissing, match=r"model\.safetensors"):  # Mini's, which is not in this folder
        _module("likeness").ClipScorer()(Image.new("RGB", (64, 64)), _recipe(model="mini-fast"), use)


def test_a_real_clip_folder_scores(tmp_path: Path) -> None:
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    torch.manual_seed(0)
    words = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokenizer = CLIPTokenizer.from_pretrained(MINI / "tokenizer")
    ends = {"vocab_size": len(tokenizer), "eos_token_id": len(tokenizer) - 1, "bos_token_id": len(tokenizer) - 2}
    config = CLIPConfig(
        text_config=words | ends, vision_config=words | {"image_size": 32, "patch_size": 16}, projection_dim=8
    )
    CLIPModel(config).save_pretrained(tmp_path / "data" / "clip")
    tokenizer.save_pretrained(tmp_path / "data" / "clip")
    scorer, noise = _module("likeness").ClipScorer(), np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    told: list[Path] = []
    use = replace(_use("clip", tmp_path), reads=told.append)
    score = scorer(Image.fromarray(noise), _recipe(model="sd15"), use)
    assert told == [tmp_path / "data" / "clip" / "model.safetensors"]
    again = scorer(Image.fromarray(noise), _recipe(model="sd15"), _use("clip", tmp_path, text="a blue cat"))
    assert -1 <= score <= 1 and score != again
    assert again == scorer(Image.fromarray(noise), _recipe("a blue cat", "sd15"), _use("clip", tmp_path))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_captions_of_true_renders_beat_other_captions(language: str) -> None:
    scorer, rng = _module("likeness").ClipScorer(), np.random.default_rng(4)
    scenes = [scene_number(HELD_OUT + 300 + n, n % 2) for n in range(20)]
    pictures = [Image.fromarray(render(scene, 256).image) for scene in scenes]
    texts = [max((caption(scene, rng, language) for _ in range(6)), key=len) for scene in scenes]
    won = 0
    for n, picture in enumerate(pictures):
        own, other = (scorer(picture, _recipe(text), _use("clip")) for text in (texts[n], texts[n - 7]))
        won += own > other
        assert own == scorer(picture, dataclasses.replace(_recipe(texts[n]), seed=9), _use("clip")), "the same again"
    assert won >= 18


def test_both_plugins_see_with_the_same_tower() -> None:
    from studio.mini.classifier import networks

    weights = load_file(MINI / "clip" / "model.safetensors")
    pictures = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        theirs = networks().ImageTower.of(weights)(pictures)
        ours = _module("likeness").look({name: value.float() for name, value in weights.items()}, pictures)
    assert torch.allclose(torch.nn.functional.normalize(ours, dim=1), theirs, atol=1e-5)
