"""The guidance plugin: gradients against finite differences, goals reached on a toy, refusals in words, determinism."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from studio.api import (
    BadRecipe,
    Denoiser,
    Guess,
    ModelMissing,
    PluginProblem,
    Size,
    StepContext,
    StudioError,
    Use,
    read_weight_header,
)
from studio.mini.drawings import KINDS

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = ROOT / "plugins" / "guidance"
MINI = ROOT / "resources" / "mini"


def _module(part: str) -> ModuleType:
    """A module of the plugin, from its folder."""
    name = "guidance_under_test"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, PLUGIN / "__init__.py", submodule_search_locations=[str(PLUGIN)]
        )
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[f"{name}.{part}"]


def _denoiser(folder: Path = MINI, family: str = "mini", channels: int = 16) -> Denoiser:
    return Denoiser(
        unet=SimpleNamespace(config=SimpleNamespace(in_channels=channels)), vae=None, tokenizers=(), text_encoders=(),
        family=family, model=family, model_folder=folder, size=Size(width=256, height=256), branches=1,
        device=torch.device("cpu"), dtype=torch.float32,
    )  # fmt: skip


def _use(part: str, values: dict[str, Any], folder: Path = PLUGIN, **images: Image.Image) -> Use:
    """As the host fills it in: the manifest's defaults, then `values`."""
    manifest = tomllib.loads((PLUGIN / "plugin.toml").read_text("utf-8"))
    declared = next(entry for entry in manifest["adds"] if entry["part"] == part)["parameters"]
    filled = {p["name"]: p["default"] for p in declared if "default" in p} | values
    return Use(
        plugin="guidance", part=part, folder=folder, data=folder / "data", values=filled, images=images,
        start=float(filled["start"]), end=float(filled["end"]),
    )  # fmt: skip


def _guess(latents: Tensor, alpha: float = 0.8, index: int = 2, timestep: int = 300, **changes: Any) -> Guess:
    """A step of a model that guesses x_0 = 0.9 x_t, so that nothing here needs a UNet."""
    step = StepContext(
        index=index, count=10, timestep=torch.tensor(timestep), model_input=latents, text=torch.zeros(1, 1, 1)
    )
    fields: dict[str, Any] = {
        "step": step, "latents": latents, "clean": 0.9 * latents, "alpha": alpha, "sigma": math.sqrt(1 - alpha**2),
        "predict_clean": lambda place: 0.9 * place, "decode": lambda clean: clean[:, :3],
    }  # fmt: skip
    return Guess(**(fields | changes))


def _latents(seed: int = 0, side: int = 16) -> Tensor:
    return torch.randn(1, 16, side, side, generator=torch.Generator().manual_seed(seed))


def _slope(function: Any, place: Tensor, direction: Tensor, by: float = 1e-4) -> float:
    return float((function(place + by * direction) - function(place - by * direction)) / (2 * by))


def test_the_class_gradient_is_the_slope_of_the_log_probability() -> None:
    torch.manual_seed(0)
    network = _module("networks").NoisyClassifier(4, (8, 8), 16, 5).double().requires_grad_(False)
    module = _module("classifier")
    network.time[0].register_forward_pre_hook(lambda layer, given: (given[0].double(),))
    place = torch.randn(1, 4, 8, 8, dtype=torch.float64)
    direction = torch.randn_like(place)
    gradient, share = module.class_gradient(network, place, torch.tensor(250), 3)

    def log_share(x: Tensor) -> Tensor:
        return torch.log_softmax(network(x, torch.tensor([250])), dim=1)[0, 3]

    assert float((gradient * direction).sum()) == pytest.approx(_slope(log_share, place, direction), rel=1e-4)
    assert share == pytest.approx(float(log_share(place).exp()))


@pytest.mark.parametrize("exact", [False, True])
def test_a_goal_of_the_clean_latents_is_followed_back_to_the_noisy_ones(exact: bool) -> None:
    torch.manual_seed(1)
    matrix = torch.randn(16, 16, dtype=torch.float64)
    latents = _latents(side=4).double()

    def predict(place: Tensor) -> Tensor:
        return torch.einsum("oc,nchw->nohw", matrix, place).sin()

    def goal(clean: Tensor) -> Tensor:
        return (clean**3).sum()

    alpha, noise = 0.8, torch.randn_like(latents)
    guess = _guess(latents, alpha, predict_clean=predict, clean=(latents - 0.6 * noise) / alpha)
    gradient, value = _module("steering").climb(goal, guess, exact)
    direction = torch.randn_like(latents)

    def whole(x: Tensor) -> Tensor:  # exact: through the model; else with the guessed noise fixed
        return goal(predict(x)) if exact else goal((x - 0.6 * noise) / alpha)

    assert float((gradient * direction).sum()) == pytest.approx(_slope(whole, latents, direction), rel=1e-4)
    assert value == pytest.approx(float(whole(latents)))


def test_a_gradient_through_16_bits_points_where_one_through_32_does() -> None:
    """A pixel of many counts for so little that 16-bit floats would round it to a few steps, or to nothing."""
    steering, colours = _module("steering"), _module("colour_map")
    torch.manual_seed(0)
    weights, target = torch.randn(3, 4, 3, 3) / 6, torch.rand(1, 3, 32, 32) * 0.02
    clean = torch.randn(1, 4, 96, 96) * 0.02

    def slope(dtype: torch.dtype, amplified: float) -> Tensor:
        def goal(latents: Tensor) -> Tensor:
            large = torch.nn.functional.interpolate(latents.to(dtype), scale_factor=8)
            pictures = torch.nn.functional.conv2d(large, weights.to(dtype), padding=1).float()
            distance: Tensor = -colours.distance(pictures, target, torch.ones(1, 1, 32, 32))
            return distance

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(steering, "AMPLIFIED", amplified)
            gradient: Tensor = steering.climb(goal, SimpleNamespace(clean=clean, alpha=1.0), exact=False)[0]
        return gradient.flatten()

    wanted, usual = slope(torch.float32, 1.0), steering.AMPLIFIED
    assert torch.equal(slope(torch.float32, usual), wanted)
    likeness = torch.nn.functional.cosine_similarity
    assert likeness(slope(torch.float16, usual), wanted, dim=0) > 0.9999
    assert likeness(slope(torch.float16, 1.0), wanted, dim=0) < 0.999, "without it the test would say nothing"
    assert torch.isfinite(slope(torch.float16, 1e30)).all(), "too much is taken back"


@pytest.mark.parametrize("alpha", [0.05, 0.5, 0.99])
def test_strength_shifts_v_by_the_same_amount_at_every_noise_level(alpha: float) -> None:
    steering = _module("steering")
    guess = _guess(_latents(), alpha)
    pulled = steering.pull(1e-6 * _latents(1), guess, 3.0)
    shift_of_v = guess.sigma / guess.alpha * pulled
    assert float(shift_of_v.square().mean().sqrt()) == pytest.approx(3.0, rel=1e-3)


def test_nothing_is_pulled_where_there_is_nothing_to_pull() -> None:
    steering = _module("steering")
    assert steering.pull(torch.zeros(1, 16, 4, 4), _guess(_latents()), 3.0) is None
    assert steering.pull(_latents(), _guess(_latents()), 0.0) is None
    assert steering.pull(_latents(), _guess(_latents(), alpha=0.0), 3.0) is None


def test_the_preview_stands_for_the_decoder_and_other_models_decode(tmp_path: Path) -> None:
    steering = _module("steering")
    matrix = [[float(row == column) for column in range(16)] for row in range(12)]
    table = {"grid": 2, "matrix": matrix, "bias": [0.5] * 12}
    (tmp_path / "preview.json").write_text(json.dumps(table), "utf-8")
    latents = _latents(side=3)
    seen = steering.Colours(_denoiser(tmp_path))(latents, _guess(latents))
    assert seen.shape == (1, 3, 6, 6)
    assert torch.allclose(seen[0, :, 2, 1], latents[0, 3:6, 1, 0] + 0.5), "rows are (row, column, colour)"
    decoded = steering.Colours(_denoiser(tmp_path, "sd1", 4))(latents, _guess(latents))
    assert torch.equal(decoded, latents[:, :3])


def test_shares_and_order_of_the_kinds_are_minis() -> None:
    assert _module("networks").KINDS == KINDS
    manifest = tomllib.loads((PLUGIN / "plugin.toml").read_text("utf-8"))
    assert tuple(manifest["adds"][0]["parameters"][0]["choices"]) == KINDS


def test_the_classifier_is_followed_back_through_the_model() -> None:
    use = _use("classifier", {"class": "house"})
    assert use.values["exact"] is True
    asked: list[Tensor] = []

    def predict(place: Tensor) -> Tensor:
        asked.append(place)
        return 0.9 * place.flip(3)  # a model that mirrors

    latents = _latents()
    exact = _module("classifier").ClassifierGuide().prepare(_denoiser(), use)(_guess(latents, predict_clean=predict))
    network = _module("networks").NoisyClassifier.of(load_file(PLUGIN / "mini" / "classifier.safetensors"))
    place = latents.clone().requires_grad_()
    network(0.9 * place.flip(3), torch.tensor([20])).log_softmax(1)[0, KINDS.index("house")].backward()
    assert len(asked) == 1 and exact is not None and place.grad is not None
    cosine = torch.nn.functional.cosine_similarity(exact.flatten(), place.grad.flatten(), dim=0)
    assert float(cosine) == pytest.approx(1.0, abs=1e-4)


def test_following_the_classifier_raises_the_class_that_was_asked_for() -> None:
    asked = {"class": "whale", "exact": False}
    prepared = _module("classifier").ClassifierGuide().prepare(_denoiser(), _use("classifier", asked))
    network = _module("networks").NoisyClassifier.of(load_file(PLUGIN / "mini" / "classifier.safetensors"))
    latents = _latents()
    before = network(latents, torch.tensor([300])).softmax(1)[0, KINDS.index("whale")]
    moved = latents
    for _ in range(10):
        gradient = prepared(_guess(moved))
        moved = moved if gradient is None else moved + gradient
    after = network(moved, torch.tensor([300])).softmax(1)[0, KINDS.index("whale")]
    assert before < 0.3 and after > 0.6


def test_guides_rest_outside_their_range_and_repeat_themselves_exactly() -> None:
    use = _use("classifier", {"class": "house", "start": 0.2, "end": 0.5})
    prepared = _module("classifier").ClassifierGuide().prepare(_denoiser(), use)
    assert prepared(_guess(_latents(), index=1)) is None and prepared(_guess(_latents(), index=5)) is None
    kept = _latents()
    first, second = prepared(_guess(kept, index=2)), prepared(_guess(kept, index=2))
    assert torch.equal(first, second) and first.shape == kept.shape and not first.requires_grad
    assert torch.equal(kept, _latents()), "the loop's own latents are not touched"
    again = _module("classifier").ClassifierGuide().prepare(_denoiser(), use)
    assert torch.equal(first, again(_guess(kept, index=2)))


def test_classifier_guidance_refuses_another_family_in_words() -> None:
    with pytest.raises(PluginProblem, match="Studio Mini's drawings only"):
        _module("classifier").ClassifierGuide().prepare(_denoiser(family="sd1", channels=4), _use("classifier", {}))


@pytest.mark.parametrize("damage", ["missing", "half", "foreign"])
def test_missing_or_damaged_weights_are_refused_in_words(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "mini" / "classifier.safetensors"
    file.parent.mkdir()
    if damage == "half":
        file.write_bytes((PLUGIN / "mini" / "classifier.safetensors").read_bytes()[:100_000])
    if damage == "foreign":
        save_file({"weight": torch.zeros(3)}, file)
    with pytest.raises(ModelMissing, match=r"classifier\.safetensors"):
        _module("classifier").ClassifierGuide().prepare(_denoiser(), _use("classifier", {}, tmp_path))


def test_clip_guidance_wants_a_goal_and_a_clip(tmp_path: Path) -> None:
    guide = _module("clip").ClipGuide()
    with pytest.raises(BadRecipe, match="neither a text nor a picture"):
        guide.prepare(_denoiser(), _use("clip", {"text": "  "}))
    with pytest.raises(StudioError, match="needs a CLIP model") as caught:
        guide.prepare(_denoiser(tmp_path, "sd1", 4), _use("clip", {"text": "a cat"}, tmp_path))
    assert str(tmp_path / "data" / "clip") in caught.value.hint
    with pytest.raises(ModelMissing):
        guide.prepare(_denoiser(tmp_path), _use("clip", {"text": "a cat"}))


def test_minis_clip_refuses_another_text_tower(tmp_path: Path) -> None:
    for part in ("clip", "text_encoder"):
        (tmp_path / part).mkdir()
    tower = _module("networks").ImageTower((8, 8, 8, 8), 8, 4, 4)
    save_file(tower.state_dict(), tmp_path / "clip" / "model.safetensors", {"text_encoder": "0" * 64})
    save_file({"x": torch.zeros(1)}, tmp_path / "text_encoder" / "model.safetensors")
    with pytest.raises(ModelMissing, match="another text encoder"):
        _module("likeness").load_mini(tmp_path)


def _toy_likeness() -> Any:
    """A CLIP that sees a picture's mean colour, and reads “red” as red and anything else as blue."""

    def see(pictures: Tensor) -> Tensor:
        return torch.nn.functional.normalize(pictures.mean(dim=(2, 3)) + 1.01, dim=1)

    def read(text: str) -> Tensor:
        return torch.tensor([[1.0, 0.0, 0.0]] if text == "red" else [[0.0, 0.0, 1.0]])

    return _module("likeness").Likeness(8, see, read)


def _followed(prepared: Any, latents: Tensor, steps: int = 20) -> Tensor:
    for _ in range(steps):
        gradient = prepared(_guess(latents))
        latents = latents if gradient is None else latents + 0.2 * gradient
    return latents


@pytest.mark.parametrize("exact", [False, True])
def test_clip_guidance_goes_where_text_and_picture_point_by_their_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, exact: bool
) -> None:
    module = _module("clip")
    monkeypatch.setattr(module, "load", lambda folder, denoiser: _toy_likeness())
    blue = Image.new("RGB", (20, 10), (0, 0, 255))
    start = torch.zeros(1, 16, 8, 8)

    def colours(values: dict[str, Any], **images: Image.Image) -> Tensor:
        use = _use("clip", {"exact": exact} | values, tmp_path, **images)
        end = _followed(module.ClipGuide().prepare(_denoiser(tmp_path), use), start)
        return end[0, :3].mean(dim=(1, 2))

    red, both = colours({"text": "red"}), colours({"text": "red"}, picture=blue)
    mostly_blue = colours({"text": "red", "text_weight": 0.1}, picture=blue)
    assert red[0] > 0.2 > red[2]
    assert float(both[0]) == pytest.approx(float(both[2]), abs=0.05) and both[1] < both[0]
    assert mostly_blue[2] > mostly_blue[0]
    assert torch.equal(colours({"text": "red", "scale": 0.0}), torch.zeros(3))


def test_a_colour_map_pulls_every_place_to_its_colour_and_leaves_free_places_alone(tmp_path: Path) -> None:
    picture = Image.new("RGB", (64, 64), (0, 0, 0))
    picture.paste((255, 0, 0), (0, 0, 32, 64))
    denoiser = _denoiser(tmp_path)
    steering = _module("colour_map")
    latents = torch.zeros(1, 16, 16, 16)

    def followed(free: str) -> Tensor:
        use = _use("colour_map", {"free": free}, tmp_path, map=picture)
        return _followed(steering.ColourMapGuide().prepare(denoiser, use), latents)[0, :3]

    bound, free = followed("nothing"), followed("black")
    assert bound[0, :, :8].mean() > 0.2 and bound[1, :, :8].mean() < -0.2 and bound[0, :, 8:].mean() < -0.2
    assert free[0, :, :8].mean() > 0.2 and float(free[:, :, 8:].abs().max()) == 0


def test_an_empty_colour_map_is_refused(tmp_path: Path) -> None:
    guide = _module("colour_map").ColourMapGuide()
    with pytest.raises(BadRecipe, match="no map"):
        guide.prepare(_denoiser(tmp_path), _use("colour_map", {}, tmp_path))
    empty = Image.new("RGB", (64, 64))
    with pytest.raises(BadRecipe, match="every place free"):
        guide.prepare(_denoiser(tmp_path), _use("colour_map", {"free": "black"}, tmp_path, map=empty))


def test_a_real_clip_folder_is_loaded_and_compares(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    _write_clip(folder)
    likeness = _module("likeness").load_own(folder)
    pictures = torch.rand(2, 3, 40, 30) * 2 - 1
    seen, text = likeness.look(pictures), likeness.read("a red house")
    assert likeness.px == 32 and seen.shape == (2, 8) == (2, text.shape[1])
    assert torch.allclose(seen.norm(dim=1), torch.ones(2), atol=1e-5) and not torch.allclose(seen[0], seen[1])
    pictures.requires_grad_()
    likeness.look(pictures).sum().backward()
    assert pictures.grad is not None and bool(pictures.grad.abs().sum() > 0)


def _write_clip(folder: Path) -> None:
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    torch.manual_seed(0)
    words = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    tokenizer = CLIPTokenizer.from_pretrained(MINI / "tokenizer")
    ends = {"vocab_size": len(tokenizer), "eos_token_id": len(tokenizer) - 1, "bos_token_id": len(tokenizer) - 2}
    config = CLIPConfig(
        text_config=words | ends, vision_config=words | {"image_size": 32, "patch_size": 16}, projection_dim=8
    )
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def test_the_shipped_weights_are_small_and_half_precision() -> None:
    for file, limit in (
        (PLUGIN / "mini" / "classifier.safetensors", 1_000_000),
        (MINI / "clip" / "model.safetensors", 3e6),
    ):
        assert file.stat().st_size <= limit
        assert set(read_weight_header(file).dtypes.values()) == {"F16"}


def test_minis_clip_prefers_a_drawing_s_own_caption_and_guides_towards_it() -> None:
    from studio.mini.data import scene_number, to_unit
    from studio.mini.drawings import render

    likeness = _module("likeness").load_mini(MINI)
    scene = next(s for n in range(500) if (s := scene_number(10_000_000 + n, 0)).things[0].kind == "house")
    thing = scene.things[0]
    seen = likeness.look(to_unit(render(scene, 256).image[None]))
    right = likeness.read(f"a {thing.colour} house")
    wrong = likeness.read("a " + ("yellow" if thing.colour != "yellow" else "blue") + " whale under water")
    assert float(seen @ right.T) > float(seen @ wrong.T) + 0.1
    use = dataclasses.replace(_use("clip", {"text": f"a {thing.colour} house"}))
    gradient = _module("clip").ClipGuide().prepare(_denoiser(), use)(_guess(_latents()))
    assert gradient is not None and bool(torch.isfinite(gradient).all())
