"""Seamless tiling: convolutions that find the opposite side of the picture beyond its edge instead of zeros.

The known trick of periodic textures: what is left of the first column is the last one. Attention and normalisation know
no edges, so convolutions are all there is to change. Nothing stays behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from studio.core.choices import Tiling

MARGIN = 16  # latents that a picture decoded in tiles continues itself on each side; they are blended into it
_SEAM = "_conv_forward"  # what torch's Conv2d calls with its input, weight and bias


@contextmanager
def seamless(networks: Iterable[nn.Module], tiling: Tiling) -> Iterator[None]:
    """While this lasts the convolutions of these networks wrap round the sides that `tiling` names."""
    if tiling is Tiling.OFF:
        yield
        return
    across, down = tiling in (Tiling.BOTH, Tiling.X), tiling in (Tiling.BOTH, Tiling.Y)
    before: list[tuple[nn.Conv2d, Callable[..., Tensor] | None]] = []
    try:
        for network in networks:
            late = _padded_outside(network)
            for module in network.modules():
                if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros" and max(module.kernel_size) > 1:
                    before.append((module, vars(module).get(_SEAM)))
                    vars(module)[_SEAM] = (_closed if module in late else _wrapping)(module, across, down)
        yield
    finally:
        for module, had in reversed(before):
            if had is None:
                vars(module).pop(_SEAM, None)
            else:
                vars(module)[_SEAM] = had


def works_in_tiles(vae: Any, height: int, width: int) -> bool:
    """Whether an autoencoder would take latents of this height and width apart: then no tile may wrap round itself."""
    return bool(getattr(vae, "use_tiling", False)) and max(height, width) > int(vae.tile_latent_min_size)


def continued(latents: Tensor, tiling: Tiling) -> Tensor:
    """Latents (1, channels, height, width) that go on for `MARGIN` beyond the sides that `tiling` names."""
    wide, high = _margins(latents, tiling)
    return F.pad(latents, (wide, wide, high, high), mode="circular")


def cut_back(image: Tensor, latents: Tensor, tiling: Tiling) -> Tensor:
    """The picture of `latents` out of what was decoded of `continued` ones.

    What was decoded before its first column fades into its last ones, so that the last goes over into the first.
    """
    wide, high = _margins(latents, tiling)
    factor = image.shape[-1] // (latents.shape[-1] + 2 * wide)
    for axis, margin in ((-1, wide * factor), (-2, high * factor)):
        if margin:
            size = image.shape[axis] - 2 * margin
            before, kept = image.narrow(axis, 0, margin), image.narrow(axis, margin, size).clone()
            weight = torch.arange(1, margin + 1, device=image.device, dtype=image.dtype) / margin
            weight = weight if axis == -1 else weight[:, None]
            end = kept.narrow(axis, size - margin, margin)
            end.copy_(torch.lerp(end.clone(), before, weight))
            image = kept
    return image


def _margins(latents: Tensor, tiling: Tiling) -> tuple[int, int]:
    height, width = latents.shape[-2:]
    return (
        min(MARGIN, width) if tiling in (Tiling.BOTH, Tiling.X) else 0,
        min(MARGIN, height) if tiling in (Tiling.BOTH, Tiling.Y) else 0,
    )


def _wrapping(conv: nn.Conv2d, across: bool, down: bool) -> Callable[..., Tensor]:
    """A convolution's work with the opposite sides in place of the zeros that it would see."""
    left, right, top, bottom = conv._reversed_padding_repeated_twice

    def work(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if across:
            x = F.pad(x, (left, right, 0, 0), mode="circular")
        if down:
            x = F.pad(x, (0, 0, top, bottom), mode="circular")
        x = F.pad(x, (0 if across else left, 0 if across else right, 0 if down else top, 0 if down else bottom))
        return F.conv2d(x, weight, bias, conv.stride, 0, conv.dilation, conv.groups)

    return work


def _padded_outside(network: nn.Module) -> set[nn.Module]:
    """The convolutions whose input diffusers pads itself: by one row and one column of zeros, at the end of each."""
    from diffusers.models.downsampling import Downsample2D

    downs = (module for module in network.modules() if isinstance(module, Downsample2D))
    return {down.conv for down in downs if down.use_conv and down.padding == 0}


def _closed(conv: nn.Conv2d, across: bool, down: bool) -> Callable[..., Tensor]:
    """As `_wrapping`, for an input whose last column and row are padding already."""

    def work(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if across:
            x = torch.cat((x[..., :-1], x[..., :1]), dim=-1)
        if down:
            x = torch.cat((x[..., :-1, :], x[..., :1, :]), dim=-2)
        return F.conv2d(x, weight, bias, conv.stride, conv.padding, conv.dilation, conv.groups)

    return work
