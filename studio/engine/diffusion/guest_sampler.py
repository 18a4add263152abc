"""Schedulers of plugins: made, checked and stepped inside the fence. Obeys `denoise.Sampler`."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from studio.core.choices import Spacing
from studio.engine.answers import wrong
from studio.engine.diffusion.schedulers import DiffusersSampler, make_scheduler
from studio.engine.guests import Guest, Guests

CALLS_MAX = 10_000
_NEEDED = ("set_timesteps", "scale_model_input", "step")


class GuestSampler(DiffusersSampler):
    """A plugin's scheduler set to `steps` steps. What its object does not tell, the model's own config does."""

    def __init__(
        self,
        guests: Guests,
        guest: Guest,
        config: Mapping[str, Any],
        steps: int,
        device: torch.device,
        generator: torch.Generator,
    ) -> None:
        self._guests, self._guest = guests, guest
        self._known = make_scheduler(config, "ddpm", Spacing.NORMAL)  # for the noise levels alone
        with guests.calling(guest, "sampler"):
            scheduler = guest.does(deepcopy(dict(config)))
            if not all(callable(getattr(scheduler, name, None)) for name in _NEEDED):
                raise wrong(str(guest), f"gave a scheduler without {', '.join(_NEEDED)}")
            super().__init__(scheduler, steps, device, generator)
            _check_timesteps(guest, scheduler.timesteps)

    @property
    def init_noise_sigma(self) -> Any:
        return getattr(self._scheduler, "init_noise_sigma", 1.0)

    @property
    def alphas_cumprod(self) -> Tensor:
        alphas = getattr(self._scheduler, "alphas_cumprod", None)
        return alphas if isinstance(alphas, Tensor) else self._known.alphas_cumprod

    @property
    def prediction_type(self) -> str:
        config = getattr(self._scheduler, "config", self._known.config)
        return str(getattr(config, "prediction_type", self._known.config.prediction_type))

    def noised(self, latents: Tensor, noise: Tensor) -> Tensor:
        if not callable(getattr(self._scheduler, "add_noise", None)):
            raise wrong(str(self._guest), "has a scheduler that cannot begin with a picture")
        with self._guests.calling(self._guest, "add_noise"):
            return self._checked(super().noised(latents.clone(), noise.clone()), latents)

    def scale(self, latents: Tensor, timestep: Tensor) -> Tensor:
        with self._guests.calling(self._guest, "scale_model_input"):
            return self._checked(self._scheduler.scale_model_input(latents.clone(), timestep), latents)

    def step(self, guess: Tensor, timestep: Tensor, latents: Tensor) -> Tensor:
        with self._guests.calling(self._guest, "step"):
            return self._checked(super().step(guess.clone(), timestep, latents.clone()), latents)

    def _checked(self, answer: Any, latents: Tensor) -> Tensor:
        if not isinstance(answer, Tensor) or answer.shape != latents.shape or not answer.is_floating_point():
            raise wrong(str(self._guest), "gave latents that do not fit the picture")
        if not bool(torch.isfinite(answer).all()):
            raise wrong(str(self._guest), "gave numbers that are NaN or infinite")
        return answer.detach().to(device=latents.device, dtype=latents.dtype)


def _check_timesteps(guest: Guest, timesteps: Any) -> None:
    if not isinstance(timesteps, Tensor) or timesteps.dim() != 1 or not 1 <= len(timesteps) <= CALLS_MAX:
        raise wrong(str(guest), f"did not set 1 to {CALLS_MAX:,} timesteps")
    if not bool(torch.isfinite(timesteps.float()).all()) or float(timesteps.min()) < 0:
        raise wrong(str(guest), "set timesteps that are no moments of the noising")
