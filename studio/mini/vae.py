"""Stage 1: the autoencoder, in the component shape of Rombach et al. 2022, for saturated flat art on a small budget.

Encoder: not trained. Its strided convolutions hold a tree of principal component analyses (vae_start), its residual
branches are zero; what comes out is the best linear code of the drawings, strongest component first, with mean 0 and
overall standard deviation 1. Trained from random weights, five levels needed ten minutes to find more than two colour
directions (15 dB); read linearly, this code gives 25 dB before the first step. And the UNet can start at once.

Decoder: trained. Objective L1 + 2 L2 + 0.5 L1 of the gradients, three times as heavy along outlines. No discriminator
and no perceptual network: flat art has no texture to hallucinate, and there is nothing pretrained to perceive with.
The code gets Gaussian noise of up to a twelfth of its standard deviation, so that the decoder forgives the UNet's small
mistakes; that is the posterior of a VAE with a fixed variance (Kingma & Welling 2014). Training the decoder further
never invalidates a UNet.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional as F

from studio.mini.config import Architecture, Compute
from studio.mini.data import HELD_OUT, draw_crops, scene_number, to_unit
from studio.mini.drawings import render
from studio.mini.training import Figures, tensor_noise
from studio.mini.vae_start import fit_blocks, start_decoder, start_encoder

PREVIEW_GRID = 4
"""Colour samples per latent cell and direction in the live preview."""
CODE_NOISE = 1 / 12
"""Most noise added to a code while the decoder trains, in standard deviations of the codes."""


class DecoderStage:
    """Trains the decoder on crops of pictures whose codes come from the whole picture."""

    name = "decoder"

    def __init__(self, vae: AutoencoderKL, arch: Architecture, compute: Compute, batch: int = 4) -> None:
        self.arch, self.compute, self.batch = arch, compute, batch
        self.vae = vae.to(compute.device).requires_grad_(False)
        decoder = self.vae.decoder.to(memory_format=compute.layout)
        self.network: nn.Module = decoder.requires_grad_(True).train()

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """One batch's loss; group norms see a crop's statistics, so crops grow towards whole pictures at the end."""
        cells, batch = (6, self.batch) if progress < 0.75 else (10, max(self.batch // 2, 1))
        cells = min(cells, self.arch.latent_px)
        crops = draw_crops(rng, batch, cells, self.arch.downsampling, self.arch.image_px)
        images, outline = crops.images.to(self.compute.device), crops.outline.to(self.compute.device)
        with self.compute.precision():
            with torch.no_grad():
                whole = linear_codes(self.vae, crops.pictures.to(self.compute.device))
                code = torch.stack([whole[n, :, y : y + cells, x : x + cells] for n, y, x in crops.corners])
                level = torch.from_numpy(rng.uniform(0, CODE_NOISE, (batch, 1, 1, 1)).astype(np.float32)).to(
                    code.device
                )
                code = code + level * tensor_noise(rng, tuple(code.shape), code.device)
                inner = self.vae.post_quant_conv(code).contiguous(memory_format=self.compute.layout)
            decoded = self.network(inner)
            return pixel_loss(decoded.float(), images, outline)


class FinishStage(DecoderStage):
    """Goes on with the decoder on whole pictures, where group norms and borders are what they are in use.

    Objective: the mean logarithm of each picture's square error, which is the negative PSNR, and a quarter of that of
    its gradients' absolute error, which keeps edges crisp. Crops around outlines come first: they teach four times as
    much a second, but not the quiet ground that most of a picture is.
    """

    name = "finish"

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """One batch's loss; every other picture's code is exact, the others' a little wrong."""
        numbers = [(int(rng.integers(HELD_OUT)), int(rng.integers(3))) for _ in range(self.batch)]
        pictures = np.stack([render(scene_number(*number), self.arch.image_px).image for number in numbers])
        images = to_unit(pictures).to(self.compute.device)
        with self.compute.precision():
            with torch.no_grad():
                code = linear_codes(self.vae, images)
                levels = rng.uniform(0, CODE_NOISE, (self.batch, 1, 1, 1)).astype(np.float32)
                levels[::2] = 0.0
                code = code + torch.from_numpy(levels).to(code.device) * tensor_noise(
                    rng, tuple(code.shape), code.device
                )
                inner = self.vae.post_quant_conv(code).contiguous(memory_format=self.compute.layout)
            decoded = self.network(inner)
            return picture_loss(decoded.float(), images)


@torch.no_grad()
def linear_codes(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """What `vae.encode(images).latent_dist.mode()` gives, ten times faster, for an encoder made by `start_encoder`.

    Its residual branches are zero, so only shortcuts and strided convolutions are computed.
    """
    encoder = vae.encoder
    hidden = encoder.conv_in(images)
    for level in encoder.down_blocks:
        shortcut = level.resnets[0].conv_shortcut
        hidden = hidden if shortcut is None else shortcut(hidden)
        for downsampler in level.downsamplers or ():
            hidden = downsampler(hidden)
    moments = encoder.conv_out(F.silu(encoder.conv_norm_out(hidden)))
    codes: Tensor = vae.quant_conv(moments)[:, : vae.config.latent_channels]
    return codes


@torch.no_grad()
def start_from_principal_components(vae: AutoencoderKL, arch: Architecture, count: int = 120) -> None:
    """Writes the analysis of `count` drawings into encoder and decoder, and standardises the codes."""
    pictures = to_unit(np.stack([render(scene_number(n, n % 3), arch.image_px).image for n in range(count)]))
    start_encoder(vae, pictures)
    codes = torch.cat([linear_codes(vae, part) for part in torch.split(pictures, 8)])
    standardise(vae, codes)
    codes = torch.cat([linear_codes(vae, part) for part in torch.split(pictures, 8)])
    start_decoder(vae, *fit_blocks(codes, pictures, 1))


def pixel_loss(decoded: Tensor, images: Tensor, outline: Tensor) -> tuple[Tensor, Figures]:
    """L1 + 2 L2 + 0.5 gradient L1, three times as heavy within a pixel or two of an outline."""
    weight = 1.0 + 2.0 * F.max_pool2d(outline, 3, stride=1, padding=1)
    weight = weight / weight.mean()
    difference = decoded - images
    absolute = (weight * difference.abs()).mean()
    square = (weight * difference.square()).mean()
    across = (difference[..., :, 1:] - difference[..., :, :-1]).abs().mean()
    down = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    psnr = 10 * float(torch.log10(4.0 / difference.detach().square().mean().clamp_min(1e-8)))
    return absolute + 2.0 * square + 0.5 * (across + down), {"l1": float(absolute.detach()), "psnr": psnr}


def picture_loss(decoded: Tensor, images: Tensor) -> tuple[Tensor, Figures]:
    """Mean over pictures of ln(square error) + ln(absolute error of the gradients) / 4."""
    difference = decoded - images
    square = difference.square().mean(dim=(1, 2, 3)).clamp_min(1e-8)
    across = (difference[..., :, 1:] - difference[..., :, :-1]).abs().mean(dim=(1, 2, 3))
    down = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean(dim=(1, 2, 3))
    loss = (square.log() + 0.25 * (across + down).clamp_min(1e-8).log()).mean()
    return loss, {"loss": float(loss.detach()), "psnr": float(10 * torch.log10(4.0 / square.detach()).mean())}


@torch.no_grad()
def standardise(vae: AutoencoderKL, latents: Tensor) -> None:
    """Folds centring, rotation to principal axes and one global scale exactly into quant and post-quant convolution.

    `latents`: (n, channels, h, w) codes of this VAE. Afterwards codes have mean 0 and overall standard deviation 1,
    strongest channel first, and the pictures are the same. Channels keep their unequal variances: whitening them
    would make the UNet spend itself on the faint, unpredictable ones. The posterior's variance becomes negligible.
    """
    channels = latents.shape[1]
    flat = latents.permute(0, 2, 3, 1).reshape(-1, channels).double()
    mean = flat.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov((flat - mean).T))
    turn = vectors.flip(1).T / values.mean().sqrt()
    back = torch.linalg.inv(turn)
    quant, post = vae.quant_conv, vae.post_quant_conv
    weight, bias = quant.weight[:channels, :, 0, 0].double(), quant.bias[:channels].double()
    quant.weight[:channels, :, 0, 0] = (turn @ weight).float()
    quant.bias[:channels] = (turn @ (bias - mean)).float()
    quant.weight[channels:] = 0.0
    quant.bias[channels:] = -12.0
    matrix = post.weight[:, :, 0, 0].double()
    post.bias += (matrix @ mean).float()
    post.weight[:, :, 0, 0] = (matrix @ back).float()


@torch.no_grad()
def encode_scenes(
    vae: AutoencoderKL, arch: Architecture, compute: Compute, first: int, count: int
) -> tuple[Tensor, Tensor]:
    """Codes (count, channels, cells, cells) and pictures (count, 3, px, px) of the scenes numbered from `first`."""
    codes, pictures = [], []
    for start in range(first, first + count, 8):
        numbers = range(start, min(start + 8, first + count))
        images = to_unit(np.stack([render(scene_number(n, n % 3), arch.image_px).image for n in numbers]))
        with compute.precision():
            codes.append(vae.encode(images.to(compute.device)).latent_dist.mode().float().cpu())
        pictures.append(images)
    return torch.cat(codes), torch.cat(pictures)


@torch.no_grad()
def round_trip_psnr(vae: AutoencoderKL, arch: Architecture, compute: Compute, count: int = 32) -> float:
    """Mean PSNR in dB of encode and decode over `count` held-out pictures, 8-bit range."""
    codes, pictures = encode_scenes(vae, arch, compute, HELD_OUT, count)
    total = 0.0
    for code, picture in zip(torch.split(codes, 4), torch.split(pictures, 4), strict=True):
        with compute.precision():
            decoded = vae.decode(code.to(compute.device)).sample.float().cpu().clamp(-1, 1)
        error = (decoded - picture).square().mean(dim=(1, 2, 3))
        total += float((10 * torch.log10(4.0 / error)).sum())
    return total / count


def fit_preview(codes: Tensor, pictures: Tensor, grid: int = PREVIEW_GRID) -> dict[str, Any]:  # Any: JSON values
    """Least-squares map from a latent cell to `grid` x `grid` RGB samples, as stored in preview.json.

    `matrix` is (grid * grid * 3, channels) and `bias` (grid * grid * 3) in rows of (row, column, rgb), for colours in
    -1..1: colour[row, column, :] of a cell = matrix @ latent + bias.
    """
    matrix, bias = fit_blocks(codes, pictures, grid)
    return {"grid": grid, "matrix": _rounded(matrix), "bias": _rounded(bias)}


def _rounded(values: Tensor) -> list[Any]:  # Any: nested lists of float
    result: list[Any] = np.round(values.numpy(), 5).tolist()
    return result
