"""FreeU: bit for bit what the stock pipelines give with `enable_freeu`, and nothing of it left afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from studio.core.advice import freeu_for
from studio.core.model_files import Family
from studio.core.paths import RESOURCES
from studio.core.recipe import FreeU, ModelRef, Recipe, Size
from studio.engine.protocol import RenderCancelled
from tests.engine.conftest import FIRST
from tests.engine.stock import Stock, assert_same

SMALL = Size(width=64, height=64)


def recipe(model: str, **parts: Any) -> Recipe:
    base = Recipe(prompt="a red house", negative_prompt="cat", seed=7, steps=3, exact=True, size=SMALL)
    return replace(base, model=ModelRef(name=model), **parts)


@pytest.fixture(scope="module")
def engine(make_engine: Any) -> Any:
    return make_engine()


@pytest.fixture(scope="module")
def stock(tiny_folder: Path) -> Stock:
    return Stock((tiny_folder, RESOURCES))


@pytest.mark.parametrize("model", ["sd1", "sd2", "sdxl", "mini"])
@pytest.mark.parametrize("changes", [{}, {"init": FIRST, "scheduler": "ddim"}, {"size": Size(width=96, height=64)}])
def test_as_the_stock_pipelines(engine: Any, stock: Stock, model: str, changes: Any, monkeypatch: Any) -> None:
    freeu = freeu_for(Family.MINI if model == "mini" else Family(model))
    unet = stock.base(model).unet
    unet.enable_freeu(s1=freeu.s1, s2=freeu.s2, b1=freeu.b1, b2=freeu.b2)
    try:
        assert_same(engine, stock, recipe(model, freeu=freeu, **changes), monkeypatch)
    finally:
        unet.disable_freeu()


def model_of(engine: Any, name: str) -> Any:
    return next(model for model in engine._ready.pool._kept.values() if model.name == name)


@pytest.mark.parametrize("cancelled", [False, True])
def test_nothing_stays_behind(engine: Any, cancelled: bool) -> None:
    plain = engine.render(recipe("sd1"), lambda progress: True).pixels
    blocks = model_of(engine, "sd1").unet.up_blocks
    before = [set(vars(block)) for block in blocks]
    changed = recipe("sd1", freeu=FreeU())
    if cancelled:
        with pytest.raises(RenderCancelled):
            engine.render(changed, lambda progress: progress.step < 1)
    else:
        assert engine.render(changed, lambda progress: True).pixels != plain
    assert [set(vars(block)) for block in blocks] == before
    assert engine.render(recipe("sd1"), lambda progress: True).pixels == plain
