"""Scheduler ids and spacings to diffusers' classes, and the sampler that the loop steps with.

Noise schedule, prediction type, zero terminal SNR and time spacing come from the model's own scheduler config.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.core.choices import Spacing
from studio.core.errors import BadRecipe
from studio.core.schedulers import scheduler_name

_LEARNED = ("learned", "learned_range")


@dataclass(frozen=True, slots=True)
class _Kind:
    module: str  # below diffusers.schedulers; imported at first use
    name: str
    options: tuple[tuple[str, Any], ...] = ()


def _multistep(algorithm: str, order: int) -> _Kind:
    options = (("algorithm_type", algorithm), ("solver_order", order))
    return _Kind("scheduling_dpmsolver_multistep", "DPMSolverMultistepScheduler", options)


_KINDS = {
    "dpmpp_2m": _multistep("dpmsolver++", 2),
    "dpmpp_2m_sde": _multistep("sde-dpmsolver++", 2),
    "dpmpp_3m": _multistep("dpmsolver++", 3),
    "dpmpp_sde": _Kind("scheduling_dpmsolver_sde", "DPMSolverSDEScheduler"),
    "dpmpp_2s": _Kind(
        "scheduling_dpmsolver_singlestep",
        "DPMSolverSinglestepScheduler",
        (("algorithm_type", "dpmsolver++"), ("solver_order", 2)),
    ),
    "dpm_2": _Kind("scheduling_k_dpm_2_discrete", "KDPM2DiscreteScheduler"),
    "dpm_2_a": _Kind("scheduling_k_dpm_2_ancestral_discrete", "KDPM2AncestralDiscreteScheduler"),
    "euler": _Kind("scheduling_euler_discrete", "EulerDiscreteScheduler"),
    "euler_a": _Kind("scheduling_euler_ancestral_discrete", "EulerAncestralDiscreteScheduler"),
    "heun": _Kind("scheduling_heun_discrete", "HeunDiscreteScheduler"),
    "lms": _Kind("scheduling_lms_discrete", "LMSDiscreteScheduler"),
    "ddim": _Kind("scheduling_ddim", "DDIMScheduler"),
    "ddpm": _Kind("scheduling_ddpm", "DDPMScheduler"),
    "pndm": _Kind("scheduling_pndm", "PNDMScheduler", (("skip_prk_steps", True),)),
    "deis": _Kind("scheduling_deis_multistep", "DEISMultistepScheduler"),
    "unipc": _Kind("scheduling_unipc_multistep", "UniPCMultistepScheduler"),
    "sa_solver": _Kind("scheduling_sasolver", "SASolverScheduler"),
    "lcm": _Kind("scheduling_lcm", "LCMScheduler"),
    "tcd": _Kind("scheduling_tcd", "TCDScheduler"),
}

_SIGMA_FLAGS = {
    Spacing.KARRAS: "use_karras_sigmas",
    Spacing.EXPONENTIAL: "use_exponential_sigmas",
    Spacing.BETA: "use_beta_sigmas",
}


def make_scheduler(
    config: Mapping[str, Any], id: str, spacing: Spacing, *, seed: int | None = None, learns_variance: bool = False
) -> Any:
    """A fresh diffusers scheduler from a model's scheduler config.

    `seed` is for solvers with a noise source of their own (DPM++ SDE's Brownian tree). `learns_variance`: the UNet
    has twice the channels (Nichol & Dhariwal 2021); DDPM then uses its variance, all others only its mean.
    """
    kind = _KINDS[id]
    scheduler_class = getattr(importlib.import_module(f"diffusers.schedulers.{kind.module}"), kind.name)
    options = dict(kind.options) | _spacing_options(spacing)
    options |= {"noise_sampler_seed": seed, "variance_type": _variance_type(config, id, learns_variance)}
    # The two repairs that every stock Stable Diffusion pipeline makes to the configs of old models.
    options |= {"steps_offset": 1, "clip_sample": False}
    known = inspect.signature(scheduler_class.__init__).parameters
    return scheduler_class.from_config(
        dict(config), **{name: value for name, value in options.items() if name in known and value is not _ABSENT}
    )


_ABSENT = object()


def _spacing_options(spacing: Spacing) -> dict[str, Any]:
    """NORMAL leaves all to the model's config; any other choice replaces what stands there."""
    if spacing is Spacing.NORMAL:
        return {}
    options: dict[str, Any] = {flag: flag == _SIGMA_FLAGS.get(spacing) for flag in _SIGMA_FLAGS.values()}
    if spacing is Spacing.TRAILING:
        options["timestep_spacing"] = "trailing"
    return options


def _variance_type(config: Mapping[str, Any], id: str, learns_variance: bool) -> object:
    given = config.get("variance_type", _ABSENT)
    if id == "ddpm":
        if learns_variance:
            return given if given in _LEARNED else "learned_range"
        return "fixed_small" if given in _LEARNED else given
    # Diffusers' solvers would cut the guess to three channels here; the sampler has taken the mean before.
    return None if given in _LEARNED else given


class DiffusersSampler:
    """A diffusers scheduler set to `steps` steps, with the random numbers of `generator` (a CPU generator).

    Obeys `denoise.Sampler`. Steps with what each `step` method asks for, as the stock pipelines do: eta = 0.
    """

    def __init__(self, scheduler: Any, steps: int, device: torch.device, generator: torch.Generator) -> None:
        scheduler.set_timesteps(steps, device=device)
        self._scheduler, self._steps = scheduler, steps
        self._first = 0
        self._end: int | None = None
        asked = inspect.signature(scheduler.step).parameters
        self._extra = {k: v for k, v in {"eta": 0.0, "generator": generator}.items() if k in asked}
        self._takes_variance = vars(scheduler).get("variance_type") in _LEARNED  # only DDPM has it beside its config

    def leaves_zero_snr(self, config: Mapping[str, Any]) -> bool:
        """Whether a model with this config ends in pure noise (Lin et al. 2023) where this solver cannot begin."""
        flag = "rescale_betas_zero_snr"
        return bool(config.get(flag)) and flag not in inspect.signature(type(self._scheduler).__init__).parameters

    @property
    def timesteps(self) -> Tensor:
        timesteps: Tensor = self._scheduler.timesteps[self._first : self._end]
        return timesteps

    def repaint(self, strength: float) -> None:
        """Begin so late that about `strength` of the steps are left, one at least (Meng et al. 2022); later still where
        another model's steps come before."""
        left = min(max(int(self._steps * strength), 1), self._steps)
        self._begin_at(max((self._steps - left) * self._order, self._first))

    def stop_at(self, part: float) -> None:
        """End where `part` of the noise levels are behind: another model goes on from there (SDXL's base)."""
        self._end = int((self._scheduler.timesteps >= self._cut(part)).sum())

    def go_on_from(self, part: float) -> None:
        """Begin where `part` of the noise levels are behind (SDXL's refiner)."""
        left = int((self._scheduler.timesteps < self._cut(part)).sum())
        if self._order == 2 and left % 2 == 0:
            left += 1  # not in the middle of a step of two calls
        self._begin_at(max(len(self._scheduler.timesteps) - left, 0))

    @property
    def _order(self) -> int:
        return int(getattr(self._scheduler, "order", 1))

    def _cut(self, part: float) -> int:
        trained = len(self.alphas_cumprod)
        return round(trained - part * trained)

    def _begin_at(self, first: int) -> None:
        self._first = first
        if hasattr(self._scheduler, "set_begin_index"):
            self._scheduler.set_begin_index(first)

    def noised(self, latents: Tensor, noise: Tensor) -> Tensor:
        """Clean latents at the noise level to begin with, be it one at which another model goes on."""
        noised: Tensor = self._scheduler.add_noise(latents, noise, self._scheduler.timesteps[self._first :][:1])
        return noised

    @property
    def init_noise_sigma(self) -> Any:
        """Standard deviation of the latents at the first noise level."""
        return self._scheduler.init_noise_sigma

    @property
    def alphas_cumprod(self) -> Tensor:
        """Alpha-bar of Ho et al. 2020 for each training timestep."""
        alphas: Tensor = self._scheduler.alphas_cumprod
        return alphas

    @property
    def prediction_type(self) -> str:
        return str(self._scheduler.config.prediction_type)

    def scale(self, latents: Tensor, timestep: Tensor) -> Tensor:
        scaled: Tensor = self._scheduler.scale_model_input(latents, timestep)
        return scaled

    def step(self, guess: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
        if guess.shape[1] == 2 * latents.shape[1] and not self._takes_variance:
            guess = guess[:, : latents.shape[1]]
        stepped: Tensor = self._scheduler.step(guess, timestep, latents, **self._extra, return_dict=False)[0]
        return stepped


def make_sampler(
    scheduler: Any, id: str, spacing: Spacing, steps: int, device: torch.device, generator: torch.Generator
) -> DiffusersSampler:
    """The sampler, or `BadRecipe` where a solver cannot be set to so few or so many steps."""
    name = scheduler_name(id, spacing)
    try:
        sampler = DiffusersSampler(scheduler, steps, device, generator)
    except (ValueError, IndexError, RuntimeError, ZeroDivisionError) as error:
        hint = "LCM and TCD take at most 50 steps." if id in ("lcm", "tcd") else "Try another number of steps."
        raise BadRecipe(f"{name} cannot work in {steps} steps with this model.", hint, str(error)) from error
    if scheduler.order == 1 and id != "pndm" and _starts_twice(sampler.timesteps):
        raise BadRecipe(f"{name} cannot spread {steps} steps over this model's noise levels.", "Choose fewer steps.")
    return sampler


def _starts_twice(timesteps: Tensor) -> bool:
    """Whether so many steps were rounded to whole timesteps that the first two fell together.

    Diffusers' multistep solvers then begin at the second and run past their end.
    """
    return len(timesteps) > 1 and bool(timesteps[0] == timesteps[1])
