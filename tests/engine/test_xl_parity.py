"""SDXL, its refiner, and pictures to begin with: every bit as the stock pipelines give it, in float32 on the CPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.core.choices import ControlKind, Spacing
from studio.core.errors import BadRecipe
from studio.core.recipe import ControlUse, FreeU, ModelRef, Recipe, Size
from studio.core.schedulers import SCHEDULERS
from tests.engine.conftest import FIRST, SECOND
from tests.engine.stock import Stock, assert_same

SOME = ["dpmpp_2m", "dpmpp_2m_sde", "euler", "euler_a", "heun", "pndm", "unipc", "lms", "lcm"]
ONE = (ControlUse(kind=ControlKind.SCRIBBLE, image=FIRST, weight=0.7, start=0.2, end=0.8),)
SEVERAL = (*ONE, ControlUse(kind=ControlKind.SCRIBBLE, image=SECOND, weight=1.3, end=0.6))


def recipe(model: str, **parts: Any) -> Recipe:
    small = Size(width=64, height=64)
    base = Recipe(prompt="a red house", negative_prompt="cat", seed=4_294_967_295, steps=4, exact=True, size=small)
    return replace(base, model=ModelRef(name=model), **parts)


@pytest.fixture(scope="module")
def engine(make_engine: Any) -> Any:
    return make_engine()


@pytest.fixture(scope="module")
def stock(tiny_folder: Path) -> Stock:
    return Stock((tiny_folder,))


@pytest.mark.parametrize("scheduler", list(SCHEDULERS))
def test_text_to_image_xl(engine: Any, stock: Stock, scheduler: str, monkeypatch: Any) -> None:
    assert_same(engine, stock, recipe("sdxl", scheduler=scheduler), monkeypatch)


@pytest.mark.parametrize("changes", [
    {"negative_prompt": ""}, {"guidance_scale": 1.0}, {"guidance_scale": 1.0, "controls": ONE}, {"controls": ONE},
    {"controls": SEVERAL}, {"size": Size(width=72, height=104)}, {"spacing": Spacing.KARRAS},
])  # fmt: skip
def test_xl_in_many_ways(engine: Any, stock: Stock, changes: Any, monkeypatch: Any) -> None:
    assert_same(engine, stock, recipe("sdxl", **changes), monkeypatch)


@pytest.mark.parametrize("model", ["sdxl", "sd1", "sd2"])
def test_guidance_rescale(engine: Any, stock: Stock, model: str, monkeypatch: Any) -> None:
    wanted = recipe(model, guidance_rescale=0.7, scheduler="ddim")
    assert_same(engine, stock, wanted, monkeypatch, guidance_rescale=0.7)


def test_clip_skip_xl(engine: Any, stock: Stock, monkeypatch: Any) -> None:
    with pytest.raises(BadRecipe, match="CLIP skip"):
        engine.render(recipe("sdxl", clip_skip=1), lambda progress: True)  # the tiny towers have two layers only


@pytest.mark.parametrize("scheduler", SOME)
@pytest.mark.parametrize("model", ["sd1", "sd2", "sdxl"])
def test_image_to_image(engine: Any, stock: Stock, model: str, scheduler: str, monkeypatch: Any) -> None:
    wanted = recipe(model, scheduler=scheduler, init=FIRST, strength=0.6, steps=5)
    assert_same(engine, stock, wanted, monkeypatch)


@pytest.mark.parametrize("model", ["sd1", "sdxl"])
@pytest.mark.parametrize("changes", [{"controls": ONE}, {"strength": 1.0}, {"strength": 0.3}, {"guidance_scale": 1.0}])
def test_image_to_image_in_many_ways(engine: Any, stock: Stock, model: str, changes: Any, monkeypatch: Any) -> None:
    wanted = replace(recipe(model, init=FIRST, steps=5, scheduler="ddim"), **changes)
    assert_same(engine, stock, wanted, monkeypatch)


@pytest.mark.parametrize("scheduler", ["euler", "ddim", "dpmpp_2m", "heun", "euler_a"])
@pytest.mark.parametrize("at", [0.5, 0.8])
def test_base_hands_over_to_refiner(engine: Any, stock: Stock, scheduler: str, at: float, monkeypatch: Any) -> None:
    wanted = recipe("sdxl", refiner=ModelRef(name="refiner"), refine_at=at, scheduler=scheduler, steps=6)
    assert_same(engine, stock, wanted, monkeypatch)


@pytest.mark.parametrize("scheduler", ["euler", "ddim", "heun"])
def test_a_picture_repainted_less_than_the_refiner_would_is_the_refiners_alone(engine: Any, scheduler: str) -> None:
    """What is left begins after the handover: the refiner starts there, from the picture with noise on it."""
    some = {"init": FIRST, "strength": 0.2, "steps": 10, "scheduler": scheduler}
    both = engine.render(recipe("sdxl", refiner=ModelRef(name="refiner"), refine_at=0.5, **some), lambda progress: True)
    alone = engine.render(recipe("refiner", **some), lambda progress: True)  # its VAE has the same weights
    assert both.pixels == alone.pixels


def test_what_the_refiner_does_not_follow_is_said(engine: Any) -> None:
    handed = recipe("sdxl", refiner=ModelRef(name="refiner"), scheduler="euler")
    said = [engine.render(replace(handed, **more), lambda progress: True).made_with.notes for more in (
        {}, {"controls": ONE}, {"freeu": FreeU()}, {"controls": ONE, "freeu": FreeU()},
    )]  # fmt: skip
    assert said[0] == ()
    assert [len(notes) for notes in said] == [0, 1, 1, 1]
    assert said[1] == (
        "The refiner's steps are guided by the prompt alone: control layers act in the steps before them.",
    )
    assert "control layers and FreeU act" in said[3][0]


def test_a_refiner_needs_an_xl_model(engine: Any) -> None:
    with pytest.raises(BadRecipe, match="refiner"):
        engine.render(recipe("sd1", refiner=ModelRef(name="refiner")), lambda progress: True)
    with pytest.raises(BadRecipe, match="refiner"):
        engine.render(recipe("sdxl", refiner=ModelRef(name="sd1")), lambda progress: True)
