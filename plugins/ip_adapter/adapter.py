"""The part that the studio sees: one layer is one reference picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diffusers.image_processor import IPAdapterMaskProcessor
from PIL import Image
from torch import Tensor

from studio.api import BadInputImage, BadRecipe, Denoiser, Steering, StepContext, Use, acts_at

from .attention import Reference, cross_attention_names, joined
from .weights import Weights

EVERYTHING = "everything"
BLOCKS = {
    "style": ("up_blocks.0.attentions.1.",),
    "layout": ("down_blocks.2.attentions.1.",),
    "style and layout": ("up_blocks.0.attentions.1.", "down_blocks.2.attentions.1."),
}
"""Where SDXL's UNet keeps what: InstantStyle (Wang et al. 2024, arXiv 2404.02733), section 3.2."""


class ReferencePicture:
    """Obeys `studio.api.Adapter`. Attention processors are put in on entering, the originals back on leaving."""

    def __init__(self) -> None:
        self._weights = Weights()

    @contextmanager
    def attach(self, denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        """Raises `ModelMissing`, `BadRecipe` or `BadInputImage` in words before anything is loaded."""
        picture = use.images.get("picture")
        if picture is None:
            raise BadInputImage("An IP-Adapter has no reference picture.", "Give its layer a picture.")
        weights = layer_weights(denoiser, str(use.values.get("takes", EVERYTHING)), use.weight)
        keys, values = self._weights.seen(picture, denoiser, use)
        if use.weight == 0:
            yield Steering()
            return
        reference = Reference(keys, values, weights, mask_of(use.images.get("mask"), denoiser))
        with joined(denoiser.unet, reference):
            always = use.start <= 0 and use.end >= 1
            yield Steering() if always else Steering(residuals=Window(reference, use.start, use.end))


class Window:
    """Tells a reference before each step whether it acts; adds nothing itself. Obeys `Steering.residuals`."""

    def __init__(self, reference: Reference, start: float, end: float) -> None:
        self._reference, self._start, self._end = reference, start, end

    def __call__(self, step: StepContext) -> None:
        self._reference.acts = acts_at(step, self._start, self._end)


def layer_weights(denoiser: Denoiser, takes: str, weight: float) -> tuple[float, ...]:
    """The weight of each cross-attention. Raises `BadRecipe` for parts of a picture with another model than SDXL."""
    names = cross_attention_names(denoiser.unet)
    if takes == EVERYTHING:
        return (weight,) * len(names)
    if takes not in BLOCKS:
        raise BadRecipe(f"“{takes}” is nothing that can be taken from a picture.", f"Choose {EVERYTHING}.")
    if denoiser.family != "sdxl":
        raise BadRecipe(
            f"Only from SDXL's layers is it known which take {takes}; “{denoiser.model}” is another model.",
            f"Let the layer take {EVERYTHING}.",
        )
    return tuple(weight if name.startswith(BLOCKS[takes]) else 0.0 for name in names)


def mask_of(picture: Image.Image | None, denoiser: Denoiser) -> Tensor | None:
    """(1, 1, height, width) of zeros and ones at the picture's size, as diffusers' mask processor makes it."""
    if picture is None:
        return None
    processor: Any = IPAdapterMaskProcessor()
    mask: Tensor = processor.preprocess(picture, height=denoiser.size.height, width=denoiser.size.width)
    return mask.to(device=denoiser.device)
