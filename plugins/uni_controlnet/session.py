"""Layers of one picture that share one run of the local adapter, and tokens that come and go with their window.

Every control layer is attached by itself. Those of one picture meet in a `Session`, known by the picture's UNet; the
layer that came first runs the network for all of its mode: what a mode does with the residuals, the studio decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from studio.api import Denoiser, StepContext, UNetResiduals, acts_at

from .networks import LocalAdapter, Moments


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One map: what it is, its pixels (1, 3, height, width) in 0 ... 1, where in the steps it acts, and in which mode."""

    condition: str
    map: Tensor
    weight: float
    start: float
    end: float
    mode: str = ""

    def acts_at(self, step: StepContext) -> bool:
        return self.weight > 0 and acts_at(step, self.start, self.end)


@dataclass(slots=True, eq=False)
class Tokens:
    """A picture's tokens (branches, tokens, features); `place` in the text once they are appended."""

    values: Tensor
    start: float
    end: float
    place: int = -1

    @property
    def always(self) -> bool:
        return self.start <= 0 and self.end >= 1

    def append(self, text: Tensor) -> Tensor:
        """The text with the tokens behind it (Zhao et al. 2023, eq. 9). Obeys `Steering.text`."""
        self.place = text.shape[1]
        return torch.cat([text, self.values.to(text.dtype)], dim=1)

    def acts_at(self, step: StepContext) -> bool:
        return acts_at(step, self.start, self.end)


@dataclass(slots=True, eq=False)
class Session:
    """What Uni-ControlNet does to one picture. State: who takes part, what the network has read, each stack of layers once,
    and which of them it goes by now."""

    layers: list[Layer] = field(default_factory=list)
    tokens: list[Tokens] = field(default_factory=list)
    _read: dict[tuple[Layer, ...], tuple[Moments, ...]] = field(default_factory=dict)
    _taken: tuple[Layer, ...] = ()
    _step: StepContext | None = None

    @torch.no_grad()
    def run(self, network: LocalAdapter, layer: Layer, step: StepContext) -> UNetResiduals | None:
        """The residuals of all layers of one mode that act at this step, given to the first of them; None for the others."""
        alike = [other for other in self.layers if other.mode == layer.mode]
        if layer is not alike[0]:
            return None
        acting = tuple(layer for layer in alike if layer.acts_at(step))
        if not acting:
            return None
        if acting not in self._read:
            self._read[acting] = network.read(stacked(network.design.conditions, acting).to(step.model_input))
        if self._taken != acting:
            network.take(self._read[acting])
            self._taken = acting
        strongest = max(layer.weight for layer in acting)
        down, middle = network(step.model_input, step.timestep, self.visible(step.text, step))
        return UNetResiduals(down=tuple(part * strongest for part in down), mid=middle * strongest)

    def forget(self, network: LocalAdapter) -> None:
        """Nothing is read any more; the network is as it was loaded."""
        network.take(None)
        self._read, self._taken = {}, ()

    def note(self, step: StepContext) -> None:
        """Remember which step is guessed next. Obeys `Steering.residuals` and adds nothing."""
        self._step = step

    def visible(self, text: Tensor, step: StepContext | None) -> Tensor:
        """The text without the tokens whose window this step is not in."""
        hidden = [t for t in self.tokens if t.place >= 0 and step is not None and not t.acts_at(step)]
        if not hidden:
            return text
        shown = torch.ones(text.shape[1], dtype=torch.bool, device=text.device)
        for tokens in hidden:
            shown[tokens.place : tokens.place + tokens.values.shape[1]] = False
        return text[:, shown]

    def cut(self, own: Tokens, unet: Any, inputs: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Hides tokens from the UNet outside of their window; obeys torch's forward-pre-hook with named inputs.

        Of several such layers the first cuts for all: `place` counts in the whole text.
        """
        if own is not next(tokens for tokens in self.tokens if not tokens.always):
            return inputs, named
        return inputs, named | {"encoder_hidden_states": self.visible(named["encoder_hidden_states"], self._step)}


def stacked(conditions: tuple[str, ...], layers: tuple[Layer, ...]) -> Tensor:
    """(1, 3 x conditions, height, width): each map in its place, black where there is none (section 3.2).

    The published network has one strength for all; here the strongest layer sets it, and the maps of weaker ones are
    dimmed in proportion. Several maps of one kind become their brightest points.
    """
    strongest = max(layer.weight for layer in layers)
    places: dict[str, Tensor] = {}
    for layer in layers:
        dimmed = layer.map * (layer.weight / strongest)
        known = places.get(layer.condition)
        places[layer.condition] = dimmed if known is None else torch.maximum(known, dimmed)
    black = torch.zeros_like(layers[0].map)
    return torch.cat([places.get(condition, black) for condition in conditions], dim=1)


class Sessions:
    """The sessions that are open. State: `_open`, by the identity of the UNet; empty between pictures."""

    def __init__(self) -> None:
        self._open: dict[int, Session] = {}

    @contextmanager
    def joined(self, denoiser: Denoiser, member: Layer | Tokens) -> Iterator[Session]:
        """Take part in the picture's session; the last to leave closes it."""
        session = self._open.setdefault(id(denoiser.unet), Session())
        members: list[Any] = session.layers if isinstance(member, Layer) else session.tokens
        members.append(member)
        try:
            yield session
        finally:
            members.remove(member)
            if not session.layers and not session.tokens:
                self._open.pop(id(denoiser.unet), None)
