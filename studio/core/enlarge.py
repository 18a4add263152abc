"""A second pass at a larger size: the picture itself is what the larger one begins with, so that only detail is new."""

from __future__ import annotations

from dataclasses import replace

from studio.core.errors import BadRecipe
from studio.core.library import Link, LinkKind
from studio.core.picture import Picture
from studio.core.plugins import PartType
from studio.core.recipe import SIDE_MAX, SIDE_MIN, ImageRef, Recipe, Size

FACTORS = (1.5, 2.0)
STRENGTH = 0.35  # enough to paint detail, too little to move anything
GRID = 16  # sides become multiples of it: the coarsest autoencoder we know reduces 16 times


def enlarged_size(picture: Picture, factor: float) -> Size:
    """The size `factor` times that of a picture, to the nearest multiple of 16. Raises `BadRecipe` in words."""
    if picture.made_with.sheet:
        raise BadRecipe("This is a sheet of several pictures.", "Enlarge one of its pictures: each is in the history.")
    width, height = (round(side * factor / GRID) * GRID for side in (picture.width, picture.height))
    if max(width, height) > SIDE_MAX:
        raise BadRecipe(f"That would be {width} × {height}; at most {SIDE_MAX} a side can be made.")
    if min(width, height) < SIDE_MIN:
        raise BadRecipe(f"That would be {width} × {height}; at least {SIDE_MIN} a side is needed.")
    return Size(width=width, height=height)


def enlarged(picture: Picture, factor: float, init: ImageRef, strength: float = STRENGTH) -> Recipe:
    """The recipe of the larger picture: the same in everything but that it begins with `init`, the picture's pixels.

    Picture tools of plugins are left out: what they did is in the pixels already. Raises `BadRecipe`.
    """
    kept = tuple(use for use in picture.recipe.plugins if use.type != PartType.PICTURE_TOOL)
    size = enlarged_size(picture, factor)
    return replace(picture.recipe, size=size, init=init, strength=strength, plugins=kept)


def enlarged_parents(picture: Picture) -> tuple[Link, ...]:
    """What the larger picture came from: the picture, and what steers both."""
    steering = (link for link in picture.parents if link.kind is LinkKind.CONTROL)
    return (Link(kind=LinkKind.UPSCALED, parent=picture.id), *steering)


def enlarged_seconds(picture: Picture, factor: float, strength: float) -> float | None:
    """About how long it takes, from what the picture took; None where that is not known.

    The steps that run grow with `strength`, each costs with the number of pixels; attention makes it a little more.
    """
    seconds = picture.made_with.seconds
    return seconds * factor**2 * max(strength, 1 / picture.recipe.steps) if seconds > 0 else None
