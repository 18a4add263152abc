"""Stage 3: encoding scenes once, then the conditional UNet on their latents.

Objective: DDPM's algorithm 1 (Ho et al. 2020) with the v-target of Salimans & Ho 2022, v = alpha eps - sigma x0, which
stays well-posed at the zero terminal SNR of our schedule (see config.make_scheduler). Timesteps are uniform, one per
stratum of a batch. Weighting: plain mean square of v at every noise level (the noisiest levels decide colour and
layout, so they are not damped), three times as heavy in cells that hold a thing or an outline. Captions are dropped
one time in ten for classifier-free guidance (Ho & Salimans 2021). Simple scenes come first.
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTokenizer

from studio.mini.config import Architecture, Compute
from studio.mini.data import LatentStore, cell_weights, semantics, thumbnail, to_unit
from studio.mini.drawings import COLOURS, KINDS, render
from studio.mini.text_encoder import text_states
from studio.mini.training import Figures, tensor_noise
from studio.mini.vae import linear_codes


@torch.no_grad()
def fill_store(store: LatentStore, vae: AutoencoderKL, arch: Architecture, compute: Compute, batch: int = 16) -> None:
    """Draws and encodes every row that is still missing; progress on stderr, resumable after each 512 rows."""
    row = store.done
    while row < store.total:
        rows = range(row, min(row + batch, store.total))
        drawings = [render(store.scene(n), arch.image_px) for n in rows]
        images = to_unit(np.stack([drawing.image for drawing in drawings])).to(compute.device)
        store.latents[row : rows.stop] = linear_codes(vae, images).cpu().numpy()  # in fp32: they are all the UNet sees
        half = arch.latent_px // 2
        store.semantics[row : rows.stop] = np.stack(
            [semantics(store.scene(n), drawing, half) for n, drawing in zip(rows, drawings, strict=True)]
        )
        store.weights[row : rows.stop] = np.stack([cell_weights(drawing, arch.latent_px) for drawing in drawings])
        store.thumbnails[row : rows.stop] = np.stack([thumbnail(drawing.image) for drawing in drawings])
        store.outlines[row : rows.stop] = np.stack([drawing.outline for drawing in drawings])
        row = rows.stop
        if row % 512 < batch or row == store.total:
            store.mark(row)
            print(f"latents {row / store.total:6.1%} {row} of {store.total}", file=sys.stderr, flush=True)


class Diffusion:
    """The forward process q(x_t | x_0) on a device: alpha and sigma of the 1000 noise levels."""

    def __init__(self, scheduler: DDIMScheduler, device: torch.device) -> None:
        alphas = scheduler.alphas_cumprod.to(device=device, dtype=torch.float32)
        self.alpha, self.sigma = alphas.sqrt(), (1 - alphas).clamp_min(0).sqrt()

    def noised(self, clean: Tensor, noise: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """x_t = alpha x_0 + sigma eps and the target v = alpha eps - sigma x_0; shapes as `clean`."""
        alpha, sigma = self.alpha[timesteps][:, None, None, None], self.sigma[timesteps][:, None, None, None]
        return alpha * clean + sigma * noise, alpha * noise - sigma * clean


def stratified_timesteps(
    rng: np.random.Generator, count: int, levels: int = 1000, early: bool = False
) -> npt.NDArray[np.int64]:
    """`count` timesteps, one uniform in each of `count` equal parts of the range, in random order.

    `early`: drawn as (1 - u^3) instead, mostly noisy ones, where a picture's layout is decided: what control networks
    have to learn (Mou et al. 2023, section 3.4).
    """
    places = (rng.permutation(count) + rng.random(count)) / count
    places = 1.0 - places**3 if early else places
    return np.minimum((places * levels).astype(np.int64), levels - 1)


class Batch:
    """Noised latents (batch, channels, cells, cells), v-targets of the same shape, timesteps, text states, weights."""

    def __init__(
        self,
        rows: npt.NDArray[np.int64],
        noisy: Tensor,
        target: Tensor,
        timesteps: Tensor,
        states: Tensor,
        weights: Tensor,
    ) -> None:
        self.rows, self.noisy, self.target = rows, noisy, target
        self.timesteps, self.states, self.weights = timesteps, states, weights

    def loss(self, predicted: Tensor) -> tuple[Tensor, Figures]:
        """Weighted mean square of v, and the unweighted figure for comparison between runs."""
        error = (predicted.float() - self.target).square().mean(dim=1)
        weights = self.weights / self.weights.mean()
        loss = (weights * error).mean()
        return loss, {"loss": float(loss.detach()), "v_mse": float(error.detach().mean())}


class DiffusionBatches:
    """Makes noised batches for any network that predicts v: the UNet alone, or with a control network around it."""

    def __init__(
        self,
        store: LatentStore,
        scheduler: DDIMScheduler,
        tower: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        compute: Compute,
    ) -> None:
        self.store, self.tower, self.tokenizer, self.compute = store, tower, tokenizer, compute
        self.diffusion = Diffusion(scheduler, compute.device)

    def draw(
        self,
        rng: np.random.Generator,
        count: int,
        progress: float,
        dropout: float,
        early: bool = False,
        draws: int = 1,
    ) -> Batch:
        """One batch of `draws` times the same `count` scenes; `rows` tells which. `early`: see `stratified_timesteps`.

        Captions, timesteps and noise of a scene's pictures differ.
        """
        rows = np.tile(self.store.pick(rng, count, progress), draws)
        count *= draws
        device = self.compute.device
        clean = torch.from_numpy(self.store.latents[rows].astype(np.float32)).to(device)
        clean = clean.contiguous(memory_format=self.compute.layout)
        weights = torch.from_numpy(self.store.weights[rows].astype(np.float32)).to(device)
        timesteps = torch.from_numpy(stratified_timesteps(rng, count, early=early)).to(device)
        noise = tensor_noise(rng, tuple(clean.shape), device)
        noisy, target = self.diffusion.noised(clean, noise, timesteps)
        texts = self.store.captions(rng, rows.tolist(), dropout)
        states = text_states(self.tower, self.tokenizer, texts, self.compute)
        return Batch(rows, noisy, target, timesteps, states, weights)


class Taught(nn.Module):
    """A UNet and a linear head that names, from the first up block's features, what will stand in each cell.

    The idea of representation alignment (Yu et al. 2025, REPA) with a better teacher than any network: the renderer
    itself, which knows every cell's kind and colour. The head is thrown away.
    """

    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.unet = unet
        self.head = nn.Conv2d(unet.config.block_out_channels[-1], len(KINDS) + len(COLOURS) + 2, 1)
        self._features: Tensor | None = None
        unet.up_blocks[0].register_forward_hook(self._listen)

    def _listen(self, block: nn.Module, inputs: object, output: Tensor) -> None:
        self._features = output

    def forward(self, noisy: Tensor, timesteps: Tensor, states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predicted v (as `noisy`), logits of kinds and of colours (batch, classes, cells / 2, cells / 2)."""
        predicted = self.unet(noisy, timesteps, states).sample
        assert self._features is not None
        kinds, colours = self.head(self._features).split((len(KINDS) + 1, len(COLOURS) + 1), dim=1)
        self._features = None
        return predicted, kinds, colours


class UnetStage:
    """Trains the UNet; text tower and VAE are frozen."""

    def __init__(
        self,
        unet: UNet2DConditionModel,
        batches: DiffusionBatches,
        batch: int = 32,
        name: str = "unet",
        beginner: bool = True,
    ) -> None:
        self.name, self.batches, self.batch, self.beginner = name, batches, batch, beginner
        self.network: nn.Module = Taught(batches.compute.prepare(unet)).to(batches.compute.device).train()

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """Algorithm 1 of DDPM on one batch, and a fifth of the naming losses. Only a beginner needs the curriculum."""
        batch = self.batches.draw(rng, self.batch, progress if self.beginner else 1.0, dropout=0.1)
        with self.batches.compute.precision():
            predicted, kinds, colours = self.network(batch.noisy, batch.timesteps, batch.states)
        names = torch.from_numpy(self.batches.store.semantics[batch.rows].astype(np.int64)).to(predicted.device)
        loss, figures = batch.loss(predicted)
        kind, kind_right = naming_loss(kinds.float(), names[:, 0])
        colour, colour_right = naming_loss(colours.float(), names[:, 1])
        return loss + 0.2 * (kind + colour), figures | {"kind": kind_right, "colour": colour_right}


def naming_loss(logits: Tensor, wanted: Tensor) -> tuple[Tensor, float]:
    """Cross-entropy over cells, three times as heavy where a thing stands; and the share of those named rightly."""
    things = (wanted > 0).float()
    weights = 1.0 + 2.0 * things
    loss = (weights * F.cross_entropy(logits, wanted, reduction="none")).sum() / weights.sum()
    right = (logits.detach().argmax(1) == wanted).float() * things
    return loss, float(right.sum() / things.sum().clamp_min(1.0))
