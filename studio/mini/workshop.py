"""Where a training run lives: the parts that earlier stages kept, the encoded scenes, the log."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    ControlNetModel,
    DDIMScheduler,
    T2IAdapter,
    UNet2DConditionModel,
)
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from studio.mini import config, export
from studio.mini.data import LatentStore
from studio.mini.text_to_image import DiffusionBatches
from studio.mini.training import append_line, freeze

Network = TypeVar("Network", bound=nn.Module)
LOADERS: dict[str, Callable[[Path], nn.Module]] = {
    "vae": AutoencoderKL.from_pretrained,
    "text_encoder": CLIPTextModel.from_pretrained,
    "unet": UNet2DConditionModel.from_pretrained,
    "controlnet": ControlNetModel.from_pretrained,
    "t2i_adapter": T2IAdapter.from_pretrained,
    "tiny_vae": AutoencoderTiny.from_pretrained,
}


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where a training run lives: `state` holds checkpoints and kept parts, `output` the exported model."""

    state: Path
    output: Path
    compute: config.Compute
    arch: config.Architecture = config.MINI
    scenes: tuple[int, int, int] = (4000, 4000, 4000)
    batch: int = 32
    seed: int = 0
    suffix: str = ""

    def vae(self) -> AutoencoderKL:
        """The kept VAE, frozen."""
        return self._ready(AutoencoderKL.from_pretrained(self.state / "vae", low_cpu_mem_usage=False))

    def tower(self) -> CLIPTextModel:
        """The kept text tower, frozen."""
        return self._ready(CLIPTextModel.from_pretrained(self.state / "text_encoder"))

    def tokenizer(self) -> CLIPTokenizer:
        """The kept tokenizer."""
        return CLIPTokenizer.from_pretrained(self.state / "tokenizer")

    def unet(self) -> UNet2DConditionModel:
        """The kept UNet, frozen."""
        unet = self._ready(UNet2DConditionModel.from_pretrained(self.state / "unet", low_cpu_mem_usage=False))
        return self.compute.prepare(unet)

    def scheduler(self) -> DDIMScheduler:
        """The noise schedule of training and sampling."""
        return config.make_scheduler()

    def small(self) -> Workshop:
        """The same workshop at half the side: a quarter of the work for a picture's layout, words and colours."""
        return replace(self, arch=replace(self.arch, image_px=self.arch.image_px // 2), suffix="_small")

    def store(self) -> LatentStore:
        """The encoded scenes."""
        arch = self.arch
        return LatentStore(
            self.state / f"latents{self.suffix}", self.scenes, arch.latent_channels, arch.latent_px, arch.image_px
        )

    def batches(self) -> DiffusionBatches:
        """Noised batches of the encoded scenes."""
        return DiffusionBatches(self.store(), self.scheduler(), self.tower(), self.tokenizer(), self.compute)

    def _ready(self, network: Network) -> Network:
        freeze([network])
        return network.to(self.compute.device).to(memory_format=torch.channels_last)

    def keep(self, name: str, network: nn.Module) -> None:
        """Keeps a part in fp32 for later stages and exports it in fp16."""
        export.keep_part(network, self.state / name)  # type: ignore[arg-type]  # has save_pretrained
        export.export_part(network, self.output / name)

    def go_on(self, name: str, network: nn.Module) -> bool:
        """Gives a network the weights of the kept part of this name; False when there is none."""
        if not (self.state / name / "config.json").exists():
            return False
        network.load_state_dict(LOADERS[name](self.state / name).state_dict())
        return True

    def log(self, stage: str, **figures: float) -> None:
        """A line of results in the run's log."""
        append_line(self.state / "figures.jsonl", {"stage": stage, "result": True} | figures)
        print(f"{stage} result: {figures}", file=sys.stderr, flush=True)
