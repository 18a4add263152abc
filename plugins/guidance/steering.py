"""What the three guides have in common: how strong a gradient becomes, and how latents are seen in colour.

Knows no networks and no goals.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor
from torch.nn import functional as F

from studio.api import Denoiser, Guess

ALPHA_MIN, SIGMA_MIN = 1e-3, 1e-4
AMPLIFIED = 4096.0
"""How much larger a gradient flows back (Micikevicius et al. 2018, section 3.2): that of one pixel of many is too small for
16-bit floats. A power of two: in 32 bits nothing changes but the exponent."""


def pull(gradient: Tensor, guess: Guess, shift: float) -> Tensor | None:
    """The gradient with the length that suits the noise level; None where there is none or nothing to do.

    `shift`: root mean square by which the prediction v = alpha eps - sigma x_0 is to be shifted.

    A gradient of log p is a thousand times longer at one noise level than at another, so only its direction is kept.
    Its root mean square becomes shift * alpha / sigma. In eps - sigma g this moves eps by alpha, x_0 by sigma and v by
    1 times `shift`: colours and places early on, fine grain late, and never without bound at either end, where eps or
    x_0 alone say nothing.
    """
    size = float(gradient.square().mean().sqrt())
    if shift <= 0 or size == 0 or guess.alpha < ALPHA_MIN or guess.sigma < SIGMA_MIN:
        return None
    return gradient * (shift * guess.alpha / (guess.sigma * size))


def climb(goal: Callable[[Tensor], Tensor], guess: Guess, exact: bool) -> tuple[Tensor, float]:
    """The gradient with respect to x_t of a goal that is a function of the clean latents, and the goal's value.

    Nichol et al. 2022 (GLIDE), section 3: x_0 is predicted, looked at, and the gradient followed back. `exact` follows
    it through the model; else the guessed noise is taken as fixed, so that x_0 = (x_t - sigma eps) / alpha has the
    derivative 1 / alpha, and the model is not asked again.
    """
    with torch.enable_grad():
        if exact:
            place = guess.latents.detach().requires_grad_()
            value = goal(guess.predict_clean(place))
            slope = 1.0
        else:
            place = guess.clean.detach().requires_grad_()
            value = goal(place)
            slope = 1.0 / max(guess.alpha, ALPHA_MIN)
        (gradient,) = torch.autograd.grad(value * AMPLIFIED, place, retain_graph=True)
        if not bool(torch.isfinite(gradient).all()):
            (gradient,) = torch.autograd.grad(value, place)  # too much for 16 bits
            return gradient * slope, float(value.detach())
    return gradient / AMPLIFIED * slope, float(value.detach())


class Colours:
    """Clean latents to pictures: by the model's linear preview where it has one, else by the whole decoder.

    The preview is a matrix from a latent cell to grid x grid pixels: no decoder runs forwards and backwards at each
    step, and it has no texture in which a gradient could hide what no eye sees.
    """

    def __init__(self, denoiser: Denoiser) -> None:
        table = _preview(denoiser.model_folder / "preview.json", int(denoiser.unet.config.in_channels))
        self.grid = 0
        if table is not None:
            self.grid = int(table["grid"])
            # Rows come as (row, column, colour); a pixel shuffle wants (colour, row, column).
            order = torch.arange(self.grid**2 * 3).view(self.grid**2, 3).T.flatten()
            self.weight = torch.tensor(table["matrix"], device=denoiser.device)[order]
            self.bias = torch.tensor(table["bias"], device=denoiser.device)[order]

    def __call__(self, clean: Tensor, guess: Guess) -> Tensor:
        """Pictures (1, 3, height, width) in about -1 ... 1 of latents (1, channels, h, w); differentiable."""
        if not self.grid:
            return guess.decode(clean)
        values = torch.einsum("oc,nchw->nohw", self.weight, clean) + self.bias[:, None, None]
        return F.pixel_shuffle(values, self.grid)


def _preview(file: Path, channels: int) -> dict[str, Any] | None:  # Any: JSON values
    try:
        table: dict[str, Any] = json.loads(file.read_text("utf-8"))
        rows = int(table["grid"]) ** 2 * 3
        fits = len(table["matrix"]) == rows == len(table["bias"])
        return table if fits and all(len(row) == channels for row in table["matrix"]) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None  # a model without a preview has its decoder


def to_tensor(picture: Image) -> Tensor:
    """Pictures (1, 3, height, width) in -1 ... 1 of one picture in RGB."""
    width, height = picture.size
    values = torch.frombuffer(bytearray(picture.convert("RGB").tobytes()), dtype=torch.uint8)
    return values.view(1, height, width, 3).permute(0, 3, 1, 2).float() / 127.5 - 1
