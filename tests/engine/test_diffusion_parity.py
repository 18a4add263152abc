"""The own loop gives, bit for bit, what the stock diffusers pipelines give: latents and pixels, in float32 on the CPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.core.choices import ControlKind, Spacing
from studio.core.paths import RESOURCES
from studio.core.recipe import ControlUse, ModelRef, Recipe, Size
from studio.core.schedulers import SCHEDULERS
from studio.engine.control_maps import control_map
from tests.engine.conftest import DRAWINGS, FIRST, SECOND

MINI = pytest.mark.skipif(
    not (RESOURCES / "mini" / "model_index.json").is_file(), reason="Studio Mini is not there yet"
)
SMALL = Size(width=64, height=64)
ALL = [(info.id, spacing) for info in SCHEDULERS.values() for spacing in info.spacings]
PLAIN = [(info.id, Spacing.NORMAL) for info in SCHEDULERS.values()]
ONE = (ControlUse(kind=ControlKind.SCRIBBLE, image=FIRST),)
WINDOWED = (ControlUse(kind=ControlKind.SCRIBBLE, image=FIRST, weight=0.7, start=0.2, end=0.6),)
SEVERAL = (*WINDOWED, ControlUse(kind=ControlKind.SCRIBBLE, image=SECOND, weight=1.3, end=0.8))


def recipe(model: str, **parts: Any) -> Recipe:
    base = Recipe(prompt="a red house", negative_prompt="cat", seed=4_294_967_295, steps=4, exact=True, size=SMALL)
    return replace(base, model=ModelRef(name=model), **parts)


class Stock:
    """Stock pipelines over the models of two folders; the loaded parts are kept."""

    def __init__(self, folders: tuple[Path, ...]) -> None:
        self._folders = folders
        self._loaded: dict[str, Any] = {}

    def run(self, recipe: Recipe) -> tuple[Any, bytes]:
        """Latents and pixels of a recipe."""
        import torch

        pipeline = self._pipeline(recipe)
        kept: list[Any] = []

        def keep(_pipe: Any, _index: int, _t: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            kept[:] = [tensors["latents"].clone()]
            return {}

        images = pipeline(
            recipe.prompt,
            negative_prompt=recipe.negative_prompt,
            num_inference_steps=recipe.steps,
            guidance_scale=recipe.guidance_scale,
            width=recipe.size.width,
            height=recipe.size.height,
            generator=torch.Generator("cpu").manual_seed(recipe.seed),
            callback_on_step_end=keep,
            **self._control_arguments(recipe),
        ).images
        return kept[0], images[0].tobytes()

    def _pipeline(self, recipe: Recipe) -> Any:
        from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionPipeline

        base = self._base(recipe.model.name, StableDiffusionPipeline)
        parts = dict(base.components)
        config = base.scheduler_config
        variance = base.unet.config.out_channels == 2 * base.unet.config.in_channels
        parts["scheduler"] = stock_scheduler(config, recipe, variance)
        if not recipe.controls:
            pipeline = StableDiffusionPipeline(**parts, requires_safety_checker=False)
        else:
            parts.pop("image_encoder", None)
            folder = str(base.folder / "controlnet")
            net = ControlNetModel.from_pretrained(folder, dtype=torch_float32(), local_files_only=True)
            nets = net if len(recipe.controls) == 1 else [net] * len(recipe.controls)
            pipeline = StableDiffusionControlNetPipeline(**parts, controlnet=nets, requires_safety_checker=False)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _base(self, name: str, pipeline_class: Any) -> Any:
        import json

        if name not in self._loaded:
            folder = next(folder / name for folder in self._folders if (folder / name).is_dir())
            base = pipeline_class.from_pretrained(
                str(folder),
                dtype=torch_float32(),
                safety_checker=None,
                requires_safety_checker=False,
                local_files_only=True,
            )
            base.folder = folder
            base.scheduler_config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
            self._loaded[name] = base
        return self._loaded[name]

    def _control_arguments(self, recipe: Recipe) -> dict[str, Any]:
        from PIL import Image

        if not recipe.controls:
            return {}
        maps = [control_map(use, recipe.size, DRAWINGS[use.image.digest]) for use in recipe.controls]
        images = [Image.frombytes("RGB", (m.width, m.height), m.data) for m in maps]
        lists = {
            "image": images,
            "controlnet_conditioning_scale": [use.weight for use in recipe.controls],
            "control_guidance_start": [use.start for use in recipe.controls],
            "control_guidance_end": [use.end for use in recipe.controls],
        }
        return {name: values[0] if len(values) == 1 else values for name, values in lists.items()}


def torch_float32() -> Any:
    import torch

    return torch.float32


def stock_scheduler(config: dict[str, Any], recipe: Recipe, learns_variance: bool) -> Any:
    from studio.engine.diffusion.schedulers import make_scheduler

    return make_scheduler(config, recipe.scheduler, recipe.spacing, seed=recipe.seed, learns_variance=learns_variance)


@pytest.fixture(scope="module")
def engine(make_engine: Any) -> Any:
    return make_engine()


@pytest.fixture(scope="module")
def stock(tiny_folder: Path) -> Stock:
    return Stock((tiny_folder, RESOURCES))


def assert_same(engine: Any, stock: Stock, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run both and compare every bit of the latents and of the pixels."""
    import torch

    from studio.engine.diffusion import engine as module

    seen: list[Any] = []
    decode = module.decode
    monkeypatch.setattr(module, "decode", lambda vae, latents: seen.append(latents.clone()) or decode(vae, latents))
    ours = engine.render(recipe, lambda progress: True)
    latents, pixels = stock.run(recipe)
    assert torch.isfinite(latents).all()
    assert torch.equal(seen[0], latents)
    assert ours.pixels.data == pixels


@pytest.mark.parametrize(("scheduler", "spacing"), ALL)
def test_text_to_image_sd1(engine: Any, stock: Stock, scheduler: str, spacing: Spacing, monkeypatch: Any) -> None:
    assert_same(engine, stock, recipe("sd1", scheduler=scheduler, spacing=spacing), monkeypatch)


@pytest.mark.parametrize(("scheduler", "spacing"), PLAIN)
def test_text_to_image_sd2(engine: Any, stock: Stock, scheduler: str, spacing: Spacing, monkeypatch: Any) -> None:
    assert_same(engine, stock, recipe("sd2", scheduler=scheduler, spacing=spacing), monkeypatch)


@pytest.mark.parametrize(("scheduler", "spacing"), PLAIN)
def test_control_sd1(engine: Any, stock: Stock, scheduler: str, spacing: Spacing, monkeypatch: Any) -> None:
    assert_same(
        engine, stock, recipe("sd1", scheduler=scheduler, spacing=spacing, controls=WINDOWED, steps=5), monkeypatch
    )


@pytest.mark.parametrize("controls", [ONE, SEVERAL], ids=["one", "several"])
@pytest.mark.parametrize("model", ["sd1", "sd2"])
@pytest.mark.parametrize("guidance", [1.0, 7.5])
def test_controls(engine: Any, stock: Stock, model: str, controls: Any, guidance: float, monkeypatch: Any) -> None:
    assert_same(engine, stock, recipe(model, controls=controls, guidance_scale=guidance), monkeypatch)


def test_without_guidance(engine: Any, stock: Stock, monkeypatch: Any) -> None:
    assert_same(engine, stock, recipe("sd1", guidance_scale=0.5), monkeypatch)


def test_oblong(engine: Any, stock: Stock, monkeypatch: Any) -> None:
    assert_same(engine, stock, recipe("sd1", size=Size(width=72, height=104), controls=ONE), monkeypatch)


def test_learned_variance_ddpm(engine: Any, stock: Stock, monkeypatch: Any) -> None:
    assert_same(engine, stock, recipe("variance", scheduler="ddpm"), monkeypatch)


@pytest.mark.parametrize("scheduler", [info for info in SCHEDULERS if info != "ddpm"])
def test_learned_variance_elsewhere_takes_the_mean(engine: Any, stock: Stock, scheduler: str, monkeypatch: Any) -> None:
    """Stock pipelines cannot do it: here theirs is given the mean half of what the UNet says."""
    mean_only = stock._base("variance", __import__("diffusers").StableDiffusionPipeline).unet
    forward = mean_only.forward
    monkeypatch.setattr(mean_only, "forward", lambda *a, **k: (forward(*a, **k)[0][:, :4],))
    assert_same(engine, stock, recipe("variance", scheduler=scheduler), monkeypatch)


@MINI
@pytest.mark.parametrize("scheduler", list(SCHEDULERS))
def test_mini(engine: Any, stock: Stock, scheduler: str, monkeypatch: Any) -> None:
    assert_same(engine, stock, recipe("mini", scheduler=scheduler, steps=3), monkeypatch)


@MINI
@pytest.mark.skipif(not (RESOURCES / "mini" / "controlnet").is_dir(), reason="Studio Mini has no ControlNet yet")
@pytest.mark.parametrize("controls", [ONE, SEVERAL], ids=["one", "several"])
def test_mini_controls(engine: Any, stock: Stock, controls: Any, monkeypatch: Any) -> None:
    assert_same(engine, stock, recipe("mini", controls=controls), monkeypatch)
