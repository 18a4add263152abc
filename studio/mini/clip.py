"""Stage `clip`: a picture tower beside the frozen text tower, so that pictures and captions can be compared.

Objective: InfoNCE both ways (Radford et al. 2021, figure 3) on 64 px pictures and freshly made captions of both
languages, without the pairs that only seem wrong; and the scene's attributes read from the picture's features by heads
that are thrown away. Half of the batches are linear previews of latents, since that is what guidance looks at.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTokenizer

from studio.mini import config, export
from studio.mini.classifier import encoded_scenes, networks, save_weights, shifted
from studio.mini.data import HELD_OUT, LANGUAGES, THUMBNAIL_PX, LatentStore, scene_number, thumbnail
from studio.mini.drawings import attributes, caption, render
from studio.mini.scorer import thumbnails_to_unit
from studio.mini.text_encoder import CLASSES, TRAINED_TOKENS, token_ids
from studio.mini.training import Budget, Figures, Rates, Trainer, freeze

if TYPE_CHECKING:
    from studio.mini.workshop import Workshop

THINGS = ("kind0", "colour0", "count0", "kind1", "colour1")
SCALE_MAX = math.log(50.0)
Labels = dict[str, Tensor]


class Taught(nn.Module):
    """The picture tower and the heads that teach it."""

    def __init__(self, text_width: int) -> None:
        super().__init__()
        self.tower = networks().ImageTower(text=text_width)
        width = self.tower.middle.out_features
        self.heads = nn.ModuleDict({name: nn.Linear(width, classes) for name, classes in CLASSES.items()})

    def forward(self, pictures: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Unit vectors and logits of every attribute for pictures (batch, 3, 64, 64) in -1 ... 1."""
        features = self.tower.look(pictures)
        logits = {name: head(features) for name, head in self.heads.items()}
        return F.normalize(self.tower.picture(features), dim=1), logits


class Previews:
    """Latents to small pictures by the exported preview.json, as the guidance plugin does it."""

    def __init__(self, file: Path) -> None:
        table = json.loads(file.read_text("utf-8"))
        self.grid = int(table["grid"])
        # Rows come as (row, column, colour); a pixel shuffle wants (colour, row, column).
        order = torch.arange(self.grid**2 * 3).view(self.grid**2, 3).T.flatten()
        self.weight, self.bias = torch.tensor(table["matrix"])[order], torch.tensor(table["bias"])[order]

    def __call__(self, latents: Tensor) -> Tensor:
        """Pictures (batch, 3, 64, 64) in about -1 ... 1 of latents (batch, channels, h, w)."""
        values = torch.einsum("oc,nchw->nohw", self.weight, latents) + self.bias[:, None, None]
        return F.interpolate(F.pixel_shuffle(values, self.grid), size=(THUMBNAIL_PX, THUMBNAIL_PX), mode="area")


class ClipStage:
    """Trains the tower on the encoded scenes' thumbnails and previews."""

    name = "clip"

    def __init__(
        self,
        store: LatentStore,
        previews: Previews,
        text: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        compute: config.Compute,
        batch: int = 64,
    ) -> None:
        self.store, self.previews, self.text, self.tokenizer = store, previews, text, tokenizer
        self.compute, self.batch = compute, batch
        network = Taught(text.config.hidden_size)
        self.network = network.to(compute.device).to(memory_format=torch.channels_last).train()

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """InfoNCE plus a third of the attribute losses; `right` is the share of captions found among the batch's."""
        rows = self.store.pick(rng, self.batch, 1.0)
        pictures = self._pictures(rng, rows).to(self.compute.device).contiguous(memory_format=torch.channels_last)
        truths = [attributes(self.store.scene(int(row))) for row in rows]
        labels = {name: torch.tensor([row[name] for row in truths], device=pictures.device) for name in CLASSES}
        states = end_states(self.text, self.tokenizer, self.store.captions(rng, rows.tolist(), 0.0), self.compute)
        with self.compute.precision():
            seen, logits = self.network(pictures)
        tower = self.network.tower
        contrast, right = info_nce(seen.float(), tower.read(states), tower.log_scale, alike(labels))
        naming = sum((F.cross_entropy(logits[name].float(), labels[name]) for name in CLASSES), torch.zeros(()))
        kind = float((logits["kind0"].detach().argmax(1) == labels["kind0"]).float().mean())
        loss = contrast + naming / 3
        return loss, {"loss": float(loss.detach()), "nce": float(contrast.detach()), "right": right, "kind": kind}

    def _pictures(self, rng: np.random.Generator, rows: npt.NDArray[np.int64]) -> Tensor:
        """Thumbnails or previews, moved, softened and noised a little: an unfinished picture is soft and grainy."""
        if rng.random() < 0.5:
            pictures = self.previews(torch.from_numpy(self.store.latents[rows].astype(np.float32)))
        else:
            pictures = thumbnails_to_unit(self.store.thumbnails[rows])
        pictures = shifted(rng, pictures, 4)
        window = int(rng.choice([3, 3, 3, 5, 9]))
        soft = F.avg_pool2d(pictures, window, stride=1, padding=window // 2, count_include_pad=False)
        noise = torch.from_numpy(rng.standard_normal(pictures.shape, dtype=np.float32))
        return torch.lerp(pictures, soft, float(rng.random())) + 0.1 * float(rng.random()) * noise


def alike(labels: Labels) -> Tensor:
    """(batch, batch): which scenes show the same things, so that a short caption of one is true of the other."""
    same = [labels[name][:, None] == labels[name][None] for name in THINGS]
    return torch.stack(same).all(dim=0)


def info_nce(pictures: Tensor, texts: Tensor, log_scale: Tensor, same: Tensor) -> tuple[Tensor, float]:
    """Cross-entropy of finding the text of a picture and the picture of a text, and the share of texts found.

    Unit vectors (batch, joint). Pairs that are `same` without being the pair itself are left out: they are no errors.
    """
    pairs = torch.eye(len(pictures), dtype=torch.bool, device=pictures.device)
    logits = (log_scale.clamp_max(SCALE_MAX).exp() * pictures @ texts.T).masked_fill(same & ~pairs, -1e4)
    wanted = torch.arange(len(pictures), device=pictures.device)
    loss = (F.cross_entropy(logits, wanted) + F.cross_entropy(logits.T, wanted)) / 2
    return loss, float((logits.detach().argmax(1) == wanted).float().mean())


@torch.no_grad()
def end_states(tower: CLIPTextModel, tokenizer: CLIPTokenizer, texts: list[str], compute: config.Compute) -> Tensor:
    """float32 (batch, width): the tower's last states at the end tokens. Later tokens never act on earlier ones."""
    ids = token_ids(tokenizer, texts)[:, :TRAINED_TOKENS]
    end = (ids == tokenizer.eos_token_id).int().argmax(dim=1)
    ids = ids[:, : int(end.max()) + 1].to(compute.device)
    with compute.precision():
        states: Tensor = tower(ids).last_hidden_state
    return states[torch.arange(len(texts)), end].float()


def train_clip(shop: Workshop, budget: Budget) -> None:
    """Trains, writes clip/model.safetensors (fp16) beside the model's other parts and prints the held-out retrieval.

    The file names the digest of the text tower it was trained against: with another one its answers are noise.
    """
    torch.manual_seed(shop.seed)
    text, tokenizer = shop.tower(), shop.tokenizer()
    previews = Previews(shop.output / "preview.json")
    stage = ClipStage(encoded_scenes(shop), previews, text, tokenizer, shop.compute, batch=4 * shop.batch)
    Trainer(stage, shop.state, budget, Rates(rate=2e-3, flat=0.4, ema=0.995), shop.seed).run(save_every=120.0)
    freeze([stage.network])
    figures: Figures = {}
    for language in LANGUAGES:
        figures |= retrieval(stage.network.tower, text, tokenizer, shop.compute, language, shop.arch.image_px)
    shop.log("clip", **figures)
    digest = hashlib.sha256((shop.output / "text_encoder" / "model.safetensors").read_bytes()).hexdigest()
    file = save_weights(stage.network.tower, shop.output / "clip" / "model.safetensors", figures, text_encoder=digest)
    print(f"{file.name}: {file.stat().st_size:,} bytes", file=sys.stderr, flush=True)
    export.update_card(shop.output)


@torch.no_grad()
def retrieval(
    tower: nn.Module, text: CLIPTextModel, tokenizer: CLIPTokenizer, compute: config.Compute, language: str, px: int
) -> Figures:
    """Share of 100 held-out pictures whose own caption is the likest, or among the five likest, of all 100.

    `long`: captions are the longest of eight, so that they say what tells scenes apart; `short`: just one, as drawn.
    """
    scenes = [scene_number(HELD_OUT + 100_000 + n, n % 3) for n in range(100)]
    small = np.stack([thumbnail(render(scene, px).image) for scene in scenes])
    seen = tower(thumbnails_to_unit(small).to(compute.device)).cpu()
    figures: Figures = {}
    for name, tries in (("long", 8), ("short", 1)):
        rng = np.random.default_rng(17)
        texts = [max((caption(scene, rng, language) for _ in range(tries)), key=len) for scene in scenes]
        read = tower.read(end_states(text, tokenizer, texts, compute)).cpu()  # type: ignore[operator]  # ImageTower
        ranks = (seen @ read.T).argsort(dim=1, descending=True)
        found = ranks == torch.arange(len(scenes))[:, None]
        figures[f"{language}_{name}_1"] = float(found[:, 0].float().mean())
        figures[f"{language}_{name}_5"] = float(found[:, :5].any(dim=1).float().mean())
    return figures
