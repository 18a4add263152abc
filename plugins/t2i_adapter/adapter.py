"""A T2I-Adapter at work: its features are computed once for a picture, weighted, and given to each step in the window."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from studio.api import BadInputImage, Denoiser, ModelMissing, Steering, StepContext, UNetResiduals, Use

from .weights import Weights


class T2I:
    """The adapter for one kind of map. Obeys `studio.api.Adapter`; the UNet itself is never touched."""

    def __init__(self, kind: str, weights: Weights) -> None:
        self._kind, self._weights = kind, weights

    @contextmanager
    def attach(self, denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        """Features of `use.images["map"]`, once. Raises `ModelMissing` in words before anything is loaded."""
        network, chosen = self._weights.get(self._kind, denoiser, use)
        if "map" not in use.images:
            raise BadInputImage("A T2I-Adapter has no picture to follow.", "Give its control layer a picture.")
        if use.weight == 0:
            yield Steering()
            return
        picture = use.images["map"]
        given = features(network, picture, use.weight, denoiser)
        yield Steering(
            residuals=InWindow(given, use.start, use.end),
            notes=(*chosen, *continued(picture, network.downscale_factor)),
        )


@dataclass(frozen=True, slots=True)
class InWindow:
    """The same features at every step between `start` and `end` (fractions of the steps)."""

    features: tuple[Tensor, ...]
    start: float
    end: float

    def __call__(self, step: StepContext) -> UNetResiduals | None:
        return UNetResiduals(inner=self.features) if self.acts_at(step) else None

    def acts_at(self, step: StepContext) -> bool:
        """The first int(count * end) steps, as diffusers' `adapter_conditioning_factor` counts, from `start` on."""
        return step.index / step.count >= self.start and step.index < int(step.count * self.end)


@torch.no_grad()
def features(network: Any, picture: Image.Image, weight: float, denoiser: Denoiser) -> tuple[Tensor, ...]:
    """Mou et al. 2023, eq. 2: F_c = F_AD(C), times `weight`; one for each down block of the UNet.

    Shapes (branches, channels, height / cell, width / cell), rounded up, with the design's pixels per cell: both
    branches get the same. Raises `ModelMissing` if the weights give no finite numbers.
    """
    values = map_tensor(picture, network.config.in_channels, network.downscale_factor)
    given = network(values.to(device=denoiser.device, dtype=denoiser.dtype))
    if not all(bool(torch.isfinite(feature).all()) for feature in given):
        raise ModelMissing("The weights of a T2I-Adapter are damaged: they give no numbers.", "Fetch the file again.")
    weighted = [feature * weight for feature in given]
    return tuple(torch.cat([feature] * denoiser.branches) if denoiser.branches > 1 else feature for feature in weighted)


def continued(picture: Image.Image, factor: int) -> tuple[str, ...]:
    """A sentence for the artist where the map had to be continued to multiples of `factor`."""
    width, height = picture.width + -picture.width % factor, picture.height + -picture.height % factor
    if (width, height) == picture.size:
        return ()
    return (
        f"The T2I-Adapter reads maps in multiples of {factor} pixels: its map was continued from"
        f" {picture.width}x{picture.height} to {width}x{height} at the right and lower edge.",
    )


def map_tensor(picture: Image.Image, channels: int, factor: int) -> Tensor:
    """A map as (1, channels, height, width) in 0 ... 1, its sides continued to the next multiples of `factor`.

    The strides are those of the stock pipelines' input: convolutions choose their kernel by them, and with it the
    last bit. What continues the map lies outside the picture; rounding up the UNet's grids does the same.
    """
    array = np.asarray(picture.convert("L" if channels == 1 else "RGB"))
    array = array[..., None] if array.ndim == 2 else array
    height, width = array.shape[:2]
    if height % factor or width % factor:
        array = np.pad(array, ((0, -height % factor), (0, -width % factor), (0, 0)), mode="edge")
    return torch.from_numpy((array[None].astype(np.float32) / 255.0).transpose(0, 3, 1, 2))
