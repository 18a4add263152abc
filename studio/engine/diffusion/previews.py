"""The live preview: a picture of what the latents are becoming, by a tiny decoder now and then, else by one matrix product."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from studio.core.pixels import Pixels
from studio.engine.diffusion.denoise import StepResult

PER_SECOND = 15.0
SHARE = 0.02  # of the loop's time, for a tiny decoder
CALM_SECONDS = 0.5
# Red, green and blue in -1 ... 1 for each of the four latent channels of SD 1.x and 2.x: a well-known linear fit.
_SD1 = ((0.298, 0.207, 0.208), (0.187, 0.286, 0.173), (-0.158, 0.189, 0.264), (-0.184, -0.271, -0.473))


# The same for SDXL, whose four channels mean something else: its first is brightness.
_XL = ((0.3651, 0.4232, 0.4341), (-0.2533, -0.0042, 0.1068), (0.1076, 0.1111, -0.0362), (-0.3165, -0.2492, -0.2188))
_XL_BIAS = (0.1084, -0.0175, -0.0011)


@dataclass(frozen=True, slots=True)
class LatentToRGB:
    """A linear map from latent channels to k x k sub-pixels: `weight` (k * k * 3, channels), `bias` (k * k * 3).

    Rows are in the order (y, x, colour) of a pixel shuffle; values come out in -1 ... 1.
    """

    k: int
    weight: np.ndarray[Any, np.dtype[np.float32]]
    bias: np.ndarray[Any, np.dtype[np.float32]]

    def __call__(self, latents: Tensor) -> Pixels:
        """A picture k times the size of latents (1, channels, height, width)."""
        channels, height, width = latents.shape[1:]
        flat = np.nan_to_num(latents[0].float().cpu().numpy().reshape(channels, height * width))
        values = self.weight @ flat + self.bias[:, None]
        shuffled = values.reshape(self.k, self.k, 3, height, width).transpose(3, 0, 4, 1, 2)
        data = ((shuffled * 0.5 + 0.5).clip(0, 1) * 255).round().astype(np.uint8)
        return Pixels(width=width * self.k, height=height * self.k, data=data.tobytes())


def load_preview(model_folder: Path, latent_channels: int, xl: bool = False) -> LatentToRGB | None:
    """The map of a model: its preview.json, else the known one for SD's or SDXL's four channels, else None."""
    file = model_folder / "preview.json"
    try:
        table = json.loads(file.read_text("utf-8"))
        k, weight = int(table["grid"]), np.asarray(table["matrix"], np.float32)
        bias = np.asarray(table["bias"], np.float32)
        if weight.shape == (k * k * 3, latent_channels) and bias.shape == (k * k * 3,):
            return LatentToRGB(k, weight, bias)
    except (OSError, ValueError, TypeError, KeyError):
        pass  # a preview is a comfort: without a usable file there is the known map, or none
    if latent_channels == len(_SD1):
        known, shift = (_XL, _XL_BIAS) if xl else (_SD1, (0.0, 0.0, 0.0))
        return LatentToRGB(1, np.asarray(known, np.float32).T.copy(), np.asarray(shift, np.float32))
    return None


class Tiny(Protocol):
    """A small decoder; see `tiny.TinyDecoder`."""

    @property
    def broken(self) -> bool: ...
    def seconds(self, latents: Tensor) -> float: ...
    def doubt(self) -> None: ...
    def __call__(self, latents: Tensor) -> Pixels | None: ...


class Previewer:
    """Makes previews of the predicted clean picture, at most `PER_SECOND` of them.

    A tiny decoder makes those that it can within `SHARE` of the time since the loop began, and the first one that it ever
    makes: only then is known what one costs. The others are linear, but not so soon after a sharp one that the eye would
    see it flicker. Mutable state: `_next` and `_calm_until`, when the next preview, and linear one, may come; `_spent`.
    """

    def __init__(
        self,
        to_rgb: LatentToRGB | None,
        prediction_type: str,
        alphas_cumprod: Tensor,
        tiny: Tiny | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._to_rgb, self._prediction_type, self._tiny = to_rgb, prediction_type, tiny
        self._alphas = alphas_cumprod.float().cpu().numpy()
        self._clock = clock
        self._began = clock()
        self._next = self._calm_until = self._spent = 0.0

    def __call__(self, result: StepResult) -> Pixels | None:
        now = self._clock()
        if (self._to_rgb is None and self._tiny is None) or now < self._next:
            return None
        self._next = now + 1.0 / PER_SECOND
        if self._tiny is not None and self._affords(self._tiny, result.latents, now):
            sharp = self._tiny(self.clean(result))
            self._spent += self._clock() - now
            if sharp is not None:
                self._calm_until = self._clock() + CALM_SECONDS
                return sharp
        if self._to_rgb is None or now < self._calm_until:
            return None
        return self._to_rgb(self.clean(result))

    def _affords(self, tiny: Tiny, latents: Tensor, now: float) -> bool:
        cost = tiny.seconds(latents)
        if tiny.broken or cost == 0.0 or self._spent + cost <= SHARE * (now - self._began):
            return not tiny.broken
        tiny.doubt()
        return False

    def clean(self, result: StepResult) -> Tensor:
        """x_0 as the guess has it (Ho et al. 2020, eq. 15; Salimans & Ho 2022 for v).

        The UNet's input is sqrt(abar) x_0 + sqrt(1 - abar) eps for every solver, whatever it counts in.
        """
        x: Tensor = result.context.model_input[-1:].float()
        guess: Tensor = result.guess[:, : x.shape[1]].float()
        times = np.arange(len(self._alphas))
        abar = float(np.interp(float(result.context.timestep), times, self._alphas))
        signal, sigma = math.sqrt(abar), math.sqrt(1 - abar)
        match self._prediction_type:
            case "v_prediction":
                clean = signal * x - sigma * guess
            case "sample":
                clean = guess
            case _:
                clean = (x - sigma * guess) / max(signal, 1e-3)
        return clean
