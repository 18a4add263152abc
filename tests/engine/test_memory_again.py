"""A lack of memory that passed: after some pictures a better level is tried once, and seldom where that fails."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch

from studio.engine.diffusion import engine as engine_module
from studio.engine.diffusion.experience import PATIENCE, PATIENCE_MAX, Experience
from studio.engine.diffusion.placement import WORDS, Level
from tests.engine.by_hand import RECIPE, go_on

LEVELS = tuple(Level)
DEMAND = ("a model", "a size")


def lacking(experience: Experience, *failing: Level, count: int, levels: tuple[Level, ...] = LEVELS) -> list[Level]:
    """The levels of all attempts while so many pictures are made, where these levels lack memory."""
    tried: list[Level] = []
    for _ in range(count):
        level = experience.begin(DEMAND, levels[0], levels)
        tried.append(level)
        while level in failing:
            slower = experience.lacked(DEMAND, level, levels)
            assert slower is not None
            tried.append(level := slower)
        experience.made(DEMAND, level, levels)
    return tried


def test_what_passed_is_forgotten_level_by_level() -> None:
    experience = Experience()
    assert lacking(experience, Level.WHOLE, Level.TILES, Level.EIGHT, Level.PARTS, count=1) == list(Level)
    assert lacking(experience, count=PATIENCE) == [Level.LAYERS] * (PATIENCE - 1) + [Level.PARTS]
    assert lacking(experience, count=PATIENCE + 1) == [Level.PARTS] * PATIENCE + [Level.TILES], (
        "bits are not lost for it"
    )
    assert lacking(experience, count=PATIENCE + 3) == [Level.TILES] * PATIENCE + [Level.WHOLE] * 3
    assert experience.levels == {}


def test_what_stays_is_tried_less_and_less() -> None:
    experience, short = Experience(), (Level.WHOLE, Level.TILES)
    assert lacking(experience, *short, count=1)[-1] is Level.EIGHT
    tried = lacking(experience, *short, count=1000)
    at = [number for number, level in enumerate(tried) if level is Level.TILES]
    assert tried.count(Level.WHOLE) == 0
    assert [later - earlier for earlier, later in pairwise(at)][:3] == [
        2 * PATIENCE + 1, 4 * PATIENCE + 1, 8 * PATIENCE + 1,
    ]  # fmt: skip
    assert len(at) <= 1000 // PATIENCE_MAX + 5
    assert all(tried[number + 1] is Level.EIGHT for number in at), "back to what was learnt, at once"


def test_a_failed_attempt_goes_back_to_what_was_learnt() -> None:
    experience = Experience()
    lacking(experience, Level.WHOLE, Level.TILES, Level.EIGHT, count=PATIENCE)
    assert lacking(experience, Level.WHOLE, Level.TILES, Level.EIGHT, count=1) == [Level.TILES, Level.PARTS]


def test_nothing_is_tried_that_is_foreseen_to_fail() -> None:
    """A processor's system ends the program instead of refusing."""
    experience, levels = Experience(), (Level.WHOLE, Level.TILES)
    lacking(experience, Level.WHOLE, count=PATIENCE, levels=levels)
    assert experience.begin(DEMAND, Level.TILES, levels) is Level.TILES
    assert experience.begin(DEMAND, Level.WHOLE, levels) is Level.WHOLE


def test_when_nothing_helped_the_next_one_begins_anew() -> None:
    experience, levels = Experience(), (Level.WHOLE, Level.TILES)
    assert experience.lacked(DEMAND, Level.WHOLE, levels) is Level.TILES
    assert experience.lacked(DEMAND, Level.TILES, levels) is None
    assert experience.levels == {} and experience.begin(DEMAND, Level.WHOLE, levels) is Level.WHOLE


def test_an_engine_is_as_quick_as_before_when_the_lack_has_passed(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    forward, fails = UNet2DConditionModel.forward, [1]

    def once(self: Any, *args: Any, **kwargs: Any) -> Any:
        if fails:
            fails.pop()
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(UNet2DConditionModel, "forward", once)
    notes = [engine.render(replace(RECIPE, seed=seed, steps=1), go_on).made_with.notes for seed in range(PATIENCE + 2)]
    assert notes == [(WORDS[Level.TILES],)] * PATIENCE + [()] * 2
    assert engine._learnt.levels == {}


def test_a_picture_that_was_there_already_teaches_nothing(engine: Any) -> None:
    engine._learnt.lacked(engine_module._demand(RECIPE), Level.WHOLE, (Level.WHOLE, Level.TILES))
    for again in range(2 * PATIENCE):
        assert engine.render(RECIPE, go_on).reused == (again > 0)
