"""What the loop begins with: noise from the seed, or a picture with noise on it (SDEdit: Meng et al. 2022)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from studio.core.choices import ResizeMode
from studio.core.recipe import Recipe
from studio.engine.control_maps import fit, open_rgb
from studio.engine.diffusion.latents import noise
from studio.engine.diffusion.models import Model
from studio.engine.diffusion.scaling import must_upcast, scaled
from studio.engine.diffusion.schedulers import DiffusersSampler
from studio.engine.protocol import ReadImage


def start_latents(
    recipe: Recipe, model: Model, sampler: DiffusersSampler, generator: torch.Generator, read_image: ReadImage
) -> Tensor:
    """Latents (1, channels, height / f, width / f) in float32 at the first noise level of `sampler`.

    The random numbers are drawn in the order of the stock pipelines: the picture's latents, then the noise. Raises
    `BadInputImage`.
    """
    height, width = recipe.size.height // model.vae_factor, recipe.size.width // model.vae_factor
    if recipe.init is None:
        drawn = noise(generator, model.latent_channels, height, width, model.device)
        return torch.mul(drawn, sampler.init_noise_sigma)
    picture = fit(open_rgb(read_image(recipe.init)), recipe.size, ResizeMode.CROP)
    clean = encode_picture(model.vae, picture_tensor(np.asarray(picture)), generator)
    drawn = noise(generator, model.latent_channels, height, width, model.device)
    return sampler.noised(clean, drawn)


def picture_tensor(array: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    """A picture (height, width, 3) as (1, 3, height, width) in -1 ... 1, with the strides the stock pipelines give it."""
    unit = array[None].astype(np.float32) / 255.0
    return 2.0 * torch.from_numpy(unit.transpose(0, 3, 1, 2)) - 1.0


@torch.no_grad()
def encode_picture(vae: Any, picture: Tensor, generator: torch.Generator) -> Tensor:
    """Latents in float32, sampled from what the VAE's encoder says of a picture (Kingma & Welling 2014).

    A VAE in 16 bits that is known to overflow, or does, works in 32 bits.
    """
    kept, state = vae.dtype, generator.get_state()
    latents = None if must_upcast(vae) else _encoded(vae, picture, generator)
    if latents is None or not bool(torch.isfinite(latents).all()):
        generator.set_state(state)
        try:
            latents = _encoded(vae.to(torch.float32), picture, generator)
        finally:
            vae.to(kept)
    return scaled(vae, latents.float())


def _encoded(vae: Any, picture: Tensor, generator: torch.Generator) -> Tensor:
    latents: Tensor = vae.encode(picture.to(device=vae.device, dtype=vae.dtype)).latent_dist.sample(generator)
    return latents
