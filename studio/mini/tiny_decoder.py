"""Stage `tiny_decoder`: an AutoencoderTiny decoder for previews and drafts, taught by the full decoder.

The design of TAESD (Bohan 2023): no norms, no attention, ReLU residual blocks of one width, nearest-neighbour upsampling
after each of four levels, no block at full size. Only the decoder is trained; the encoder is there since the class has
one. Objective: L2 + 0.2 L1 + 0.2 gradient L1 against the full decoder's picture, which is smoother than the drawing
and is what the tiny one will be compared with. Crops of whole decodes: group norms see the whole picture.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import Tensor, nn

from studio.mini import config
from studio.mini.data import HELD_OUT, LatentStore, Pixels, to_pixels, to_unit
from studio.mini.training import Budget, Figures, Rates, Trainer, freeze
from studio.mini.vae import encode_scenes
from studio.mini.vae_start import fit_blocks

if TYPE_CHECKING:
    from studio.mini.workshop import Workshop

WIDTH, BLOCKS = 16, (4, 4, 4, 2, 0)
"""Under a fifth of the full decoder's time on one core. 16 channels are what a processor's widest registers hold: 24 take
the time of 32, which is 0.33."""
POOL = 480
"""Pictures whose full decode is kept (94 MB): more would cost more decoding than they teach."""
CROP_CELLS = 6
LIFT = 3.5
"""Added to the code before the first ReLU: DecoderTiny bounds codes to -3..3, so they pass it unchanged."""


def make_tiny_vae(arch: config.Architecture) -> AutoencoderTiny:
    """The stock class; it upsamples once after each level but the last, hence one level per halving and one more."""
    levels = len(arch.vae_widths)
    blocks = (BLOCKS + (0,) * levels)[:levels]
    return AutoencoderTiny(
        latent_channels=arch.latent_channels,
        encoder_block_out_channels=(8,) * levels,
        num_encoder_blocks=(0,) * levels,
        decoder_block_out_channels=(WIDTH,) * levels,
        num_decoder_blocks=blocks,
        scaling_factor=1.0,
    ).to(memory_format=torch.channels_last)


@torch.no_grad()
def start_from_mean_colours(tiny: AutoencoderTiny, codes: Tensor, pictures: Tensor) -> None:
    """Lets the code pass every level and reads each cell's mean colour at the end: training starts at a blurred picture.

    codes (n, channels, cells, cells); pictures (n, 3, px, px) in -1..1. From random weights the first minutes of
    training go by until a colour comes through.
    """
    channels = codes.shape[1]
    matrix, bias = fit_blocks(3 * torch.tanh(codes / 3), pictures, 1)
    layers = [layer for layer in tiny.decoder.layers if isinstance(layer, nn.Conv2d)]
    first, middle, last = layers[0], layers[1:-1], layers[-1]
    _pass(first, channels)
    assert first.bias is not None and last.bias is not None
    first.bias[:channels] = LIFT
    for block in (layer for layer in tiny.decoder.layers if hasattr(layer, "fuse")):
        block.conv[-1].weight.mul_(0.1)
        block.conv[-1].bias.zero_()
    for layer in middle:
        _pass(layer, channels)
    # The decoder's output is in 0..1: half of the colour, plus a half.
    last.weight.mul_(0.1)
    last.weight[:, :channels] = 0.0
    last.weight[:, :channels, 1, 1] = matrix / 2
    last.bias.copy_((bias - LIFT * matrix.sum(dim=1)) / 2 + 0.5)


def _pass(layer: nn.Conv2d, count: int) -> None:
    layer.weight[:count] = 0.0
    for channel in range(count):
        layer.weight[channel, channel, 1, 1] = 1.0


class TinyDecoderStage:
    """Trains the tiny decoder on crops of pictures that the full one decoded."""

    name = "tiny_decoder"

    def __init__(
        self, tiny: AutoencoderTiny, vae: AutoencoderKL, store: LatentStore, compute: config.Compute, batch: int = 4
    ) -> None:
        self.vae, self.store, self.compute, self.batch = vae, store, compute, batch
        tiny.encoder.requires_grad_(False)
        self.network: nn.Module = tiny.decoder.to(compute.device).train()
        self.pool = pool_rows(store)
        self._decoded: dict[int, Pixels] = {}

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """One batch's loss; two crops from each picture, the one with more edges of two."""
        codes, wanted = self.draw(rng)
        with self.compute.precision():
            made = self.network(codes)
        difference = made.float() - wanted
        square = difference.square().mean()
        across = (difference[..., :, 1:] - difference[..., :, :-1]).abs().mean()
        down = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
        decibel = 10 * float(torch.log10(4.0 / square.detach().clamp_min(1e-8)))
        loss = square + 0.2 * difference.abs().mean() + 0.2 * (across + down)
        return loss, {"loss": float(loss.detach()), "psnr": decibel}

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Codes (batch, channels, 6, 6) and the full decodes (batch, 3, 96, 96) in -1..1 of the same places."""
        cells = min(CROP_CELLS, self.store.latents.shape[-1])
        scale = self.store.outlines.shape[-1] // self.store.latents.shape[-1]
        codes, pictures = [], []
        for row in rng.choice(self.pool, self.batch):
            top, left = (int(value) for value in rng.integers(self.store.latents.shape[-1] - cells + 1, size=2))
            y, x = top * scale, left * scale
            codes.append(self.store.latents[row][:, top : top + cells, left : left + cells])
            pictures.append(self.decoded(int(row))[y : y + cells * scale, x : x + cells * scale])
        code = torch.from_numpy(np.stack(codes).astype(np.float32)).to(self.compute.device)
        return code.contiguous(memory_format=torch.channels_last), to_unit(np.stack(pictures)).to(self.compute.device)

    @torch.no_grad()
    def decoded(self, row: int) -> Pixels:
        """The full decoder's picture of a row, uint8 (px, px, 3), made when first wanted."""
        if row not in self._decoded:
            code = torch.from_numpy(self.store.latents[[row]].astype(np.float32)).to(self.compute.device)
            with self.compute.precision():
                self._decoded[row] = to_pixels(self.vae.decode(code).sample)[0]
        return self._decoded[row]


def pool_rows(store: LatentStore, most: int = POOL) -> npt.NDArray[np.int64]:
    """Rows spread evenly over all that are encoded: every curriculum level is there."""
    return np.unique(np.linspace(0, store.done - 1, min(most, store.done)).astype(np.int64))


def train_tiny_decoder(shop: Workshop, budget: Budget) -> None:
    """Trains, keeps in the state folder and exports in fp16 as `tiny_vae`; logs dB against the full decode and time."""
    torch.manual_seed(shop.seed)
    vae, store = shop.vae(), shop.store()
    tiny = make_tiny_vae(shop.arch)
    rows = pool_rows(store, 32)
    codes = torch.from_numpy(store.latents[rows].astype(np.float32))
    with torch.no_grad():
        pictures = torch.cat([vae.decode(code.to(shop.compute.device)).sample.cpu() for code in torch.split(codes, 4)])
    if not shop.go_on("tiny_vae", tiny):
        start_from_mean_colours(tiny, codes, pictures)
    stage = TinyDecoderStage(tiny, vae, store, shop.compute, batch=max(shop.batch // 4, 2))
    Trainer(stage, shop.state, budget, Rates(rate=2e-3, flat=0.5, ema=0.995, weight_decay=1e-4), shop.seed).run()
    freeze([tiny])
    shop.keep("tiny_vae", tiny)
    held_out, _ = encode_scenes(vae, shop.arch, shop.compute, HELD_OUT, 24)
    shop.log("tiny_decoder", psnr=distance_db(tiny, vae, held_out), time_ratio=time_ratio(tiny, vae, held_out[:1]))


def load_tiny_vae(folder: Path) -> AutoencoderTiny:
    """The exported tiny autoencoder in fp32, frozen."""
    tiny = AutoencoderTiny.from_pretrained(folder, dtype=torch.float32, low_cpu_mem_usage=False)
    freeze([tiny])
    return tiny.to(memory_format=torch.channels_last)


@torch.no_grad()
def distance_db(tiny: AutoencoderTiny, vae: AutoencoderKL, codes: Tensor) -> float:
    """Mean PSNR in dB, 8-bit range, of the tiny decode against the full one."""
    total = 0.0
    for code in torch.split(codes, 1):
        code = code.to(vae.device)
        full, small = (part.decode(code).sample.float().clamp(-1, 1) for part in (vae, tiny))
        total += 10 * float(torch.log10(4.0 / (full - small).square().mean().clamp_min(1e-8)))
    return total / len(codes)


@torch.no_grad()
def time_ratio(tiny: AutoencoderTiny, vae: AutoencoderKL, code: Tensor, repeats: int = 7) -> float:
    """Median time of one tiny decode divided by that of one full decode, alternated on an idle or equally busy core."""

    def seconds(decode: Callable[[Tensor], object]) -> float:
        started = time.perf_counter()
        decode(code)
        return time.perf_counter() - started

    code = code.to(vae.device).contiguous(memory_format=torch.channels_last)
    pairs = [(seconds(tiny.decode), seconds(vae.decode)) for _ in range(repeats + 1)][1:]
    return statistics.median(small for small, _ in pairs) / statistics.median(full for _, full in pairs)
