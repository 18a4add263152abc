"""Stage 2: the text tower, trained before any picture and then frozen.

Objective: linear heads must read the scene's attributes (kinds, colours, count, setting, time, style, background) from
the tower's end-of-text state, summed cross-entropies. Trained together with the UNet the tower was the brake of the
whole model; with heads it learns every word of both languages in a minute. The heads are thrown away.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTokenizer

from studio.mini.config import Compute
from studio.mini.data import HELD_OUT, LANGUAGES, scene_number
from studio.mini.drawings import COLOURS, KINDS, SETTINGS, STYLES, TIMES, attributes, caption
from studio.mini.training import Figures

CLASSES: dict[str, int] = {
    "kind0": len(KINDS), "colour0": len(COLOURS), "count0": 3, "kind1": len(KINDS) + 1, "colour1": len(COLOURS) + 1,
    "setting": len(SETTINGS), "time": len(TIMES), "style": len(STYLES), "background": len(COLOURS) + 1, "place": 2,
}  # fmt: skip
"""Number of classes of each head; one more than the names where there may be none."""

TRAINED_TOKENS = 48
"""Longest caption plus some padding."""


class Reader(nn.Module):
    """Tower and heads."""

    def __init__(self, tower: CLIPTextModel) -> None:
        super().__init__()
        self.tower = tower
        width = tower.config.hidden_size
        self.heads = nn.ModuleDict({name: nn.Linear(width, classes) for name, classes in CLASSES.items()})

    def forward(self, states: Tensor) -> dict[str, Tensor]:
        """Logits of every head for states (batch, width)."""
        return {name: head(states) for name, head in self.heads.items()}


class TextStage:
    """Trains tower and heads on freshly made captions."""

    name = "text"

    def __init__(self, tower: CLIPTextModel, tokenizer: CLIPTokenizer, compute: Compute, batch: int = 40) -> None:
        self.tokenizer, self.compute, self.batch = tokenizer, compute, batch
        self.network = Reader(tower).to(compute.device).train()

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """Summed cross-entropies at the end token and at one later padding token.

        The UNet attends to all 77 states, most of them padding; asked too, the padding becomes a useful summary.
        The last positions are never seen here: they only ever hold padding, and attention is what costs.
        """
        texts, labels = caption_batch(rng, self.batch)
        ids = token_ids(self.tokenizer, texts)[:, :TRAINED_TOKENS].to(self.compute.device)
        end = (ids == self.tokenizer.eos_token_id).int().argmax(dim=1)
        offset = torch.from_numpy(rng.random(self.batch)).to(ids.device)
        later = (end + offset * (ids.shape[1] - end)).long().clamp_max(ids.shape[1] - 1)
        with self.compute.precision():
            states = self.network.tower(ids).last_hidden_state
        rows = torch.arange(self.batch, device=ids.device)
        loss = torch.zeros((), device=ids.device)
        figures: Figures = {}
        for position in (end, later):
            for name, logits in self.network(states[rows, position].float()).items():
                wanted = labels[name].to(ids.device)
                loss = loss + F.cross_entropy(logits, wanted)
                figures[name] = float((logits.detach().argmax(1) == wanted).float().mean())
        return loss, {"loss": float(loss.detach())} | figures


def caption_batch(
    rng: np.random.Generator, count: int, first: int = 0, language: str | None = None
) -> tuple[list[str], dict[str, Tensor]]:
    """Captions of random scenes of all levels, in `language` or both mixed, and their attribute labels."""
    texts, rows = [], []
    for _ in range(count):
        scene = scene_number(first + int(rng.integers(HELD_OUT)), int(rng.integers(3)))
        texts.append(caption(scene, rng, language or LANGUAGES[int(rng.integers(2))]))
        rows.append(attributes(scene))
    return texts, {name: torch.tensor([row[name] for row in rows]) for name in CLASSES}


def token_ids(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """int64 (batch, 77), padded with the end token as stock pipelines do."""
    length = tokenizer.model_max_length
    ids: Tensor = tokenizer(
        texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids
    return ids


@torch.no_grad()
def text_states(tower: CLIPTextModel, tokenizer: CLIPTokenizer, texts: list[str], compute: Compute) -> Tensor:
    """float32 (batch, 77, width): what the UNet attends to."""
    with compute.precision():
        states: Tensor = tower(token_ids(tokenizer, texts).to(compute.device)).last_hidden_state
    return states.float()


@torch.no_grad()
def reading_accuracy(reader: Reader, tokenizer: CLIPTokenizer, compute: Compute, language: str) -> Figures:
    """Share of attributes read rightly from 256 held-out captions, by head."""
    texts, labels = caption_batch(np.random.default_rng(5), 256, HELD_OUT, language)
    ids = token_ids(tokenizer, texts).to(compute.device)
    end = (ids == tokenizer.eos_token_id).int().argmax(dim=1)
    states = reader.tower(ids).last_hidden_state[torch.arange(len(texts)), end]
    logits = reader(states.float())
    return {name: float((logits[name].argmax(1).cpu() == labels[name]).float().mean()) for name in CLASSES}
