"""The training loop every stage shares: time or step budget, EMA, atomic checkpoints, log, progress line.

It knows nothing of pictures or losses. All randomness of a step comes from the step's number, so a run that was killed
and resumed goes on with the same numbers as one that was not.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from studio.mini.assistant import Assistant

Figures = dict[str, float]

ASSISTANT = "STUDIO_MINI_ASSISTANT"
"""Set to 1: a second process helps with idle processor time (see assistant.py)."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a stage trains: `steps` if given, else `minutes` of its own wall time (resumed time included)."""

    minutes: float = 0.0
    steps: int = 0

    def progress(self, step: int, seconds: float) -> float:
        """Part of the budget that is used, 0..1."""
        part = step / self.steps if self.steps else seconds / max(60.0 * self.minutes, 1e-9)
        return min(part, 1.0)


@dataclass(frozen=True, slots=True)
class Rates:
    """AdamW's settings: linear warm-up, flat until `flat` of the budget, then a cosine to zero."""

    rate: float = 1e-3
    warmup_steps: int = 100
    flat: float = 0.6
    weight_decay: float = 1e-2
    ema: float = 0.999

    def at(self, step: int, progress: float) -> float:
        """Learning rate at a step; annealing to zero is worth as much as the last doubling of the samples."""
        warm = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        tail = max(0.0, (progress - self.flat) / max(1.0 - self.flat, 1e-9))
        return self.rate * warm * 0.5 * (1.0 + math.cos(math.pi * tail))


class Stage(Protocol):
    """What the loop needs of a stage. `loss` draws its batch from `rng`, and nothing else at random."""

    name: str

    @property
    def network(self) -> nn.Module: ...

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]: ...


class Average:
    """Exponential moving average of a network's trained weights, with a warm-up as in Karras et al. 2022."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.source = [p for p in network.parameters() if p.requires_grad]
        self.shadow = [p.detach().clone() for p in self.source]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Moves the average towards the weights; young averages forget faster."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.shadow, [p.detach() for p in self.source], 1.0 - decay)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges weights and average; call twice to be where you were."""
        for weight, shadow in zip(self.source, self.shadow, strict=True):
            kept = weight.detach().clone()
            weight.copy_(shadow)
            shadow.copy_(kept)


class Trainer:
    """Owns one stage's optimiser, average, clock and checkpoint file `<folder>/<stage name>.pt`."""

    def __init__(self, stage: Stage, folder: Path, budget: Budget, rates: Rates, seed: int = 0) -> None:
        self.stage, self.folder, self.budget, self.rates, self.seed = stage, folder, budget, rates, seed
        weights = [p for p in stage.network.parameters() if p.requires_grad]
        self.optimiser = torch.optim.AdamW(
            weights, lr=rates.rate, betas=(0.9, 0.99), weight_decay=rates.weight_decay, fused=True
        )
        self.average = Average(stage.network, rates.ema)
        self.weights = weights
        self.step = 0
        self.seconds = 0.0
        self.file = folder / f"{stage.name}.pt"
        self.assisted = os.environ.get(ASSISTANT) == "1"

    def run(
        self, save_every: float = 300.0, log_every: int = 25, watch: Callable[[int], None] | None = None
    ) -> nn.Module:
        """Trains until the budget is used and returns the network with averaged weights. Resumes by itself.

        `watch(step)` is called after each save with the averaged weights in place (sample sheets, early exports).
        """
        self.restore()
        assistant = self._assistant()
        saved = time.monotonic()
        window: list[Figures] = []
        annealing = self.budget.progress(self.step, self.seconds) >= self.rates.flat
        while (progress := self.budget.progress(self.step, self.seconds)) < 1.0:
            if not annealing and progress >= self.rates.flat:
                self.save(self.file.with_name(f"{self.stage.name}-flat.pt"))
                annealing = True
            window.append(self._one_step(assistant))
            if self.step % log_every == 0:
                self._report(window)
                window = []
            if time.monotonic() - saved > save_every:
                self.save()
                self._watch(watch)
                saved = time.monotonic()
        if assistant:
            assistant.end()
        self.save()
        self._watch(watch)
        self.average.swap()
        return self.stage.network

    def _watch(self, watch: Callable[[int], None] | None) -> None:
        if watch is not None:
            self.average.swap()
            watch(self.step)
            self.average.swap()

    def _assistant(self) -> Assistant | None:
        if not self.assisted:
            return None

        def one_batch(number: int) -> None:
            seed_step(self.seed, number)
            rng = np.random.default_rng((self.seed, number))
            loss, _ = self.stage.loss(rng, self.budget.progress(self.step, self.seconds))
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # as below

        return Assistant(self.stage.network, self.weights, self.step, one_batch)

    def _one_step(self, assistant: Assistant | None = None) -> Figures:
        started = time.monotonic()
        progress = self.budget.progress(self.step, self.seconds)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rates.at(self.step, progress)
        seed_step(self.seed, self.step)
        loss, figures = self.stage.loss(np.random.default_rng((self.seed, self.step)), progress)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch's own annotation is missing
        helped = float(assistant.add()) if assistant else 0.0
        norm = float(nn.utils.clip_grad_norm_(self.weights, 1.0))
        if math.isfinite(norm):
            self.optimiser.step()
            self.average.update(self.step)
        self.step += 1
        self.seconds += time.monotonic() - started
        return figures | {"norm": norm} | ({"helped": helped} if assistant else {})

    def _report(self, window: list[Figures]) -> None:
        names = window[-1].keys()
        means = {name: float(np.mean([figures.get(name, np.nan) for figures in window])) for name in names}
        part = self.budget.progress(self.step, self.seconds)
        row = {"stage": self.stage.name, "step": self.step, "seconds": round(self.seconds, 1)} | means
        append_line(self.folder / "figures.jsonl", row)
        text = " ".join(f"{name} {value:.4g}" for name, value in means.items())
        rate = self.step / max(self.seconds, 1e-9)
        print(f"{self.stage.name} {part:6.1%} step {self.step} {rate:.2f}/s {text}", file=sys.stderr, flush=True)

    def save(self, file: Path | None = None) -> None:
        """Writes weights, average, optimiser and clock; a kill at any moment leaves the old or the new file.

        What stood before the annealing is kept as `<stage name>-flat.pt`: renamed over the checkpoint, it lets a run
        with a larger budget go on as if it had never been annealed (Hu et al. 2024, warm-up, stable, decay).
        """
        state = {
            "network": self.stage.network.state_dict(),
            "average": self.average.shadow,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        save_atomically(state, file or self.file)

    def restore(self) -> bool:
        """Loads the checkpoint if there is one and says whether there was."""
        if not self.file.exists():
            return False
        state = torch.load(self.file, map_location="cpu", weights_only=True)
        self.stage.network.load_state_dict(state["network"])
        for shadow, kept in zip(self.average.shadow, state["average"], strict=True):
            shadow.copy_(kept)
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]
        return True


def seed_step(seed: int, step: int) -> None:
    """Seeds torch for one step (dropout, noise drawn on the device)."""
    torch.manual_seed((seed * 1_000_003 + step) % 2**63)


def save_atomically(state: Any, file: Path) -> None:  # Any: whatever torch.save takes
    """torch.save to a neighbour file, flushed to the disk, then renamed over `file`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    with part.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, file)


def append_line(file: Path, row: dict[str, Any]) -> None:  # Any: JSON values
    """Adds one JSON object as a line to a log file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")


def freeze(networks: Iterable[nn.Module]) -> None:
    """No gradients, evaluation mode."""
    for network in networks:
        network.requires_grad_(False).eval()


def tensor_noise(rng: np.random.Generator, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Standard normal float32 tensor from a numpy generator, equal on every device."""
    return torch.from_numpy(rng.standard_normal(shape, dtype=np.float32)).to(device)
