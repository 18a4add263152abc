"""Guides of plugins: gradients that pull the guided guess towards a goal (Dhariwal & Nichol 2021, algorithm 2).

x_t = alpha x_0 + sigma eps with alpha^2 + sigma^2 = 1: the UNet's input, whatever the solver counts in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from studio.api import Denoiser, Guess, UNetResiduals
from studio.core.plugins import PartType
from studio.engine.answers import wrong
from studio.engine.diffusion.adapters import copied
from studio.engine.diffusion.denoise import GuidedGuess, guess_once
from studio.engine.diffusion.scaling import must_upcast, unscaled
from studio.engine.guests import Guest, Guests, Tell

ALPHA_MIN = 0.01  # below it nothing of the picture is in x_t (zero terminal SNR), and x_0 cannot be told from a guess
Gradient = Callable[[Guess], Any]  # Any: whatever a plugin gave


def noise_level(timestep: float, alphas_cumprod: Tensor) -> tuple[float, float]:
    """(alpha, sigma) at a timestep: sqrt(abar) and sqrt(1 - abar); between whole ones log(sigma / alpha) is linear.

    That is how the sigma-based solvers make fractional timesteps (Karras et al. 2022, as in k-diffusion).
    """
    abar = alphas_cumprod.double().cpu().numpy()
    timestep = min(max(timestep, 0.0), len(abar) - 1.0)
    if timestep == int(timestep):
        exact = float(abar[int(timestep)])
        return math.sqrt(exact), math.sqrt(1 - exact)
    abar = np.clip(abar, 1e-12, 1 - 1e-12)
    ratio = math.exp(float(np.interp(timestep, np.arange(len(abar)), np.log((1 - abar) / abar))))  # (sigma / alpha)^2
    return math.sqrt(1 / (1 + ratio)), math.sqrt(ratio / (1 + ratio))


def clean_of(x: Tensor, guess: Tensor, alpha: float, sigma: float, prediction_type: str) -> Tensor:
    """x_0 as a guess has it (Ho et al. 2020, eq. 15; for v Salimans & Ho 2022). Raises ZeroDivisionError at alpha 0."""
    match prediction_type:
        case "v_prediction":
            return alpha * x - sigma * guess
        case "sample":
            return guess
        case _:
            return (x - sigma * guess) / alpha


def shifted(guess: Tensor, gradient: Tensor, alpha: float, sigma: float, prediction_type: str) -> Tensor:
    """The guess whose eps is smaller by sigma * gradient, with x_t as it is.

    From x_t = alpha x_0 + sigma eps and v = alpha eps - sigma x_0: x_0 grows by sigma^2 / alpha * gradient, and v
    shrinks by sigma / alpha * gradient.
    """
    match prediction_type:
        case "v_prediction":
            return guess - (sigma / alpha) * gradient
        case "sample":
            return guess + (sigma**2 / alpha) * gradient
        case _:
            return guess - sigma * gradient


@dataclass(frozen=True, slots=True)
class Source:
    """What guesses and decodes: the UNet with what is attached to it, the VAE, and the model's noise levels.

    State: `_wide`, the VAE in 32 bits once it was needed.
    """

    unet: Any
    vae: Any
    prediction_type: str
    alphas_cumprod: Tensor
    timestep_cond: Tensor | None = None
    _wide: list[Any] = field(default_factory=list)

    def predict_clean(self, latents: Tensor, at: GuidedGuess, alpha: float, sigma: float) -> Tensor:
        """x_0 from the conditional branch alone, in float32, with a gradient with respect to `latents`."""
        step = at.context
        with torch.enable_grad():
            x = latents.float()
            text = step.text[-1:]
            added = None if step.added is None else {name: part[-1:] for name, part in step.added.items()}
            one = replace(step, model_input=x.to(text.dtype), text=text, added=added)
            guess = guess_once(self.unet, one, _last_branch(at.added), self.timestep_cond)
            return clean_of(x, guess[:, : x.shape[1]].float(), alpha, sigma, self.prediction_type)

    def decode(self, clean: Tensor) -> Tensor:
        """Pictures (1, 3, height, width) in -1 ... 1 of clean latents, in float32, with a gradient."""
        with torch.enable_grad():
            vae = self._decoder()
            pictures: Tensor = vae.decode(unscaled(vae, clean).to(vae.dtype), return_dict=False)[0]
            return pictures.float()

    def _decoder(self) -> Any:
        """The VAE, or its copy in 32 bits where it overflows in 16: a gradient needs the weights for longer than a call."""
        if not must_upcast(self.vae):
            return self.vae
        if not self._wide:
            self._wide.append(deepcopy(self.vae).float())
        return self._wide[0]


class GuidePull:
    """All guides of a recipe; obeys `denoise.Pull`. Each sees the same guess; their gradients are added in order."""

    def __init__(self, guests: Guests, guides: Sequence[tuple[Guest, Gradient]], source: Source) -> None:
        self._guests, self._guides, self._source = guests, guides, source

    def __call__(self, at: GuidedGuess) -> Tensor:
        source = self._source
        alpha, sigma = noise_level(float(at.context.timestep), source.alphas_cumprod)
        if alpha < ALPHA_MIN:
            return at.guess
        channels = at.latents.shape[1]
        guess = at.guess[:, :channels]
        total: Tensor | None = None
        for guest, guide in self._guides:
            gradient = self._gradient(guest, guide, at, guess, alpha, sigma)
            if gradient is not None:
                total = gradient if total is None else total + gradient
        if total is None:
            return at.guess
        pulled = shifted(guess, total, alpha, sigma, source.prediction_type)
        return torch.cat([pulled, at.guess[:, channels:]], dim=1)  # a learned variance stays as it is

    def _gradient(
        self, guest: Guest, guide: Gradient, at: GuidedGuess, guess: Tensor, alpha: float, sigma: float
    ) -> Tensor | None:
        source = self._source
        offered = Guess(
            step=copied(at.context),
            latents=at.latents.clone(),
            clean=clean_of(at.latents, guess, alpha, sigma, source.prediction_type).clone(),
            alpha=alpha,
            sigma=sigma,
            predict_clean=lambda latents: source.predict_clean(latents, at, alpha, sigma),
            decode=source.decode,
        )
        with self._guests.calling(guest, "guide"), torch.enable_grad():
            answer = guide(offered)
            return None if answer is None else _checked(guest, answer, at.latents)


def prepare_guides(guests: Guests, denoiser: Denoiser, source: Source, tell: Tell) -> GuidePull | None:
    """The guides of a recipe, ready for the loop; None where there is none. Raises `StudioError`."""
    ready: list[tuple[Guest, Gradient]] = []
    for guest in guests.of(PartType.GUIDE):
        tell(f"plugin {guest.plugin}")
        use = guests.use_of(guest, denoiser.size)
        with guests.calling(guest, "prepare"):
            guide = guest.does.prepare(denoiser, use)
            if not callable(guide):
                raise wrong(str(guest), "did not give a function that guides")
        ready.append((guest, guide))
    return GuidePull(guests, ready, source) if ready else None


def _last_branch(added: UNetResiduals) -> UNetResiduals:
    return UNetResiduals(
        down=tuple(tensor[-1:] for tensor in added.down),
        mid=None if added.mid is None else added.mid[-1:],
        inner=tuple(tensor[-1:] for tensor in added.inner),
    )


def _checked(guest: Guest, answer: Any, latents: Tensor) -> Tensor:
    if not isinstance(answer, Tensor) or not answer.is_floating_point():
        raise wrong(str(guest), "gave a gradient that is not a floating-point tensor")
    if answer.shape != latents.shape:
        detail = f"given {tuple(answer.shape)}, wanted {tuple(latents.shape)}"
        raise wrong(str(guest), "gave a gradient of a shape that does not fit the picture", detail)
    if not bool(torch.isfinite(answer).all()):
        raise wrong(str(guest), "gave a gradient with numbers that are NaN or infinite")
    return answer.detach().to(device=latents.device, dtype=latents.dtype)
