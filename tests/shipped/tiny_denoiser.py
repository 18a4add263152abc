"""A Denoiser over a tiny random model, uses of a plugin's parts, and our loop around them. Knows torch and `studio.api`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from PIL import Image
from torch import Tensor

from studio.api import Denoiser, Size, Steering, Use
from studio.core.choices import Spacing
from studio.engine.diffusion.denoise import ClassifierFree, denoise
from studio.engine.diffusion.schedulers import make_sampler, make_scheduler

ROOT = Path(__file__).resolve().parents[2]


def denoiser_of(folder: Path, size: Size, branches: int = 2, **parts: Any) -> Denoiser:
    """The model in a folder as adapters see it, in float32."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False).eval()
    vae = AutoencoderKL.from_pretrained(folder / "vae", low_cpu_mem_usage=False).eval()
    fields = {
        "unet": unet,
        "vae": vae,
        "tokenizers": (),
        "text_encoders": (),
        "family": "sd1",
        "model": "tiny",
        "model_folder": folder,
    }
    device = {"size": size, "branches": branches, "device": torch.device("cpu"), "dtype": torch.float32}
    return Denoiser(**(fields | device | parts))


def drawing(size: Size, turn: int = 0) -> Image.Image:
    """A coloured picture with lines, another one for each turn."""
    array = np.random.default_rng(turn).integers(0, 60, (size.height, size.width, 3)).astype(np.uint8)
    array[size.height // 4 + turn, :] = 255
    array[:, size.width // 3 + turn] = (255, 0, 128)
    return Image.fromarray(array)


def use_of(plugin: str, part: str, data: Path, picture: Image.Image, **fields: Any) -> Use:
    """A control layer of a plugin that ships."""
    return Use(plugin=plugin, part=part, folder=ROOT / "plugins" / plugin, data=data, images={"map": picture}, **fields)


def paint(denoiser: Denoiser, text: Tensor, layers: Sequence[tuple[Any, Use]], steps: int = 4, seed: int = 3) -> Tensor:
    """Latents from our loop with all layers attached, as the engine does it; PNDM, guidance 6."""
    config = {"_class_name": "PNDMScheduler", "skip_prk_steps": True, "beta_start": 0.00085, "beta_end": 0.012}
    config |= {"beta_schedule": "scaled_linear", "set_alpha_to_one": False, "steps_offset": 1}
    scheduler = make_scheduler(config, "pndm", Spacing.NORMAL, seed=seed)
    generator = torch.Generator("cpu").manual_seed(seed)
    sampler = make_sampler(scheduler, "pndm", Spacing.NORMAL, steps, denoiser.device, generator)
    cell = 2 ** (len(denoiser.vae.config.block_out_channels) - 1)
    shape = (1, denoiser.unet.config.in_channels, denoiser.size.height // cell, denoiser.size.width // cell)
    latents = torch.randn(shape, generator=generator) * sampler.init_noise_sigma
    with ExitStack() as stack:
        steerings: list[Steering] = [stack.enter_context(part.attach(denoiser, use)) for part, use in layers]
        for steering in steerings:
            text = steering.text(text) if steering.text else text
        residuals = [steering.residuals for steering in steerings if steering.residuals]
        return denoise(denoiser.unet, sampler, latents, text, guidance=ClassifierFree(6.0), residuals=residuals)


def fingerprint(network: Any) -> str:
    """Digest of all weights, and of what hangs on the network: hooks, processors, names of modules."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode() + value.numpy().tobytes())
    for name, module in network.named_modules():
        hooks = len(module._forward_hooks), len(module._forward_pre_hooks), len(module._forward_pre_hooks_with_kwargs)
        digest.update(f"{name}{type(module).__name__}{hooks}".encode())
    digest.update(str([type(value).__name__ for value in network.attn_processors.values()]).encode())
    return digest.hexdigest()
