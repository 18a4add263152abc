"""Stage `ip_adapter`: Mini's IP-Adapter on the frozen UNet and the frozen picture tower (Ye et al. 2023).

Objective: the UNet's own v-loss, given the scene's own picture as the tower sees it. The layout is the published
"plus": a resampler makes tokens of the tower's cells, and every cross-attention gets keys and values of its own for
them, begun as copies of those for the text (section 3.2). Captions are dropped half of the time, so that the picture
has to say what is there; the picture is dropped 5 % of the time (section 4.1), which the tower sees as plain grey.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor
from diffusers.models.embeddings import IPAdapterPlusImageProjection, MultiIPAdapterImageProjection
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from studio.mini import config
from studio.mini.classifier import encoded_scenes
from studio.mini.controlnet import PROGRESS
from studio.mini.scorer import thumbnails_to_unit
from studio.mini.style_loras import list_files
from studio.mini.text_to_image import DiffusionBatches
from studio.mini.training import Budget, Figures, Rates, Trainer, freeze

if TYPE_CHECKING:
    from studio.mini.stages import Workshop

PLUGIN = config.PROJECT / "plugins" / "ip_adapter"
FILE = "plus.safetensors"
TOKENS, WIDTH, HEADS = 8, 96, 2
"""Of the resampler: a thirteenth of the published width, for a UNet a tenth as wide; heads of 64, four layers."""
CAPTION_DROPOUT, PICTURE_DROPOUT = 0.5, 0.05


@cache
def eyes() -> ModuleType:
    """The plugin's own definition of the eye, so that what is trained is what runs; it imports torch only."""
    spec = importlib.util.spec_from_file_location("studio_ip_adapter_eye", PLUGIN / "eye.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tower_file(shop: Workshop) -> Path:
    """The CLIP that was trained beside this model; the one that ships where this run has none of its own."""
    own = shop.output / "clip" / "model.safetensors"
    return own if own.is_file() else config.MODEL_FOLDER / "clip" / "model.safetensors"


class Adapter(nn.Module):
    """What is trained: the resampler (`image_proj`), and keys and values for each cross-attention (`layers`)."""

    def __init__(self, unet: UNet2DConditionModel, features: int, text_width: int) -> None:
        super().__init__()
        self.image_proj = IPAdapterPlusImageProjection(
            embed_dims=features, output_dims=text_width, hidden_dims=WIDTH, heads=HEADS, num_queries=TOKENS
        )
        self.layers = nn.ModuleList(_beginning(attention, text_width) for _, attention in cross_attentions(unet))

    def join(self, unet: UNet2DConditionModel) -> None:
        """Put the adapter into a UNet as diffusers' loader does."""
        ours = {
            f"{name}.processor": layer for (name, _), layer in zip(cross_attentions(unet), self.layers, strict=True)
        }
        unet.set_attn_processor({name: ours.get(name, kept) for name, kept in unet.attn_processors.items()})
        unet.encoder_hid_proj = MultiIPAdapterImageProjection([self.image_proj])
        unet.config.encoder_hid_dim_type = "ip_image_proj"


def cross_attentions(unet: UNet2DConditionModel) -> list[tuple[str, Any]]:  # Any: Attention is not typed
    """(name, layer) of every cross-attention, in the order in which files number them: 1, 3, 5 ..."""
    modules = dict(unet.named_modules())
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    return [(name, modules[name]) for name in names if name.endswith("attn2")]


def _beginning(attention: Any, text_width: int) -> IPAdapterAttnProcessor:
    layer = IPAdapterAttnProcessor(attention.to_k.out_features, text_width, num_tokens=(TOKENS,))
    layer.to_k_ip[0].weight.data.copy_(attention.to_k.weight)
    layer.to_v_ip[0].weight.data.copy_(attention.to_v.weight)
    return layer


class IPStage:
    """Trains the adapter; the UNet only passes gradients, and the eye nothing."""

    name = "ip_adapter"

    def __init__(
        self, adapter: Adapter, eye: nn.Module, unet: UNet2DConditionModel, batches: DiffusionBatches, batch: int = 16
    ) -> None:
        self.unet, self.batches, self.batch = unet, batches, batch
        freeze([unet, eye])
        self.network: nn.Module = adapter.to(batches.compute.device).train()
        self.eye = eye.to(batches.compute.device)
        adapter.join(unet)

    @torch.no_grad()
    def seen(self, thumbnails: Tensor, rng: np.random.Generator) -> Tensor:
        """(batch, 1, 16, features) of pictures (batch, 3, 64, 64); of plain grey where they are dropped."""
        kept = torch.from_numpy((rng.random(len(thumbnails)) >= PICTURE_DROPOUT).astype(np.float32))
        pictures = (thumbnails * kept[:, None, None, None]).to(self.batches.compute.device)
        cells: Tensor = self.eye(pictures)
        return cells[:, None]

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """One batch's v-loss with the scenes' own pictures."""
        batch = self.batches.draw(rng, self.batch, PROGRESS, CAPTION_DROPOUT, early=True)
        seen = self.seen(thumbnails_to_unit(self.batches.store.thumbnails[batch.rows]), rng)
        with self.batches.compute.precision():
            predicted = self.unet(
                batch.noisy, batch.timesteps, batch.states, added_cond_kwargs={"image_embeds": [seen]}
            ).sample
        return batch.loss(predicted)


def train_ip_adapter(shop: Workshop, budget: Budget) -> None:
    """Trains and writes plugins/ip_adapter/mini/plus.safetensors in half precision."""
    torch.manual_seed(shop.seed)
    unet = shop.unet()
    batches = DiffusionBatches(encoded_scenes(shop), shop.scheduler(), shop.tower(), shop.tokenizer(), shop.compute)
    tower = tower_file(shop)
    eye = eyes().Eye.of(load_file(tower))
    adapter = Adapter(unet, eye.features, shop.arch.text_width)
    stage = IPStage(adapter, eye, unet, batches, batch=shop.batch)

    trainer = Trainer(stage, shop.state, budget, Rates(rate=1e-3, flat=0.5, ema=0.998), shop.seed)
    trainer.run(watch=lambda step: publish(shop, adapter, tower))


def publish(shop: Workshop, adapter: Adapter, tower: Path) -> None:
    """Writes the weights and, for Mini, their digest into the plugin's manifest."""
    file = save_adapter(adapter, weights_folder(shop) / FILE, hashlib.sha256(tower.read_bytes()).hexdigest())
    print(f"{file.name}: {file.stat().st_size:,} bytes", file=sys.stderr, flush=True)
    if shop.arch == config.MINI:
        list_files(PLUGIN / "plugin.toml", [file])


def weights_folder(shop: Workshop) -> Path:
    """Mini's adapter lies in the plugin that uses it; any other architecture's beside its checkpoints."""
    return PLUGIN / "mini" if shop.arch == config.MINI else shop.state / "ip_adapter"


def save_adapter(adapter: Adapter, file: Path, tower: str) -> Path:
    """Half-precision weights by their published names, renamed into place. The metadata name the tower's digest."""
    tensors = {f"image_proj.{name}": value for name, value in published(adapter.image_proj).items()}
    layers: list[Any] = list(adapter.layers)
    for number, layer in enumerate(layers):
        tensors[f"ip_adapter.{2 * number + 1}.to_k_ip.weight"] = layer.to_k_ip[0].weight
        tensors[f"ip_adapter.{2 * number + 1}.to_v_ip.weight"] = layer.to_v_ip[0].weight
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    halves = {name: value.detach().half().contiguous().cpu() for name, value in tensors.items()}
    save_file(halves, part, {"format": "pt", "image_encoder": tower})
    part.chmod(0o644)
    return part.replace(file)


def published(resampler: nn.Module) -> dict[str, Tensor]:
    """A resampler's weights by the authors' names, keys and values of an attention in one matrix."""
    weights = dict(resampler.state_dict())
    tensors: dict[str, Tensor] = {}
    for name, value in weights.items():
        parts = name.split(".")
        if parts[0] != "layers":
            tensors[name] = value
            continue
        number, rest = parts[1], ".".join(parts[2:])
        if rest == "attn.to_k.weight":
            both = torch.cat([value, weights[f"layers.{number}.attn.to_v.weight"]])
            tensors[f"layers.{number}.0.to_kv.weight"] = both
        elif rest != "attn.to_v.weight":
            for ours, theirs in _PUBLISHED.items():
                if rest.startswith(ours):
                    tensors[f"layers.{number}.{theirs}{rest.removeprefix(ours)}"] = value
    return tensors


_PUBLISHED = {
    "ln0.": "0.norm1.", "ln1.": "0.norm2.", "attn.to_q.": "0.to_q.", "attn.to_out.0.": "0.to_out.",
    "ff.0.": "1.0.", "ff.1.net.0.proj.": "1.1.", "ff.1.net.2.": "1.3.",
}  # fmt: skip
