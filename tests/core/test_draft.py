"""A draft becomes recipes: an open seed is drawn once, n pictures are n recipes."""

import random
from dataclasses import replace

import pytest

from studio.core.choices import ControlKind
from studio.core.draft import ControlLayer, Draft, draft_of, expand
from studio.core.errors import BadRecipe
from studio.core.recipe import SEED_MAX, ControlUse, ImageRef

USE = ControlUse(kind=ControlKind.CANNY, image=ImageRef(digest="cd" * 32))


def test_a_batch_is_recipes_with_consecutive_seeds() -> None:
    assert [r.seed for r in expand(Draft(seed=7, count=3), random.Random(0))] == [7, 8, 9]


def test_seeds_wrap_at_the_end() -> None:
    assert [r.seed for r in expand(Draft(seed=SEED_MAX, count=2), random.Random(0))] == [SEED_MAX, 0]


def test_an_open_seed_is_drawn_from_the_whole_range() -> None:
    seeds = [expand(Draft(), random.Random(i))[0].seed for i in range(200)]
    assert len(set(seeds)) == 200
    assert max(seeds) > 2**31


def test_layers_switched_off_do_not_reach_the_recipe() -> None:
    layers = (ControlLayer(use=USE), ControlLayer(use=replace(USE, weight=0.5), enabled=False))
    assert expand(Draft(controls=layers), random.Random(0))[0].controls == (USE,)


def test_a_recipe_comes_back_to_the_panels_and_gives_itself() -> None:
    recipe = expand(Draft(prompt="a cat", count=1, controls=(ControlLayer(use=USE),)), random.Random(3))[0]
    assert expand(draft_of(recipe), random.Random(9)) == (recipe,)


@pytest.mark.parametrize("count", [0, -1, 65])
def test_refuses_a_count_out_of_range(count: int) -> None:
    with pytest.raises(BadRecipe, match="number of pictures"):
        expand(Draft(count=count), random.Random(0))
