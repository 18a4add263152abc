"""Latents at both ends of the loop: noise from a seed before it, pixels after it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from studio.core.choices import Tiling
from studio.core.errors import BadPicture
from studio.core.pixels import Pixels
from studio.core.recipe import Recipe
from studio.engine.diffusion.memory import is_lack
from studio.engine.diffusion.scaling import must_upcast, unscaled
from studio.engine.diffusion.seamless import continued, cut_back, seamless, works_in_tiles
from studio.engine.protocol import Undecoded


def seeded(seed: int) -> torch.Generator:
    """The one source of a job's random numbers: on the CPU, so that a seed means the same on every device."""
    return torch.Generator("cpu").manual_seed(seed)


def noise(generator: torch.Generator, channels: int, height: int, width: int, device: torch.device) -> Tensor:
    """x_T ~ N(0, I) of shape (1, channels, height, width), drawn in float32 whatever the UNet's type.

    In float32 these are the draws of the stock pipelines.
    """
    return torch.randn((1, channels, height, width), generator=generator).to(device)


@torch.no_grad()
def decode(vae: Any, latents: Tensor, tiling: Tiling = Tiling.OFF) -> Pixels:
    """The picture of latents (1, channels, height / f, width / f). Raises `BadPicture` when it has NaN or infinities.

    A VAE in 16 bits that overflows or gives nothing but black is run again in 32 bits (SD's own VAE does so on some
    pictures), SDXL's at once.
    """
    check_finite(latents, "while the picture formed")
    latents = unscaled(vae, latents)
    image = None if must_upcast(vae) else _decoded(vae, latents, tiling)
    if image is None or (vae.dtype != torch.float32 and _failed(image)):
        kept = vae.dtype
        try:
            image = _decoded(vae.to(torch.float32), latents, tiling)
        finally:
            vae.to(kept)
    check_finite(image, "while the picture was decoded")
    return to_pixels(image)


def _failed(image: Tensor) -> bool:
    """Whether a decode (values in -1 ... 1) holds NaN or infinities, or is black all over."""
    return not bool(torch.isfinite(image).all()) or bool((image < 1 / 255 - 1).all())


def decode_patiently(vae: Any, latents: Tensor, tiling: Tiling = Tiling.OFF) -> Pixels:
    """As `decode`; where that lacks memory or numbers, once more in tiles, in 32 bits, on the processor."""
    try:
        return decode(vae, latents, tiling)
    except BadPicture:
        pass
    except (MemoryError, RuntimeError) as error:
        if not is_lack(error):
            raise
    device, dtype = vae.device, vae.dtype
    try:
        if hasattr(vae, "enable_tiling"):
            vae.enable_tiling()
        return decode(vae.to("cpu", torch.float32), latents.to("cpu", torch.float32), tiling)
    finally:
        if hasattr(vae, "disable_tiling"):
            vae.disable_tiling()
        vae.to(device, dtype)


def undecoded(latents: Tensor, recipe: Recipe, seconds: float) -> Undecoded:
    """Latents as bytes, to be kept. Raises `BadPicture` if they are no numbers: then decoding again cannot help."""
    check_finite(latents, "while the picture formed")
    plain = latents.detach().contiguous().cpu()
    data = plain.view(torch.uint8).numpy().tobytes()
    dtype = str(latents.dtype).removeprefix("torch.")
    return Undecoded(recipe=recipe, shape=tuple(latents.shape), dtype=dtype, data=data, seconds=seconds)


def latents_of(kept: Undecoded) -> Tensor:
    """The tensor that `undecoded` was given, on the CPU. Raises `BadPicture` for bytes that are none."""
    dtype = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}.get(kept.dtype)
    try:
        if dtype is None:
            raise ValueError(kept.dtype)
        return torch.frombuffer(bytearray(kept.data), dtype=dtype).reshape(kept.shape)
    except (ValueError, RuntimeError) as error:
        hint = "Its settings are kept: run it again."
        raise BadPicture("What was kept of the picture cannot be decoded.", hint, str(error)) from None


def check_finite(tensor: Tensor, when: str) -> None:
    """Raise `BadPicture` unless every number is finite."""
    if not bool(torch.isfinite(tensor).all()):
        raise BadPicture(
            f"The model gave numbers that are not a picture {when}; the recipe is kept.",
            "Turn on “exact” (32-bit floats), or choose another scheduler, fewer or more steps, or less guidance.",
            f"{int((~torch.isfinite(tensor)).sum())} of {tensor.numel()} values are NaN or infinite",
        )


def to_pixels(image: Tensor) -> Pixels:
    """Pixels of an image tensor (1, 3, height, width) in -1 ... 1; values outside are clipped."""
    unit = (image * 0.5 + 0.5).clamp(0, 1)
    array = unit.cpu().permute(0, 2, 3, 1).float().numpy()[0]
    data = (array * 255).round().astype("uint8")
    return Pixels(width=data.shape[1], height=data.shape[0], data=data.tobytes())


def _decoded(vae: Any, latents: Tensor, tiling: Tiling) -> Tensor:
    latents = latents.to(vae.dtype)
    if tiling is not Tiling.OFF and works_in_tiles(vae, *latents.shape[-2:]):
        whole: Tensor = vae.decode(continued(latents, tiling), return_dict=False)[0]
        return cut_back(whole, latents, tiling)
    with seamless((vae,), tiling):
        image: Tensor = vae.decode(latents, return_dict=False)[0]
    return image
