"""Where the autoencoder's training starts: a principal component analysis, written into the convolutions' weights.

From random weights five levels of convolutions took ten minutes to find more than two colour directions. Here the
strided convolutions compute, level by level, the principal components of 2 x 2 blocks of the level above (a tree of
Karhunen-Loeve transforms) and the encoder's residual branches are zero: its code is the best linear one. The decoder
starts with the mean colours, smoothly interpolated. Knows weights and pictures, no losses.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn
from torch.nn import functional as F

CONSTANT = 4.0
"""Level of the constant channels that keep a group norm's divisor nearly the same for every picture."""
EVENING = 0.4
"""Codes keep their spreads to the power 1 - EVENING: faint components count more, but stay faint. Whitening (1) would
make the UNet spend itself on unpredictable detail; the spreads as they are (0) hide edges below the noise."""


@torch.no_grad()
def start_encoder(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Writes the tree of transforms; `pictures` (n, 3, px, px) in -1..1 are what it is computed from.

    A channel pair (x, -x) before group norm and SiLU gives x back as a difference, since silu(x) - silu(-x) = x.
    """
    encoder = vae.encoder
    _quieten(encoder, 0.0)
    _pass_first(encoder.conv_in, 3)
    features = pictures
    for level in encoder.down_blocks:
        _pass_shortcut(level.resnets[0], features.shape[1])
        if level.downsamplers:
            convolution = level.downsamplers[0].conv
            components = _block_components(features, convolution.out_channels)
            convolution.weight[: len(components)] = 0.0
            convolution.weight[: len(components), : features.shape[1], :2, :2] = components
            convolution.bias[: len(components)] = 0.0
            features = F.conv2d(features, components, stride=2)
    _write_pairs(vae, features)


def _write_pairs(vae: AutoencoderKL, features: Tensor) -> None:
    """Leads the strongest features through the output norm to the code, their spreads somewhat evened out."""
    codes = vae.config.latent_channels
    encoder = vae.encoder
    groups = encoder.conv_norm_out.num_groups
    width = encoder.conv_norm_out.num_channels
    half = width // groups
    spreads = features[:, :codes].permute(1, 0, 2, 3).flatten(1).std(dim=1)
    shortcut = encoder.down_blocks[-1].resnets[0].conv_shortcut
    out = encoder.conv_out
    out.weight[:codes, :half] = 0.0
    out.bias[:codes] = 0.0
    paired = min(codes, half // 2 - 2)
    if shortcut is not None:
        shortcut.weight[:half] = 0.0
        shortcut.bias[:half] = 0.0
        for i in range(paired):
            gain = float(1.0 / (spreads[0] ** (1 - EVENING) * spreads[i].clamp_min(1e-4) ** EVENING))
            for sign, channel in ((1.0, 2 * i), (-1.0, 2 * i + 1)):
                shortcut.weight[channel, i, 0, 0] = sign * gain
                out.weight[i, channel, 1, 1] = sign * CONSTANT / 2
        shortcut.bias[half - 4 : half] = CONSTANT * torch.tensor([1.0, -1.0, 1.0, -1.0])
    _pass_first(vae.quant_conv, codes)
    _pass_first(vae.post_quant_conv, codes)


@torch.no_grad()
def start_decoder(vae: AutoencoderKL, matrix: Tensor, bias: Tensor) -> None:
    """Leads each cell's mean colour, `matrix` (3, codes) @ code + `bias` (3,), smoothly interpolated to the output."""
    decoder = vae.decoder
    _quieten(decoder, 0.1)
    _pass_first(vae.post_quant_conv, vae.config.latent_channels)
    decoder.conv_in.weight[:3] = 0.0
    decoder.conv_in.weight[:3, :, 1, 1] = matrix
    decoder.conv_in.bias[:3] = bias
    tent = torch.tensor([0.25, 0.5, 0.25])
    for level in decoder.up_blocks:
        _pass_shortcut(level.resnets[0], 3)
        for upsampler in level.upsamplers or ():
            upsampler.conv.weight[:3] = 0.0
            for channel in range(3):
                upsampler.conv.weight[channel, channel] = tent[:, None] * tent[None, :]
            upsampler.conv.bias[:3] = 0.0
    _write_colour_pairs(decoder)


def _write_colour_pairs(decoder: Any) -> None:  # Any: diffusers' blocks are typed as bare modules
    shortcut = decoder.up_blocks[-1].resnets[0].conv_shortcut
    if shortcut is None:
        return
    shortcut.weight[:8] = 0.0
    shortcut.bias[:8] = 0.0
    decoder.conv_out.weight[:, :8] = 0.0
    decoder.conv_out.weight[:, 8:] *= 0.1
    decoder.conv_out.bias[:] = 0.0
    # Eight channels: three pairs of about 0.6 in square and one constant pair.
    divisor = (2 * CONSTANT**2 / 8 + 6 * 0.4 / 8) ** 0.5
    for colour in range(3):
        for sign, channel in ((1.0, 2 * colour), (-1.0, 2 * colour + 1)):
            shortcut.weight[channel, colour, 0, 0] = sign
            decoder.conv_out.weight[colour, channel, 1, 1] = sign * divisor
    shortcut.bias[6:8] = CONSTANT * torch.tensor([1.0, -1.0])


def _block_components(features: Tensor, most: int) -> Tensor:
    """(k, channels, 2, 2) orthonormal principal components of 2 x 2 blocks, strongest first, k <= `most`."""
    channels = features.shape[1]
    blocks = F.unfold(features, 2, stride=2).permute(0, 2, 1).reshape(-1, 4 * channels)
    covariance = torch.cov(blocks.double().T)
    _, vectors = torch.linalg.eigh(covariance)
    kept: Tensor = vectors.flip(1)[:, : min(most, 4 * channels)].T.float()
    return kept.reshape(-1, channels, 2, 2).contiguous()


def _quieten(network: nn.Module, factor: float) -> None:
    """Weakens the residual branches."""
    for block in (block for block in network.modules() if isinstance(block, ResnetBlock2D)):
        block.conv2.weight.mul_(factor)
        block.conv2.bias.zero_()


def _pass_shortcut(block: Any, count: int) -> None:  # Any: as above
    if block.conv_shortcut is not None:
        _pass_first(block.conv_shortcut, min(count, block.conv_shortcut.out_channels))


def _pass_first(convolution: nn.Conv2d, count: int) -> None:
    """Makes the first `count` channels pass a convolution unchanged."""
    middle = convolution.kernel_size[0] // 2
    convolution.weight[:count] = 0.0
    if convolution.bias is not None:
        convolution.bias[:count] = 0.0
    for channel in range(count):
        convolution.weight[channel, channel, middle, middle] = 1.0


def fit_blocks(codes: Tensor, pictures: Tensor, grid: int) -> tuple[Tensor, Tensor]:
    """Least squares from a cell's code to its `grid` x `grid` mean colours: matrix (grid * grid * 3, channels), bias.

    Rows are (row, column, rgb); codes (n, channels, cells, cells), pictures (n, 3, px, px) in -1..1.
    """
    batch, channels, cells, _ = codes.shape
    small = F.interpolate(pictures, size=(cells * grid, cells * grid), mode="area")
    blocks = small.reshape(batch, 3, cells, grid, cells, grid).permute(0, 2, 4, 3, 5, 1).reshape(-1, grid * grid * 3)
    flat = codes.permute(0, 2, 3, 1).reshape(-1, channels)
    design = torch.cat([flat, torch.ones(len(flat), 1)], dim=1).double()
    # The ridge keeps channels without variance (untrained networks) from blowing up.
    normal = design.T @ design + 1e-6 * len(flat) * torch.eye(channels + 1, dtype=torch.float64)
    solution = torch.linalg.solve(normal, design.T @ blocks.double()).T.float()
    return solution[:, :-1], solution[:, -1]
