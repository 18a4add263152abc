"""Our own judge of pictures: a small convolutional network that reads a scene's attributes from a 64 px thumbnail.

Trained on true renders (cross-entropies, AdamW), moved, blurred and noised a little to forgive a generator its softness;
its held-out accuracy is printed beside every figure it gives. Ships with the model, so that `mini evaluate` runs
anywhere.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from studio.mini import export
from studio.mini.config import Compute
from studio.mini.data import HELD_OUT, LatentStore, Pixels, scene_number, thumbnail
from studio.mini.drawings import COLOURS, KINDS, attributes, render
from studio.mini.text_encoder import CLASSES
from studio.mini.text_to_image import naming_loss
from studio.mini.training import Figures

WEIGHTS = "model.safetensors"
JUDGED_AT_ONCE = 32


class Residual(nn.Module):
    """Two convolutions of unchanged size beside an identity (He et al. 2016), normalised first."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, width, 3, padding=1),
        )  # fmt: skip

    def forward(self, features: Tensor) -> Tensor:
        """Features of the same shape."""
        return features + self.body(features)  # type: ignore[no-any-return]  # a module's call is typed Any


class Scorer(nn.Module):
    """A residual network down to 4 x 4 cells, then linear heads (places matter: left, right)."""

    def __init__(self, widths: tuple[int, int, int, int] = (32, 64, 96, 128), hidden: int = 192) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.near = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, first, 3, padding=1), nn.GroupNorm(8, first), nn.SiLU(),
            nn.Conv2d(first, second, 3, stride=2, padding=1), Residual(second),
            nn.Conv2d(second, third, 3, stride=2, padding=1), Residual(third),
        )  # fmt: skip
        self.far = nn.Sequential(
            nn.Conv2d(third, fourth, 3, stride=2, padding=1), Residual(fourth), nn.GroupNorm(8, fourth), nn.SiLU(),
            nn.Conv2d(fourth, 64, 1),
        )  # fmt: skip
        self.middle = nn.Linear(64 * 16, hidden)
        self.heads = nn.ModuleDict({name: nn.Linear(hidden, classes) for name, classes in CLASSES.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Logits of every attribute for images (batch, 3, 64, 64) in -1..1."""
        return self.answers(self.summary(self.near(images)))

    def summary(self, near: Tensor) -> Tensor:
        """(batch, hidden) from the features `near` (batch, 96, 8, 8): what the heads, and the distances, look at."""
        return F.silu(self.middle(self.far(near).flatten(1)))

    def answers(self, summary: Tensor) -> dict[str, Tensor]:
        """Logits of every attribute from a summary."""
        return {name: head(summary) for name, head in self.heads.items()}


class Pointing(nn.Module):
    """The scorer in training: it also names what stands in each of 8 x 8 cells. That head is thrown away.

    Asked only for a scene's list of things, it takes an hour to find where they stand; shown, a few minutes.
    """

    def __init__(self, scorer: Scorer, width: int = 96) -> None:
        super().__init__()
        self.scorer = scorer
        self.cells = nn.Sequential(nn.SiLU(), nn.Conv2d(width, len(KINDS) + len(COLOURS) + 2, 1))

    def forward(self, images: Tensor) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Attribute logits, and logits of kinds and colours (batch, classes, 8, 8), class 0 for nothing."""
        near = self.scorer.near(images)
        kinds, colours = self.cells(near).split((len(KINDS) + 1, len(COLOURS) + 1), dim=1)
        return self.scorer.answers(self.scorer.summary(near)), kinds, colours


class ScorerStage:
    """Trains the scorer on the thumbnails of the encoded scenes."""

    name = "scorer"

    def __init__(self, store: LatentStore, compute: Compute, batch: int = 64) -> None:
        self.store, self.compute, self.batch = store, compute, batch
        self.scorer = Scorer()
        self.network: nn.Module = Pointing(self.scorer).to(compute.device).to(memory_format=torch.channels_last).train()
        self._labels: dict[int, dict[str, int]] = {}

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """Summed cross-entropies on softened thumbnails; all levels equally often."""
        rows = self.store.pick(rng, self.batch, 1.0)
        images = soften(rng, thumbnails_to_unit(self.store.thumbnails[rows])).to(self.compute.device)
        with self.compute.precision():
            answers, kinds, colours = self.network(images)
        loss, figures = self._cells_loss(rows, kinds, colours)
        for name, logits in answers.items():
            wanted = torch.tensor([self._label(int(row))[name] for row in rows], device=loss.device)
            loss = loss + F.cross_entropy(logits.float(), wanted)
            figures[name] = float((logits.detach().argmax(1) == wanted).float().mean())
        return loss, {"loss": float(loss.detach())} | figures

    def _cells_loss(self, rows: np.ndarray, kinds: Tensor, colours: Tensor) -> tuple[Tensor, Figures]:
        names = torch.from_numpy(self.store.semantics[rows].astype(np.int64)).to(kinds.device)
        size = (names.shape[-2], names.shape[-1])
        kind, right = naming_loss(F.adaptive_avg_pool2d(kinds.float(), size), names[:, 0])
        colour, _ = naming_loss(F.adaptive_avg_pool2d(colours.float(), size), names[:, 1])
        return kind + 0.5 * colour, {"cells": right}

    def _label(self, row: int) -> dict[str, int]:
        if row not in self._labels:
            self._labels[row] = attributes(self.store.scene(row))
        return self._labels[row]


def soften(rng: np.random.Generator, images: Tensor) -> Tensor:
    """Thumbnails (batch, 3, 64, 64) moved by up to three pixels, blurred by some degree, with some noise."""
    shift = [int(value) for value in rng.integers(-3, 4, 2)]
    images = torch.roll(F.pad(images, (4, 4, 4, 4), mode="replicate"), shift, (2, 3))[:, :, 4:-4, 4:-4]
    soft = F.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    degree = torch.from_numpy(rng.random((len(images), 1, 1, 1), dtype=np.float32))
    images = images + degree * (soft - images)
    noise = torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32))
    return (images + 0.06 * float(rng.random()) * noise).contiguous(memory_format=torch.channels_last)


def thumbnails_to_unit(thumbnails: Pixels) -> Tensor:
    """uint8 (batch, 64, 64, 3) to float32 (batch, 3, 64, 64) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(thumbnails)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


@torch.no_grad()
def read(scorer: Scorer, pictures: list[Pixels]) -> dict[str, np.ndarray]:
    """Most likely class of every attribute for uint8 pictures of any size, by head (n,)."""
    images = thumbnails_to_unit(np.stack([thumbnail(picture) for picture in pictures]))
    parts = [scorer(part) for part in torch.split(images, JUDGED_AT_ONCE)]
    return {name: torch.cat([part[name] for part in parts]).argmax(1).numpy() for name in CLASSES}


def held_out_accuracy(scorer: Scorer, count: int = 300, image_px: int = 256) -> Figures:
    """Share of attributes read rightly from true held-out renders; kind1 and colour1 are "none" for single things."""
    scenes = [scene_number(HELD_OUT + n, n % 3) for n in range(count)]
    answers = read(scorer, [render(scene, image_px).image for scene in scenes])
    truths = [attributes(scene) for scene in scenes]
    return {name: float(np.mean(answers[name] == [truth[name] for truth in truths])) for name in CLASSES}


def save_scorer(scorer: Scorer, folder: Path, figures: Figures) -> None:
    """Half-precision weights and the held-out accuracy, renamed into place."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / (WEIGHTS + ".part")
    save_file({name: value.half().contiguous() for name, value in scorer.state_dict().items()}, part)
    part.chmod(0o644)
    part.replace(folder / WEIGHTS)
    rounded = {name: round(value, 4) for name, value in figures.items()}
    export.write_text(folder / "accuracy.json", json.dumps(rounded, indent=2) + "\n")
    print(f"scorer held-out accuracy {rounded}", file=sys.stderr)


def load_scorer(folder: Path) -> Scorer:
    """The exported scorer in fp32, ready to read."""
    scorer = Scorer()
    scorer.load_state_dict({name: value.float() for name, value in load_file(folder / WEIGHTS).items()})
    return scorer.eval()
