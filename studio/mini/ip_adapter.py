"""Stage `ip_adapter`: Mini's IP-Adapter on the frozen UNet and the frozen picture tower (Ye et al. 2023).

The layout is the published plain one: a linear layer makes four tokens of a picture's features, and every
cross-attention gets keys and values of its own for them, copies of those for the text (section 3.2).

First the linear layer is fitted by least squares, in seconds: its tokens shall be what the text tower says of words for
the picture (its thing's colour, the thing, a second thing, a whole caption), which the copied keys and values can read
as they are. With a budget the whole is then trained on by the UNet's own v-loss, given the scene's own picture;
captions are dropped half of the time, so that the picture has to say what is there, the picture itself 5 % of the time
(section 4.1), which is an embedding of zeros. What ships is the fit alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import IPAdapterAttnProcessor
from diffusers.models.embeddings import ImageProjection, MultiIPAdapterImageProjection
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from studio.mini import config
from studio.mini.classifier import encoded_scenes
from studio.mini.controlnet import PROGRESS
from studio.mini.data import LatentStore
from studio.mini.drawings import Scene, caption
from studio.mini.scorer import thumbnails_to_unit
from studio.mini.style_loras import list_files
from studio.mini.text_encoder import TRAINED_TOKENS, token_ids
from studio.mini.text_to_image import DiffusionBatches
from studio.mini.training import Budget, Figures, Rates, Trainer, freeze

if TYPE_CHECKING:
    from studio.mini.workshop import Workshop

PLUGIN = config.PROJECT / "plugins" / "ip_adapter"
FILE = "plain.safetensors"
TOKENS = 4
CAPTION_DROPOUT, PICTURE_DROPOUT = 0.5, 0.05
BEHIND = 2
"""How far behind a caption's end its state is taken: in the padding, of which the UNet has seen most."""
SHOWN, RIDGE = 4_000, 1.0
"""Scenes that the fit sees, and its penalty."""
LAST_NORM = "final_layer_norm"
"""The text tower's last layer, whose place the projection's norm takes."""


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
    """What is made: the projection (`image_proj`), and keys and values for each cross-attention (`layers`)."""

    def __init__(self, unet: UNet2DConditionModel, features: int, text_width: int) -> None:
        super().__init__()
        self.image_proj = ImageProjection(features, text_width, TOKENS)
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


class Lesson:
    """What the projection shall say of scenes: the text tower's states of words for them (see the module)."""

    def __init__(self, tower: CLIPTextModel, tokenizer: CLIPTokenizer, compute: config.Compute) -> None:
        self.tower, self.tokenizer, self.compute = tower, tokenizer, compute
        self._words: dict[str, Tensor] = {}

    def of(self, scenes: Sequence[Scene]) -> Tensor:
        """(n, 4, width): the first thing's colour, the thing, the second thing (or the first again), the caption's end."""
        ends = [self.states([full_caption(scene) for scene in scenes[i : i + 64]]) for i in range(0, len(scenes), 64)]
        end = torch.cat([states[:, -1] for states in ends])
        things = torch.stack(
            [torch.cat([self._thing(*names[0]), self._thing(*names[-1])[1:]]) for names in map(_names, scenes)]
        )
        return torch.cat([things, end[:, None]], dim=1)

    def nothing(self) -> Tensor:
        """(4, width): the same of the empty caption."""
        colour, _, end = self.states([""])[0]
        return torch.stack([colour, end, end, end])

    def _thing(self, colour: str, kind: str) -> Tensor:
        text = f"a {colour} {kind}"
        if text not in self._words:
            self._words[text] = self.states([text])[0]
        return self._words[text][:2]

    @torch.no_grad()
    def states(self, texts: list[str]) -> Tensor:
        """(n, 3, width): at the second word (of "a red house": the colour), at the last one, and behind the end."""
        ids = token_ids(self.tokenizer, texts)[:, :TRAINED_TOKENS].to(self.compute.device)
        states = self.tower(ids).last_hidden_state.float()
        end = (ids == self.tokenizer.eos_token_id).int().argmax(dim=1)
        places = torch.stack(
            [end.clamp_max(2), (end - 1).clamp_min(1), (end + BEHIND).clamp_max(ids.shape[1] - 1)], dim=1
        )
        told: Tensor = states.gather(1, places[:, :, None].expand(-1, -1, states.shape[2]))
        return told


def _names(scene: Scene) -> list[tuple[str, str]]:
    """(colour, kind) of the scene's things from left to right."""
    return [(thing.colour, thing.kind) for thing in sorted(scene.things, key=lambda thing: thing.x)]


def full_caption(scene: Scene) -> str:
    """The longest of eight captions, always the same: short ones leave out what the picture shows."""
    rng = np.random.default_rng(scene.seed)
    return max((caption(scene, rng) for _ in range(8)), key=len)


@torch.no_grad()
def fit(adapter: Adapter, eye: nn.Module, store: LatentStore, lesson: Lesson) -> Figures:
    """Sets the projection by ridge regression; `left`: what remains of the spread in scenes that were not fitted.

    LayerNorm undoes any scale, so what is fitted are the states before the text tower's own last norm, whose weights
    the projection's norm takes over. No picture, an embedding of zeros, becomes the empty caption: the bias.
    """
    rng = np.random.default_rng(5)
    rows = rng.permutation(np.unique(store.pick(rng, min(SHOWN, 4 * store.done), PROGRESS)))
    seen = torch.cat(
        [eye(thumbnails_to_unit(store.thumbnails[part])) for part in np.array_split(rows, 1 + len(rows) // 64)]
    )
    norm = lesson.tower.get_submodule(LAST_NORM)
    weight, bias = cast(Tensor, norm.weight).float(), cast(Tensor, norm.bias).float()
    nothing = ((lesson.nothing() - bias) / weight).flatten()
    wanted = ((lesson.of([store.scene(int(row)) for row in rows]) - bias) / weight).flatten(1) - nothing
    known = max(1, len(rows) * 9 // 10)
    squares = seen[:known].T @ seen[:known] + RIDGE * torch.eye(seen.shape[1])
    solved = torch.linalg.solve(squares, seen[:known].T @ wanted[:known])
    adapter.image_proj.image_embeds.weight.copy_(solved.T)
    adapter.image_proj.image_embeds.bias.copy_(nothing)
    adapter.image_proj.norm.load_state_dict(norm.state_dict())
    rest = wanted[known:]
    spread = (rest - rest.mean(dim=0)).square().mean()
    return {"left": float((seen[known:] @ solved - rest).square().mean() / spread)}


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
        """(batch, 1, features) of pictures (batch, 3, 64, 64); zeros where they are dropped."""
        kept = torch.from_numpy((rng.random(len(thumbnails)) >= PICTURE_DROPOUT).astype(np.float32))
        seen: Tensor = self.eye(thumbnails.to(self.batches.compute.device))
        return (seen * kept[:, None].to(seen.device))[:, None]

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
    """Fits, trains if there is a budget, and writes plugins/ip_adapter/mini/plain.safetensors in half precision."""
    torch.manual_seed(shop.seed)
    unet = shop.unet()
    batches = DiffusionBatches(encoded_scenes(shop), shop.scheduler(), shop.tower(), shop.tokenizer(), shop.compute)
    tower = tower_file(shop)
    eye = eyes().Eye.of(load_file(tower))
    adapter = Adapter(unet, eye.features, shop.arch.text_width)
    shop.log("ip_adapter", **fit(adapter, eye, batches.store, Lesson(batches.tower, batches.tokenizer, shop.compute)))
    publish(shop, adapter, tower)
    if budget.minutes or budget.steps:
        stage = IPStage(adapter, eye, unet, batches, batch=shop.batch)
        trainer = Trainer(stage, shop.state, budget, Rates(rate=3e-4, flat=0.5, ema=0.998), shop.seed)
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
    projection = adapter.image_proj.state_dict().items()
    tensors = {f"image_proj.{name.replace('image_embeds', 'proj')}": value for name, value in projection}
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
