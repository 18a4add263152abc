"""Between latents as a VAE gives them and latents as its UNet knows them; and when a VAE must not work in 16 bits."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def must_upcast(vae: Any) -> bool:
    """Whether a VAE is in float16 and its config says that this overflows (SDXL's)."""
    return vae.dtype == torch.float16 and bool(getattr(vae.config, "force_upcast", False))


def scaled(vae: Any, latents: Tensor) -> Tensor:
    """Latents as the VAE gives them to latents as the UNet knows them."""
    mean, spread = _moments(vae, latents)
    factor = float(vae.config.scaling_factor)
    return latents * factor if mean is None or spread is None else (latents - mean) * factor / spread


def unscaled(vae: Any, latents: Tensor) -> Tensor:
    """Latents as the UNet knows them to latents as the VAE wants them."""
    mean, spread = _moments(vae, latents)
    factor = float(vae.config.scaling_factor)
    return latents / factor if mean is None or spread is None else latents * spread / factor + mean


def _moments(vae: Any, latents: Tensor) -> tuple[Tensor | None, Tensor | None]:
    found = []
    for name in ("latents_mean", "latents_std"):
        values = getattr(vae.config, name, None)
        found.append(None if values is None else torch.tensor(values).view(1, -1, 1, 1).to(latents))
    return found[0], found[1]
