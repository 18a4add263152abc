"""The Recipe says no to everything that could not be made into a picture, in one sentence."""

import pickle
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from studio.core.choices import ControlKind, Spacing
from studio.core.errors import BadRecipe
from studio.core.recipe import SEED_MAX, ControlUse, FreeU, ImageRef, ModelRef, Recipe, Size

DIGEST = "ab" * 32
RECIPE = Recipe(prompt="a red house", seed=SEED_MAX)
CONTROL = ControlUse(kind=ControlKind.SCRIBBLE, image=ImageRef(digest=DIGEST))


def test_is_frozen_hashable_and_picklable() -> None:
    recipe = replace(RECIPE, controls=(CONTROL,))
    with pytest.raises(FrozenInstanceError):
        recipe.seed = 1  # type: ignore[misc]
    assert hash(recipe) == hash(replace(recipe))
    assert pickle.loads(pickle.dumps(recipe)) == recipe


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": SEED_MAX + 1}, "seed"),
        ({"seed": True}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"steps": 0}, "steps"),
        ({"steps": 1001}, "steps"),
        ({"guidance_scale": float("nan")}, "guidance"),
        ({"guidance_scale": float("inf")}, "guidance"),
        ({"guidance_scale": -0.1}, "guidance"),
        ({"size": Size(width=250, height=256)}, "multiple of 8"),
        ({"size": Size(width=256, height=4096)}, "height"),
        ({"scheduler": "magic"}, "scheduler"),
        ({"scheduler": "euler_a", "spacing": Spacing.KARRAS}, "Euler a"),
        ({"model": ModelRef(name=" ")}, "model"),
        ({"prompt": "x" * 20_001}, "prompt"),
        ({"controls": (CONTROL,) * 9}, "control layers"),
        ({"init": ImageRef(digest="x")}, "SHA-256"),
        ({"strength": 1.01}, "strength"),
        ({"clip_skip": 12}, "CLIP"),
        ({"guidance_rescale": -0.1}, "rescale"),
        ({"refine_at": float("nan")}, "refiner"),
        ({"refiner": ModelRef(name="")}, "refiner"),
        ({"vae": ModelRef(name=" ")}, "VAE"),
        ({"freeu": FreeU(b2=2.1)}, "FreeU factor b2"),
        ({"freeu": FreeU(s1=0.0)}, "FreeU factor s1"),
        ({"tiling": "both"}, "tiling"),
        ({"model": ModelRef(name="a", sha256="x")}, "SHA-256"),
        ({"controls": (replace(CONTROL, weight=5.0),)}, "weight"),
        ({"controls": (replace(CONTROL, start=0.8, end=0.2),)}, "ends"),
        ({"controls": (replace(CONTROL, low=256),)}, "Canny"),
        ({"controls": (replace(CONTROL, image=ImageRef(digest="../../x")),)}, "SHA-256"),
    ],
)
def test_refuses_in_words(change: dict[str, object], words: str) -> None:
    with pytest.raises(BadRecipe) as error:
        replace(RECIPE, **change)
    assert words in error.value.headline
    assert "Traceback" not in str(error.value)


def test_every_field_is_plain_to_the_bottom() -> None:
    for field in fields(Recipe):
        value = getattr(replace(RECIPE, controls=(CONTROL,)), field.name)
        assert value is None or isinstance(value, str | int | float | bool | tuple | Size | ModelRef), field.name


def test_names_every_input_picture_once() -> None:
    other = ImageRef(digest="cd" * 32)
    recipe = replace(RECIPE, init=other, controls=(CONTROL, replace(CONTROL, image=other)))
    assert recipe.pictures == (other, CONTROL.image)
