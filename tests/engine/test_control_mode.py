"""Modes of control layers: more control as diffusers' guess mode to the bit, the others by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.api import StepContext, UNetResiduals
from studio.core.choices import ControlKind, ControlMode
from studio.core.paths import RESOURCES
from studio.core.recipe import ControlUse, ModelRef, Recipe, Size
from studio.engine.diffusion.control_mode import moderated, with_prompt_only
from tests.engine.conftest import FIRST, SECOND
from tests.engine.stock import Stock, assert_same

USE = ControlUse(kind=ControlKind.SCRIBBLE, image=FIRST, weight=0.7, end=0.8)


def recipe(mode: ControlMode, model: str = "sd1", *, several: bool = False, **parts: Any) -> Recipe:
    uses = (replace(USE, mode=mode), *((replace(USE, image=SECOND, weight=1.3, mode=mode),) if several else ()))
    base = Recipe(prompt="a red house", negative_prompt="cat", seed=9, steps=5, exact=True, controls=uses)
    return replace(base, size=Size(width=64, height=64), model=ModelRef(name=model), **parts)


@pytest.fixture(scope="module")
def engine(make_engine: Any) -> Any:
    return make_engine()


@pytest.fixture(scope="module")
def stock(tiny_folder: Path) -> Stock:
    return Stock((tiny_folder, RESOURCES))


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("model", ["sd1", "sd2", "sdxl"])
def test_more_control_is_the_guess_mode_of_stock(
    engine: Any, stock: Stock, model: str, several: bool, monkeypatch: Any
) -> None:
    asked = recipe(ControlMode.MORE_CONTROL, model, several=several)
    assert_same(engine, stock, asked, monkeypatch, guess_mode=True)


def parts_of(given: UNetResiduals | None) -> list[torch.Tensor]:
    assert given is not None and given.mid is not None
    return [*given.down, given.mid]


def fake(branches: int) -> UNetResiduals:
    torch.manual_seed(1)
    return UNetResiduals(
        down=tuple(torch.randn(branches, 4, 8, 8) for _ in range(3)), mid=torch.randn(branches, 4, 2, 2),
        inner=tuple(torch.randn(branches, 4, 8, 8) for _ in range(4)),
    )  # fmt: skip


def test_only_the_guess_with_the_prompt_is_steered() -> None:
    given = fake(2)
    made = moderated(given, ControlMode.UNBALANCED, 2)
    for part, before in zip((*parts_of(made), *made.inner), (*parts_of(given), *given.inner), strict=True):
        assert torch.equal(part[1], before[1]) and not part[0].any()
    one = fake(1)  # one answer for all branches
    for part, before in zip(parts_of(moderated(one, ControlMode.UNBALANCED, 2)), parts_of(one), strict=True):
        assert part.shape[0] == 2 and torch.equal(part[1], before[0]) and not part[0].any()
    assert moderated(one, ControlMode.UNBALANCED, 1) == one, "without guidance there is one guess"


def test_soft_modes_spare_the_outer_layers() -> None:
    given, made = fake(2), moderated(fake(2), ControlMode.MORE_PROMPT, 2)
    shares = [float((part / before).mean()) for part, before in zip(parts_of(made), parts_of(given), strict=True)]
    assert shares == pytest.approx([0.1, 0.1 ** (2 / 3), 0.1 ** (1 / 3), 1.0])
    inner = [float((part / before).mean()) for part, before in zip(made.inner, given.inner, strict=True)]
    assert inner == pytest.approx([0.25, 0.25 ** (2 / 3), 0.25 ** (1 / 3), 1.0])
    assert moderated(given, ControlMode.BALANCED, 2) is given


def test_the_step_of_the_guess_with_the_prompt() -> None:
    text, latents = torch.arange(2.0)[:, None, None], torch.arange(2.0)[:, None, None, None]
    step = StepContext(
        index=0,
        count=1,
        timestep=torch.tensor(5),
        model_input=latents,
        text=text,
        added={"time_ids": torch.arange(2.0)},
    )
    seen = with_prompt_only(step)
    assert seen.added is not None
    assert [float(part) for part in (seen.text, seen.model_input, seen.added["time_ids"])] == [1.0, 1.0, 1.0]


def test_modes_make_different_pictures_and_one_without_guidance(engine: Any) -> None:
    made = {mode: engine.render(recipe(mode), lambda _: True).pixels for mode in ControlMode}
    assert len({pixels.data for pixels in made.values()}) == len(ControlMode)
    plain = [
        engine.render(recipe(mode, guidance_scale=1.0), lambda _: True).pixels
        for mode in (ControlMode.BALANCED, ControlMode.UNBALANCED)
    ]
    assert plain[0] == plain[1]


def test_a_layer_that_cannot_lead_is_told(engine: Any) -> None:
    """One guess a step: there is no difference that guidance could multiply."""
    said = {
        (mode, scale): engine.render(recipe(mode, guidance_scale=scale), lambda _: True).made_with.notes
        for mode, scale in (
            (ControlMode.UNBALANCED, 1.0),
            (ControlMode.MORE_PROMPT, 1.0),
            (ControlMode.UNBALANCED, 5.0),
        )
    }
    sentence = "scribble does not lead: without guidance nothing makes it stronger."
    assert [sentence in notes for notes in said.values()] == [True, False, False]


def test_layers_of_several_modes_work_together(engine: Any) -> None:
    both = recipe(ControlMode.BALANCED, several=True)
    mixed = replace(both, controls=(both.controls[0], replace(both.controls[1], mode=ControlMode.UNBALANCED)))
    pixels = [engine.render(one, lambda _: True).pixels for one in (both, mixed, mixed)]
    assert pixels[1] != pixels[0] and pixels[1] == pixels[2]


class PooledStock(Stock):
    """The stock pipeline whose ControlNet pools its conditions, as the published one for shuffle does."""

    def _pipeline(self, base: Any, recipe: Recipe) -> Any:
        pipeline = super()._pipeline(base, recipe)
        pipeline.controlnet.register_to_config(global_pool_conditions=True)
        return pipeline


@pytest.mark.parametrize("mode", [ControlMode.BALANCED, ControlMode.MORE_CONTROL])
def test_a_network_that_pools_steers_the_guess_with_the_prompt_only(
    make_engine: Any, tiny_folder: Path, mode: ControlMode, monkeypatch: pytest.MonkeyPatch
) -> None:
    from studio.engine.diffusion import models

    load = models.load_controlnet

    def pooled(folder: Path, dtype: Any) -> Any:
        network = load(folder, dtype)
        network.register_to_config(global_pool_conditions=True)
        return network

    monkeypatch.setattr(models, "load_controlnet", pooled)
    guess, engine = mode is ControlMode.MORE_CONTROL, make_engine()
    assert_same(engine, PooledStock((tiny_folder,)), recipe(mode), monkeypatch, guess_mode=guess)
    notes = engine.render(replace(recipe(mode), seed=10), lambda _: True).made_with.notes
    assert ["changes nothing" in note for note in notes] == [True] * guess
