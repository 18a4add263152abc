"""The denoising loop: noise -> [guess, guide, step] x n -> latents, with five seams for all that may steer it.

Knows tensors and small protocols; not recipes, files, models' folders or windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from studio.api import StepContext, UNetResiduals


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What is known after one step."""

    context: StepContext
    guess: Tensor  # (1, channels or twice as many, ...): epsilon, v or sample, guided
    latents: Tensor  # (1, channels, ...): x at the next, lower noise level


class Residuals(Protocol):
    """Seam 1: a network beside the UNet. None: nothing to add at this step, and nothing was computed."""

    def __call__(self, step: StepContext) -> UNetResiduals | None: ...


Attention = AbstractContextManager[Any]  # seam 2: attention processors or weights, in place while the loop runs


class Guidance(Protocol):
    """Seam 3: how the guesses of the branches become one. `branches` copies of the latents are guessed at once."""

    @property
    def branches(self) -> int: ...

    def __call__(self, guesses: Tensor, step: StepContext) -> Tensor: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidedGuess:
    """The guess of one step after guidance, and what it was made from."""

    context: StepContext
    latents: Tensor  # (1, channels, ...) float32: x_t = alpha x_0 + sigma eps, scaled as the UNet wants it
    guess: Tensor  # (1, channels or twice as many, ...) float32
    added: UNetResiduals  # what was added inside the UNet


class Pull(Protocol):
    """Seam 4: moves the guided guess towards a goal."""

    def __call__(self, at: GuidedGuess) -> Tensor:
        """The guess to step with, in the shape of `at.guess`."""
        ...


class AfterStep(Protocol):
    """Seam 5: sees each step's result and gives the latents to go on with. May raise to end the loop."""

    def __call__(self, result: StepResult) -> Tensor: ...


class Sampler(Protocol):
    """A numerical solver of the reverse process, set to its steps."""

    @property
    def timesteps(self) -> Tensor: ...

    def scale(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """Latents as the UNet wants them: divided by sqrt(sigma^2 + 1) where the solver counts in sigmas."""
        ...

    def step(self, guess: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
        """x at the next noise level."""
        ...


@dataclass(frozen=True, slots=True)
class Unguided:
    """One branch, its guess as it is."""

    branches: int = 1

    def __call__(self, guesses: Tensor, step: StepContext) -> Tensor:
        return guesses


@dataclass(frozen=True, slots=True)
class ClassifierFree:
    """Ho & Salimans 2022, eq. 6, in the form eps_uncond + s (eps_cond - eps_uncond): s = 1 + w of the paper.

    `rescale` is phi of Lin et al. 2023, section 3.4: so far the guess gets the spread of the conditional one back.
    """

    scale: float
    branches: int = 2
    rescale: float = 0.0

    def __call__(self, guesses: Tensor, step: StepContext) -> Tensor:
        unconditional, conditional = guesses.chunk(2)
        guided: Tensor = unconditional + self.scale * (conditional - unconditional)
        if self.rescale == 0.0:
            return guided
        axes = list(range(1, guided.ndim))
        spread = conditional.std(dim=axes, keepdim=True) / guided.std(dim=axes, keepdim=True)
        return self.rescale * (guided * spread) + (1 - self.rescale) * guided


@torch.no_grad()
def denoise(
    unet: Any,  # UNet2DConditionModel: diffusers' classes are not typed
    sampler: Sampler,
    latents: Tensor,
    text: Tensor,
    *,
    guidance: Guidance,
    residuals: Sequence[Residuals] = (),
    attention: Attention | None = None,
    pull: Pull | None = None,
    after_step: Sequence[AfterStep] = (),
    timestep_cond: Tensor | None = None,
    added: Mapping[str, Tensor] | None = None,
) -> Tensor:
    """Latents without noise from latents at the sampler's first noise level (for text-to-image: pure noise).

    `latents` (1, channels, height / f, width / f) in float32: the solver works in float32 whatever the UNet's type.
    `text` (guidance.branches, tokens, features) in the UNet's type. `timestep_cond` is for distilled UNets only,
    `added` for SDXL's (see `StepContext`).
    """
    told = sampler.timesteps  # the solver's are on the host: it looks numbers up by them, and nobody waits for a device
    timesteps = on_device(told, latents.device)
    with attention or nullcontext():
        for index, timestep in enumerate(timesteps):
            copies = torch.cat([latents] * guidance.branches) if guidance.branches > 1 else latents
            scaled = sampler.scale(copies, told[index])
            model_input = scaled.to(text.dtype)
            step = StepContext(
                index=index, count=len(timesteps), timestep=timestep, model_input=model_input, text=text, added=added
            )
            beside = total([source(step) for source in residuals])
            guess = guidance(guess_once(unet, step, beside, timestep_cond).float(), step)
            if pull is not None:
                guess = pull(GuidedGuess(context=step, latents=scaled[-1:].float(), guess=guess, added=beside))
            latents = sampler.step(guess, told[index], latents)
            for look in after_step:
                latents = look(StepResult(context=step, guess=guess, latents=latents))
    return latents


def on_device(timesteps: Tensor, device: torch.device) -> Tensor:
    """Timesteps where the UNet is; Apple's GPUs know no 64-bit floats."""
    if device.type == "mps" and timesteps.dtype == torch.float64:
        timesteps = timesteps.float()
    return timesteps.to(device)


def total(parts: Sequence[UNetResiduals | None]) -> UNetResiduals:
    """The sum of what several networks add, in their order (floating-point sums depend on it).

    The shapes were checked before; only T2I-Adapters may differ in number: some add to the middle of the UNet as well.
    """
    sum_ = UNetResiduals()
    for part in parts:
        if part is not None:
            mid = part.mid if sum_.mid is None else sum_.mid if part.mid is None else sum_.mid + part.mid
            sum_ = UNetResiduals(down=_add(sum_.down, part.down), mid=mid, inner=_add(sum_.inner, part.inner))
    return sum_


def _add(left: tuple[Tensor, ...], right: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    if not (left and right):
        return left or right
    longer = left if len(left) >= len(right) else right
    shared = min(len(left), len(right))
    return (*(a + b for a, b in zip(left[:shared], right[:shared], strict=True)), *longer[shared:])


def guess_once(unet: Any, step: StepContext, add: UNetResiduals, timestep_cond: Tensor | None) -> Tensor:
    """One call of the UNet: (branches, channels or twice as many, height / f, width / f)."""
    guess: Tensor = unet(
        step.model_input,
        step.timestep,
        encoder_hidden_states=step.text,
        timestep_cond=timestep_cond,
        added_cond_kwargs=None if step.added is None else dict(step.added),
        down_block_additional_residuals=add.down or None,
        mid_block_additional_residual=add.mid,
        down_intrablock_additional_residuals=list(add.inner) or None,  # a new list: the UNet empties it
        return_dict=False,
    )[0]
    return guess
