"""Stage `uni_controlnet`: Mini's local and global adapter on the frozen UNet, together (Zhao et al. 2023).

Objective: the UNet's own v-loss, given line drawings, colour blocks and a picture's embedding, each left out at random
as in the paper (section 4.1): all kept 1 time in 10, all dropped 1 in 10, else each dropped with probability 1/2; captions
are dropped half of the time. A left-out map is black, a left-out picture an embedding of zeros. The eye in front of the
global adapter is trained along: Mini has no CLIP.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from studio.mini import config
from studio.mini.classifier import encoded_scenes
from studio.mini.controlnet import PROGRESS, scale_to_unit
from studio.mini.data import THUMBNAIL_PX, Pixels, hints
from studio.mini.style_loras import list_files
from studio.mini.text_to_image import DiffusionBatches
from studio.mini.training import Budget, Figures, Rates, Trainer, freeze

if TYPE_CHECKING:
    from studio.mini.workshop import Workshop

ADOPTED = "uni_controlnet_adopted"
"""Folder in the state: the weights that an earlier training left in the plugin."""
PLUGIN = config.PROJECT / "plugins" / "uni_controlnet"
CONDITIONS = ("line", "color")
BEFORE, INJECT = (8, 16, 32, 64), (24, 32, 48)
"""Widths of the feature extractor: a fifth of the paper's, for an encoder a third as wide on a 16 x 16 grid."""
TOKENS = 4
BLOCKS = 8
"""Colour blocks along a picture's side: 32 px of 256 (`BLOCK` in the plugin's pictures.py)."""
CAPTION_DROPOUT = 0.5
KEEP_ALL, DROP_ALL, DROP_EACH = 0.1, 0.1, 0.5
PLAIN_TEXT = 0.3
"""Share of the batches that see no tokens at all, as pictures without a `uni-global` layer do."""
FAINT = 0.3
"""Spread of the maps' features at the start: the copied encoder should know itself again."""


@cache
def networks() -> ModuleType:
    """The plugin's own definitions, so that what is trained is what runs; they import torch and diffusers only."""
    spec = importlib.util.spec_from_file_location("studio_uni_controlnet_networks", PLUGIN / "networks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def make_adapters(unet: UNet2DConditionModel, text_width: int) -> nn.ModuleDict:
    """`local` from the UNet's own encoder, `adapter` (global) and `encoder` (the eye) from random weights."""
    parts = networks()
    local = parts.start_from(unet, parts.LocalDesign(CONDITIONS, BEFORE, INJECT))
    adapter = parts.GlobalAdapter(text_width, 2 * text_width, TOKENS, (text_width, text_width))
    return nn.ModuleDict({"local": local, "adapter": adapter, "encoder": parts.PictureEncoder(text_width)})


@torch.no_grad()
def warm_extractor(extractor: Any, maps: Tensor) -> None:  # Any: the plugin's FeatureExtractor
    """Scales every convolution to unit spread on `maps` (batch, 6, px, px), the last ones to `FAINT`.

    The paper starts these last ones at zero; behind the encoder's own zero convolutions they would stay unseen for
    the first thousands of steps (see `controlnet.warm_hint`).
    """
    hidden = maps
    for layer in extractor.pre_extractor:
        hidden = scale_to_unit(layer, hidden) if isinstance(layer, nn.Conv2d) else F.silu(hidden)
    for stage, last in zip(extractor.extractors, extractor.zero_convs, strict=True):
        hidden = F.silu(scale_to_unit(stage[0], hidden))
        nn.init.kaiming_normal_(last.weight, nonlinearity="linear")
        scale_to_unit(last, hidden)
        last.weight.mul_(FAINT)


def keep_and_drop(rng: np.random.Generator, count: int, conditions: int) -> npt.NDArray[np.bool_]:
    """(count, conditions): which conditions of which example are kept."""
    kept = rng.random((count, conditions)) >= DROP_EACH
    fate = rng.random(count)
    kept[fate < KEEP_ALL] = True
    kept[(fate >= KEEP_ALL) & (fate < KEEP_ALL + DROP_ALL)] = False
    return kept


def color_maps(thumbnails: Pixels, px: int) -> Tensor:
    """Thumbnails (batch, 64, 64, 3) as colour blocks, (batch, 3, px, px) in 0 ... 1."""
    small = torch.from_numpy(np.ascontiguousarray(thumbnails)).permute(0, 3, 1, 2).float().div_(255.0)
    return F.interpolate(F.avg_pool2d(small, THUMBNAIL_PX // BLOCKS), size=(px, px), mode="nearest")


def looks(thumbnails: Pixels, rng: np.random.Generator) -> Tensor:
    """Thumbnails as the eye sees them, (batch, 3, 64, 64) in -1 ... 1: cut a little and mirrored at random.

    So the embedding learns what is there and in which colours, not where.
    """
    pictures = torch.from_numpy(np.ascontiguousarray(thumbnails)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
    side = int(rng.integers(THUMBNAIL_PX * 3 // 4, THUMBNAIL_PX + 1))
    top, left = (int(rng.integers(THUMBNAIL_PX - side + 1)) for _ in range(2))
    pictures = pictures[:, :, top : top + side, left : left + side]
    pictures = F.interpolate(pictures, size=(THUMBNAIL_PX, THUMBNAIL_PX), mode="bilinear", align_corners=False)
    mirrored = torch.from_numpy(rng.random(len(pictures)) < 0.5)[:, None, None, None]
    return torch.where(mirrored, pictures.flip(3), pictures)


class UniStage:
    """Trains both adapters and the eye; the UNet only passes gradients."""

    name = "uni_controlnet"

    def __init__(
        self, adapters: nn.ModuleDict, unet: UNet2DConditionModel, batches: DiffusionBatches, batch: int = 16
    ) -> None:
        self.unet, self.batches, self.batch = unet, batches, batch
        freeze([unet])
        network = adapters.to(batches.compute.device).to(memory_format=batches.compute.layout)
        self.network: nn.Module = network.train()
        self.local: Any = adapters["local"]
        self.adapter, self.encoder = adapters["adapter"], adapters["encoder"]

    def maps(self, rows: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_]) -> Tensor:
        """(batch, 6, px, px): line drawing and colour blocks, those not kept black."""
        store, device = self.batches.store, self.batches.compute.device
        lines = hints(store.outlines[rows])
        colours = color_maps(store.thumbnails[rows], lines.shape[-1])
        mask = torch.from_numpy(kept).float()[:, :, None, None, None]
        maps = torch.stack([lines, colours], dim=1).mul_(mask).flatten(1, 2)
        return maps.to(device).contiguous(memory_format=self.batches.compute.layout)

    def tokens(self, rows: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
        """(batch, 4, features) from the scenes' own pictures; from zeros where they are not kept."""
        seen = looks(self.batches.store.thumbnails[rows], rng).to(self.batches.compute.device)
        mask = torch.from_numpy(kept).float()[:, None].to(seen.device)
        tokens: Tensor = self.adapter(self.encoder(seen) * mask)
        return tokens

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """One batch's v-loss with the residuals and tokens of the conditions that are kept."""
        batch = self.batches.draw(rng, self.batch, PROGRESS, CAPTION_DROPOUT, early=True)
        kept = keep_and_drop(rng, len(batch.rows), len(CONDITIONS) + 1)
        maps = self.maps(batch.rows, kept[:, : len(CONDITIONS)])
        with self.batches.compute.precision():
            text = batch.states
            if rng.random() >= PLAIN_TEXT:
                text = torch.cat([text, self.tokens(batch.rows, kept[:, -1], rng).to(text.dtype)], dim=1)
            self.local.condition(maps)
            down, middle = self.local(batch.noisy, batch.timesteps, text)
            predicted = self.unet(
                batch.noisy,
                batch.timesteps,
                text,
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle,
            ).sample
        self.local.condition(None)
        return batch.loss(predicted)


def train_uni_controlnet(shop: Workshop, budget: Budget) -> None:
    """Trains and writes plugins/uni_controlnet/mini/{local,global}.safetensors in half precision."""
    torch.manual_seed(shop.seed)
    unet = shop.unet()
    store = encoded_scenes(shop)
    batches = DiffusionBatches(store, shop.scheduler(), shop.tower(), shop.tokenizer(), shop.compute)
    adapters = make_adapters(unet, shop.arch.text_width)
    sample = np.arange(min(16, store.done))
    maps = torch.cat([hints(store.outlines[sample]), color_maps(store.thumbnails[sample], shop.arch.image_px)], dim=1)
    warm_extractor(cast(Any, adapters["local"]).feature_extractor, maps)
    load_adapters(adapters, shop.state / ADOPTED)
    stage = UniStage(adapters, unet, batches, batch=shop.batch)

    trainer = Trainer(stage, shop.state, budget, Rates(rate=8e-4, flat=0.5, ema=0.998), shop.seed)
    trainer.run(watch=lambda step: publish(shop, adapters))


def publish(shop: Workshop, adapters: nn.ModuleDict) -> None:
    """Writes the weights and, for Mini, their digests into the plugin's manifest."""
    files = save_adapters(adapters, weights_folder(shop))
    for file in files:
        print(f"{file.name}: {file.stat().st_size:,} bytes", file=sys.stderr, flush=True)
    if shop.arch == config.MINI:
        list_files(PLUGIN / "plugin.toml", files)


def adopt_uni_controlnet(shop: Workshop) -> None:
    """Keeps a copy of the plugin's weights for Mini, to go on from: the next run overwrites them."""
    source, kept = PLUGIN / "mini", shop.state / ADOPTED
    if shop.arch == config.MINI and source.is_dir() and not kept.exists():
        shutil.copytree(source, kept)


def load_adapters(adapters: nn.ModuleDict, folder: Path) -> bool:
    """The reverse of `save_adapters`; False when there is nothing in `folder`."""
    files = [folder / f"{name}.safetensors" for name in ("global", "local")]
    if not all(file.exists() for file in files):
        return False
    whole, local = (load_file(file) for file in files)
    adapters["local"].load_state_dict(local)
    eye = {name: value for name, value in whole.items() if name.startswith("encoder.")}
    adapters["encoder"].load_state_dict({name.removeprefix("encoder."): value for name, value in eye.items()})
    adapters["adapter"].load_state_dict({name: value for name, value in whole.items() if name not in eye})
    return True


def weights_folder(shop: Workshop) -> Path:
    """Mini's adapters lie in the plugin that uses them; any other architecture's beside its checkpoints."""
    return PLUGIN / "mini" if shop.arch == config.MINI else shop.state / "uni_controlnet"


def save_adapters(adapters: nn.ModuleDict, folder: Path) -> list[Path]:
    """Half-precision weights, each file renamed into place. The global adapter's has the eye as `encoder.*`."""
    local = dict(adapters["local"].state_dict())
    whole = dict(adapters["adapter"].state_dict())
    whole |= {f"encoder.{name}": value for name, value in adapters["encoder"].state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, tensors in (("global", whole), ("local", local)):
        part = folder / f"{name}.safetensors.part"
        halves = {key: value.detach().half().contiguous().cpu() for key, value in tensors.items()}
        save_file(halves, part, {"format": "pt", "conditions": ",".join(CONDITIONS)})
        part.chmod(0o644)
        files.append(part.replace(folder / f"{name}.safetensors"))
    return files
