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
from tests.engine.conftest import FIRST, SECOND
from tests.engine.stock import Stock, assert_same

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


@pytest.fixture(scope="module")
def engine(make_engine: Any) -> Any:
    return make_engine()


@pytest.fixture(scope="module")
def stock(tiny_folder: Path) -> Stock:
    return Stock((tiny_folder, RESOURCES))


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
    mean_only = stock.base("variance").unet
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
