"""Colour map guidance: every place is pulled towards the colour that a map paints there."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL.Image import Image, Resampling
from torch import Tensor
from torch.nn import functional as F

from studio.api import BadRecipe, Denoiser, Guess, Use, acts_at

from .steering import Colours, climb, pull, to_tensor

CELL_PX = 16
"""Colours are compared as means over cells of so many pixels: shapes within them stay free."""

REACH = 0.15
"""Shift of v at strength 1 (see steering.pull) where the picture is far from the map."""

FAR = 0.5
"""Root mean square distance from the map (colours in -1 ... 1) from which on the pull is whole."""


class ColourMapGuide:
    """The gradient of minus the squared distance between the predicted picture's colours and a map's."""

    def prepare(self, denoiser: Denoiser, use: Use) -> Callable[[Guess], Tensor | None]:
        """Raises `BadRecipe` without a map, or where all of it is left free."""
        picture = use.images.get("map")
        if picture is None:
            raise BadRecipe("Colour map guidance has no map.", "Give it a picture of colour blocks.")
        target, wanted = targets(picture, denoiser, str(use.values.get("free", "nothing")))
        if not bool(wanted.sum() > 0):
            raise BadRecipe(
                "The colour map leaves every place free.", "Paint something in it, or choose another “free”."
            )
        colours, scale, exact = Colours(denoiser), float(use.values["scale"]), bool(use.values["exact"])

        def guide(guess: Guess) -> Tensor | None:
            if not acts_at(guess.step, use.start, use.end):
                return None
            gradient, value = climb(lambda clean: -distance(colours(clean, guess), target, wanted), guess, exact)
            return pull(gradient, guess, REACH * scale * min(1.0, (-value) ** 0.5 / FAR))

        return guide


def targets(picture: Image, denoiser: Denoiser, free: str) -> tuple[Tensor, Tensor]:
    """The map's colours (1, 3, rows, columns) in -1 ... 1 and how much of each cell is wanted (1, 1, rows, columns)."""
    size = denoiser.size
    pixels = to_tensor(picture.resize((size.width, size.height), Resampling.BOX)).to(denoiser.device)
    wanted = torch.ones_like(pixels[:, :1])
    if free in ("black", "white"):
        distance_to_free = (pixels - (-1.0 if free == "black" else 1.0)).abs().amax(dim=1, keepdim=True)
        wanted = (distance_to_free > 0.15).float()
    grid = (max(size.height // CELL_PX, 1), max(size.width // CELL_PX, 1))
    shares = F.adaptive_avg_pool2d(wanted, grid)
    return F.adaptive_avg_pool2d(pixels * wanted, grid) / shares.clamp_min(1e-6), shares


def distance(pictures: Tensor, target: Tensor, wanted: Tensor) -> Tensor:
    """Mean squared difference of the cells' colours, cells counting as much as they are wanted."""
    rows, columns = target.shape[2:]
    seen = F.adaptive_avg_pool2d(pictures, (int(rows), int(columns)))
    return ((seen - target).square() * wanted).sum() / (3 * wanted.sum())
