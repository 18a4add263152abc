"""Our own judge of pictures: a small convolutional network that reads a scene's attributes from a 64 px thumbnail.

Trained on true renders (cross-entropies, AdamW), blurred and noised a little to forgive a generator its softness;
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
from studio.mini.drawings import attributes, render
from studio.mini.text_encoder import CLASSES
from studio.mini.training import Figures

WEIGHTS = "model.safetensors"


class Scorer(nn.Module):
    """Four strided convolutions with group norms, then linear heads on the 4 x 4 grid (places matter: left, right)."""

    def __init__(self, widths: tuple[int, ...] = (24, 48, 96, 128)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths[:-1]), widths, strict=True):
            layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(4, after), nn.SiLU()]
            layers += [nn.Conv2d(after, after, 3, padding=1), nn.GroupNorm(4, after), nn.SiLU()]
        self.body = nn.Sequential(*layers)
        self.middle = nn.Linear(widths[-1] * 16, 192)
        self.heads = nn.ModuleDict({name: nn.Linear(192, classes) for name, classes in CLASSES.items()})

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Logits of every attribute for images (batch, 3, 64, 64) in -1..1."""
        features = F.silu(self.middle(self.body(images).flatten(1)))
        return {name: head(features) for name, head in self.heads.items()}


class ScorerStage:
    """Trains the scorer on the thumbnails of the encoded scenes."""

    name = "scorer"

    def __init__(self, store: LatentStore, compute: Compute, batch: int = 64) -> None:
        self.store, self.compute, self.batch = store, compute, batch
        self.network = Scorer().to(compute.device).to(memory_format=torch.channels_last).train()
        self._labels: dict[int, dict[str, int]] = {}

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """Summed cross-entropies on softened thumbnails; all levels equally often."""
        rows = self.store.pick(rng, self.batch, 1.0)
        images = self._softened(rng, rows).to(self.compute.device)
        loss = torch.zeros((), device=self.compute.device)
        figures: Figures = {}
        with self.compute.precision():
            answers = self.network(images)
        for name, logits in answers.items():
            wanted = torch.tensor([self._label(int(row))[name] for row in rows], device=loss.device)
            loss = loss + F.cross_entropy(logits.float(), wanted)
            figures[name] = float((logits.detach().argmax(1) == wanted).float().mean())
        return loss, {"loss": float(loss.detach())} | figures

    def _label(self, row: int) -> dict[str, int]:
        if row not in self._labels:
            self._labels[row] = attributes(self.store.scene(row))
        return self._labels[row]

    def _softened(self, rng: np.random.Generator, rows: np.ndarray) -> Tensor:
        images = thumbnails_to_unit(self.store.thumbnails[rows])
        shift = [int(value) for value in rng.integers(-3, 4, 2)]
        images = torch.roll(F.pad(images, (4, 4, 4, 4), mode="replicate"), shift, (2, 3))[:, :, 4:-4, 4:-4]
        soft = F.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
        images = torch.lerp(images, soft, float(rng.random()))
        noise = torch.from_numpy(rng.standard_normal(images.shape, dtype=np.float32))
        return (images + 0.06 * float(rng.random()) * noise).contiguous(memory_format=torch.channels_last)


def thumbnails_to_unit(thumbnails: Pixels) -> Tensor:
    """uint8 (batch, 64, 64, 3) to float32 (batch, 3, 64, 64) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(thumbnails)).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


@torch.no_grad()
def read(scorer: Scorer, pictures: list[Pixels]) -> dict[str, np.ndarray]:
    """Most likely class of every attribute for uint8 pictures of any size, by head (n,)."""
    images = thumbnails_to_unit(np.stack([thumbnail(picture) for picture in pictures]))
    return {name: logits.argmax(1).numpy() for name, logits in scorer(images).items()}


def held_out_accuracy(scorer: Scorer, count: int = 300, image_px: int = 256) -> Figures:
    """Share of attributes read rightly from true held-out renders."""
    scenes = [scene_number(HELD_OUT + n, n % 3) for n in range(count)]
    answers = read(scorer, [render(scene, image_px).image for scene in scenes])
    truths = [attributes(scene) for scene in scenes]
    return {name: float(np.mean(answers[name] == [truth[name] for truth in truths])) for name in CLASSES}


def save_scorer(scorer: Scorer, folder: Path, figures: Figures) -> None:
    """Half-precision weights and the held-out accuracy, renamed into place."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / (WEIGHTS + ".part")
    save_file({name: value.half().contiguous() for name, value in scorer.state_dict().items()}, part)
    part.replace(folder / WEIGHTS)
    rounded = {name: round(value, 4) for name, value in figures.items()}
    export.write_text(folder / "accuracy.json", json.dumps(rounded, indent=2) + "\n")
    print(f"scorer held-out accuracy {rounded}", file=sys.stderr)


def load_scorer(folder: Path) -> Scorer:
    """The exported scorer in fp32, ready to read."""
    scorer = Scorer()
    scorer.load_state_dict({name: value.float() for name, value in load_file(folder / WEIGHTS).items()})
    return scorer.eval()
