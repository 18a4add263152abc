"""Stage `style_loras`: two LoRAs (Hu et al. 2021) that turn Mini's pictures into ink wash and into a glowing night.

Low-rank branches beside the frozen UNet's attention projections and resnet convolutions, W + B A with A of `RANK` rows;
objective: the UNet's own v-loss (text_to_image.py) on drawings restyled before they are encoded. Half of the captions
name the style, so that its words are known but not needed. Files: fp16, one in kohya's layout, one in diffusers'.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn

from studio.mini import config
from studio.mini.data import LatentStore, cell_weights, to_unit
from studio.mini.drawings import render
from studio.mini.export import write_text
from studio.mini.styles import STYLES, Style
from studio.mini.text_to_image import DiffusionBatches
from studio.mini.training import Budget, Figures, Rates, Trainer, freeze
from studio.mini.vae import linear_codes

if TYPE_CHECKING:
    from studio.mini.workshop import Workshop

RANK = 8
SCENES = 256
"""Restyled scenes of each curriculum level; a style is soon told."""

PLUGIN = config.PROJECT / "plugins" / "lora"
_TRAINED = re.compile(r"\.(attn[12]\.to_(q|k|v|out\.0)|resnets\.\d+\.conv[12])$")


class Branch(nn.Module):
    """B A beside a linear layer or a convolution: A with the layer's kernel and stride, B one by one, zero at first."""

    def __init__(self, layer: nn.Module, rank: int = RANK) -> None:
        super().__init__()
        self.down: nn.Linear | nn.Conv2d
        self.up: nn.Linear | nn.Conv2d
        if isinstance(layer, nn.Conv2d):
            kernel = cast(tuple[int, int], layer.kernel_size)
            padding = cast(tuple[int, int], layer.padding)
            stride = cast(tuple[int, int], layer.stride)
            self.down = nn.Conv2d(layer.in_channels, rank, kernel, stride, padding, bias=False)
            self.up = nn.Conv2d(rank, layer.out_channels, 1, bias=False)
        else:
            linear = cast(nn.Linear, layer)
            self.down = nn.Linear(linear.in_features, rank, bias=False)
            self.up = nn.Linear(rank, linear.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        """What is added to the layer's output."""
        added: Tensor = self.up(self.down(inputs))
        return added


def trained_layers(unet: UNet2DConditionModel) -> Iterator[tuple[str, nn.Module]]:
    """Paths and layers that get a branch, in the UNet's order."""
    for path, layer in unet.named_modules():
        if _TRAINED.search(f".{path}"):
            yield path, layer


class Branches(nn.ModuleDict):
    """One branch for each trained layer, by the layer's path with underscores (a module's name has no dots)."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self_paths = {path: Branch(layer) for path, layer in trained_layers(unet)}
        super().__init__({path.replace(".", "_"): branch for path, branch in self_paths.items()})
        self.paths = tuple(self_paths)

    def attach(self, unet: UNet2DConditionModel) -> None:
        """Adds every branch to its layer's output from now on."""
        for path, layer in trained_layers(unet):
            layer.register_forward_hook(_adds(cast(Branch, self[path.replace(".", "_")])))

    def tensors(self) -> dict[str, tuple[Tensor, Tensor]]:
        """(A, B) by path, fp16 on the processor."""
        result = {}
        for path in self.paths:
            branch = cast(Branch, self[path.replace(".", "_")])
            down, up = (part.weight.detach().cpu().half().contiguous() for part in (branch.down, branch.up))
            result[path] = (down, up)
        return result


def _adds(branch: Branch) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        total: Tensor = output + branch(inputs[0])
        return total

    return hook


class StyledStore(LatentStore):
    """Encoded restyled scenes; half of the captions that are not dropped end in the style's words."""

    def __init__(self, folder: Path, style: Style, sizes: tuple[int, int, int], arch: config.Architecture) -> None:
        super().__init__(folder, sizes, arch.latent_channels, arch.latent_px, arch.image_px)
        self.style, self.image_px, self.cells = style, arch.image_px, arch.latent_px

    def captions(self, rng: np.random.Generator, rows: Sequence[int], dropout: float) -> list[str]:
        """Captions as in the plain store, every second one with the style named."""
        texts = super().captions(rng, rows, dropout)
        return [f"{text}, {self.style.trigger}" if text and rng.random() < 0.5 else text for text in texts]

    def fill(self, vae: AutoencoderKL, compute: config.Compute, batch: int = 16) -> None:
        """Draws, restyles and encodes the rows that are missing."""
        while (row := self.done) < self.total:
            rows = range(row, min(row + batch, self.total))
            drawings = [render(self.scene(n), self.image_px) for n in rows]
            images = to_unit(np.stack([self.style.paint(drawing.image) for drawing in drawings]))
            with compute.precision():
                codes = linear_codes(vae, images.to(compute.device))
            self.latents[row : rows.stop] = codes.float().cpu().numpy()
            self.weights[row : rows.stop] = np.stack([cell_weights(drawing, self.cells) for drawing in drawings])
            self.mark(rows.stop)


class StyleStage:
    """Trains the branches of one style; the UNet only passes gradients."""

    def __init__(self, name: str, unet: UNet2DConditionModel, batches: DiffusionBatches, batch: int = 16) -> None:
        self.name, self.unet, self.batches, self.batch = name, unet, batches, batch
        freeze([unet])
        self.branches = Branches(unet).to(batches.compute.device)
        self.branches.attach(unet)
        self.network: nn.Module = self.branches.train()

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """One batch's v-loss on restyled drawings."""
        batch = self.batches.draw(rng, self.batch, 1.0, dropout=0.1)
        with self.batches.compute.precision():
            predicted = self.unet(batch.noisy, batch.timesteps, batch.states).sample
        return batch.loss(predicted)


def train_style_loras(shop: Workshop, budget: Budget) -> None:
    """Trains each style for its share of the minutes (all of the steps) and writes its file.

    A run that was killed goes on; a finished one leaves no checkpoint, since the next may have another UNet.
    """
    for style in STYLES:
        torch.manual_seed(shop.seed)
        sizes = cast(tuple[int, int, int], tuple(min(SCENES, size) for size in shop.scenes))
        store = StyledStore(shop.state / f"latents_{style.name}", style, sizes, shop.arch)
        store.fill(shop.vae(), shop.compute)
        batches = DiffusionBatches(store, shop.scheduler(), shop.tower(), shop.tokenizer(), shop.compute)
        stage = StyleStage(f"style_{style.name}", shop.unet(), batches, batch=shop.batch)
        share = Budget(budget.minutes / len(STYLES), budget.steps)
        trainer = Trainer(stage, shop.state, share, Rates(rate=3e-3, warmup_steps=20, ema=0.99), shop.seed)
        trainer.run(save_every=120.0)
        file = save_lora(style, stage.branches.tensors(), weights_folder(shop))
        for checkpoint in shop.state.glob(f"{stage.name}*.pt"):
            checkpoint.unlink()
        print(f"{file.name}: {file.stat().st_size:,} bytes", file=sys.stderr, flush=True)
    if shop.arch == config.MINI:
        list_files(PLUGIN / "plugin.toml", sorted(weights_folder(shop).glob("*.safetensors")))


def weights_folder(shop: Workshop) -> Path:
    """Mini's styles lie in the plugin that uses them; any other architecture's beside its checkpoints."""
    return PLUGIN / "mini" if shop.arch == config.MINI else shop.state / "lora"


def save_lora(style: Style, tensors: dict[str, tuple[Tensor, Tensor]], folder: Path) -> Path:
    """Writes {path: (A, B)} in the style's layout, with its words where other programs look for them."""
    named: dict[str, Tensor] = {}
    metadata = {"format": "pt", "modelspec.title": style.name, "modelspec.trigger_phrase": style.trigger}
    metadata |= {"modelspec.architecture": "studio-mini/lora"}
    if style.layout == "kohya":
        metadata |= {"ss_network_module": "networks.lora", "ss_base_model_version": "mini"}
        metadata |= {"ss_network_dim": str(RANK), "ss_network_alpha": str(RANK)}
        metadata |= {"ss_tag_frequency": json.dumps({style.name: {style.trigger: 3 * SCENES}})}
    for path, (down, up) in tensors.items():
        if style.layout == "kohya":
            name = "lora_unet_" + path.replace(".", "_")
            named |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
            named[f"{name}.alpha"] = torch.tensor(float(RANK), dtype=torch.float16)
        else:
            named |= {f"unet.{path}.lora_A.weight": down, f"unet.{path}.lora_B.weight": up}
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{style.name}.safetensors.part"
    save_file(named, part, metadata)
    return part.replace(folder / f"{style.name}.safetensors")


def list_files(manifest: Path, files: Sequence[Path]) -> None:
    """Rewrites the tables of weight files at the end of a plugin's manifest: path, size and digest of each."""
    text = manifest.read_text(encoding="utf-8").split("\n[[files]]")[0].rstrip("\n")
    for file in files:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        path = file.relative_to(manifest.parent).as_posix()
        text += f'\n\n[[files]]\npath = "{path}"\nbytes = {file.stat().st_size}\nsha256 = "{digest}"'
    write_text(manifest, text + "\n")
