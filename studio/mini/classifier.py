"""Stage `classifier`: which kind of thing stands in latents x_t at any noise level, for the guidance plugin.

Objective: cross-entropy on noised latents (Dhariwal & Nichol 2021, section 4.1), all noise levels of Mini's schedule
equally often; a scene with two things wants half of each, so that the gradient pulls both towards one kind.
studio/mini/guided.py measures what guidance by it is worth.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from studio.mini import config
from studio.mini.data import HELD_OUT, LatentStore, scene_number, to_unit
from studio.mini.drawings import KINDS, Scene, render
from studio.mini.style_loras import list_files
from studio.mini.text_to_image import Diffusion, stratified_timesteps
from studio.mini.training import Budget, Figures, Rates, Trainer, freeze, tensor_noise
from studio.mini.vae import linear_codes

if TYPE_CHECKING:
    from studio.mini.workshop import Workshop

PLUGIN = config.PROJECT / "plugins" / "guidance"
SHIFT = 2
"""Latents are moved by up to so many cells: a third of a million weights would learn the 30,000 scenes by heart."""


@cache
def networks() -> ModuleType:
    """The plugin's own definitions, so that what is trained is what runs; they import torch and nothing else."""
    spec = importlib.util.spec_from_file_location("studio_guidance_networks", PLUGIN / "networks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def encoded_scenes(shop: Workshop) -> LatentStore:
    """The scenes that are encoded already, however many: a store opened for another number would begin anew."""
    file = shop.state / f"latents{shop.suffix}" / "latents.npy"
    if not file.exists():
        return shop.store()
    total = len(np.load(file, mmap_mode="r"))
    third = total // 3
    arch = shop.arch
    sizes = (third, third, total - 2 * third)
    return LatentStore(file.parent, sizes, arch.latent_channels, arch.latent_px, arch.image_px)


def kinds_wanted(scene: Scene) -> npt.NDArray[np.float32]:
    """(32,) shares of the kinds in a scene, adding up to one."""
    shares = np.zeros(len(KINDS), np.float32)
    for thing in scene.things:
        shares[KINDS.index(thing.kind)] += 1.0 / len(scene.things)
    return shares


def shifted(rng: np.random.Generator, maps: Tensor, most: int) -> Tensor:
    """Maps (batch, channels, h, w) moved by up to `most` cells each way, the border repeated."""
    down, right = (int(value) for value in rng.integers(-most, most + 1, 2))
    padded = F.pad(maps, (most, most, most, most), mode="replicate")
    height, width = maps.shape[2:]
    return padded[:, :, most + down : most + down + height, most + right : most + right + width]


class ClassifierStage:
    """Trains the classifier on the encoded scenes."""

    name = "classifier"

    def __init__(self, store: LatentStore, diffusion: Diffusion, compute: config.Compute, batch: int = 64) -> None:
        self.store, self.diffusion, self.compute, self.batch = store, diffusion, compute, batch
        network: nn.Module = networks().NoisyClassifier(store.latents.shape[1])
        self.network = network.to(compute.device).to(memory_format=torch.channels_last).train()

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """Cross-entropy at stratified noise levels, and the share of kinds read rightly, overall and at t < 300."""
        rows = self.store.pick(rng, self.batch, 1.0)
        clean = torch.from_numpy(self.store.latents[rows].astype(np.float32))
        clean = shifted(rng, clean, SHIFT).to(self.compute.device).contiguous(memory_format=torch.channels_last)
        timesteps = torch.from_numpy(stratified_timesteps(rng, self.batch)).to(clean.device)
        noisy, _ = self.diffusion.noised(clean, tensor_noise(rng, tuple(clean.shape), clean.device), timesteps)
        wanted = torch.from_numpy(np.stack([kinds_wanted(self.store.scene(int(row))) for row in rows])).to(noisy.device)
        with self.compute.precision():
            logits = self.network(noisy, timesteps).float()
        loss = F.cross_entropy(logits, wanted)
        right = wanted.gather(1, logits.detach().argmax(1)[:, None])[:, 0] > 0
        early = right[timesteps < 300].float()
        return loss, {"loss": float(loss.detach()), "right": float(right.float().mean()), "clear": float(early.mean())}


def train_classifier(shop: Workshop, budget: Budget) -> None:
    """Trains, writes plugins/guidance/mini/classifier.safetensors (fp16) and prints the held-out accuracy."""
    torch.manual_seed(shop.seed)
    diffusion = Diffusion(shop.scheduler(), shop.compute.device)
    stage = ClassifierStage(encoded_scenes(shop), diffusion, shop.compute, batch=4 * shop.batch)
    Trainer(stage, shop.state, budget, Rates(rate=2e-3, flat=0.4, ema=0.995), shop.seed).run(save_every=120.0)
    freeze([stage.network])
    figures = accuracy_by_noise(stage.network, diffusion, shop.vae(), shop.arch, 300 if shop.arch == config.MINI else 8)
    shop.log("classifier", **figures)
    file = save_weights(stage.network, weights_folder(shop) / "classifier.safetensors", figures)
    print(f"{file.name}: {file.stat().st_size:,} bytes", file=sys.stderr, flush=True)
    if shop.arch == config.MINI:
        list_files(PLUGIN / "plugin.toml", sorted(file.parent.glob("*.safetensors")))


def weights_folder(shop: Workshop) -> Path:
    """Mini's classifier lies in the plugin that uses it; any other architecture's beside its checkpoints."""
    return PLUGIN / "mini" if shop.arch == config.MINI else shop.state / "guidance"


def save_weights(network: nn.Module, file: Path, figures: Figures, **said: str) -> Path:
    """Half-precision weights with their figures and what else is `said` as metadata, renamed into place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    weights = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    rounded = {name: round(value, 4) for name, value in figures.items()}
    save_file(weights, part, {"format": "pt", "figures": json.dumps(rounded)} | said)
    return part.replace(file)


@torch.no_grad()
def accuracy_by_noise(
    network: nn.Module, diffusion: Diffusion, vae: AutoencoderKL, arch: config.Architecture, count: int
) -> Figures:
    """Share of held-out scenes of one thing whose kind is read rightly at t = 0, 100 ... 900."""
    scenes = [scene for n in range(4 * count) if len((scene := scene_number(HELD_OUT + n, 0)).things) == 1][:count]
    wanted = torch.tensor([KINDS.index(scene.things[0].kind) for scene in scenes])
    device = diffusion.alpha.device
    parts = [scenes[start : start + 16] for start in range(0, len(scenes), 16)]
    pictures = (to_unit(np.stack([render(scene, arch.image_px).image for scene in part])) for part in parts)
    clean = torch.cat([linear_codes(vae, images.to(device)) for images in pictures])
    noise = tensor_noise(np.random.default_rng(3), tuple(clean.shape), device)
    figures: Figures = {}
    for level in range(0, 1000, 100):
        timesteps = torch.full((len(clean),), level, device=device)
        noisy, _ = diffusion.noised(clean, noise, timesteps)
        figures[f"t{level}"] = float((network(noisy, timesteps).argmax(1).cpu() == wanted).float().mean())
    return figures
