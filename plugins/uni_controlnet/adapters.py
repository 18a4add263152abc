"""The parts that the studio sees: a local condition as a control layer, and a whole picture as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from PIL import Image
from torch import Tensor

from studio.api import BadInputImage, ControlMode, Denoiser, Steering, Use

from .pictures import map_tensor
from .session import Layer, Sessions, Tokens
from .weights import Global, Weights


class Local:
    """One of the local conditions. Obeys `studio.api.Adapter`; the UNet itself is never touched."""

    def __init__(self, condition: str, weights: Weights, sessions: Sessions) -> None:
        self._condition, self._weights, self._sessions = condition, weights, sessions

    @contextmanager
    def attach(self, denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        """Joins the other layers of the picture. Raises `ModelMissing` in words before anything is loaded."""
        network = self._weights.local(self._condition, denoiser, use)
        pixels = map_tensor(_map_of(use)).to(device=denoiser.device, dtype=denoiser.dtype)
        layer = Layer(self._condition, pixels, use.weight, use.start, use.end, use.mode)
        with self._sessions.joined(denoiser, layer) as session:
            try:
                yield Steering(residuals=partial(session.run, network, layer))
            finally:
                session.forget(network)


class WholePicture:
    """What a picture shows and how, as tokens behind the text. Obeys `studio.api.Adapter`."""

    def __init__(self, weights: Weights, sessions: Sessions) -> None:
        self._weights, self._sessions = weights, sessions

    @contextmanager
    def attach(self, denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        """Appends the picture's tokens; a window shorter than all steps hides them from the UNet outside of it."""
        picture = _map_of(use)
        if use.weight == 0:
            yield Steering()
            return
        values = picture_tokens(self._weights.picture(denoiser, use), picture, use.weight, denoiser.branches)
        tokens = Tokens(values, use.start, use.end)
        with self._sessions.joined(denoiser, tokens) as session:
            if tokens.always:
                yield Steering(text=tokens.append)
                return
            with denoiser.unet.register_forward_pre_hook(partial(session.cut, tokens), with_kwargs=True):
                yield Steering(text=tokens.append, residuals=session.note, notes=_idle(use.mode))


@torch.no_grad()
def picture_tokens(network: Global, picture: Image.Image, weight: float, branches: int) -> Tensor:
    """(branches, tokens, features): the unconditional branch sees the tokens of an embedding of zeros (section 3.3)."""
    embedding = network.embed(picture)
    both = torch.cat([torch.zeros_like(embedding), embedding]) if branches > 1 else embedding
    tokens: Tensor = network.adapter(both)
    return tokens * weight


def _idle(mode: ControlMode) -> tuple[str, ...]:
    """What the studio says itself of a layer without residuals; these only tell which step it is."""
    plain = mode is ControlMode.BALANCED
    return () if plain else ("The mode of uni-global changes nothing: this layer acts by other means.",)


def _map_of(use: Use) -> Image.Image:
    if "map" not in use.images:
        raise BadInputImage("A layer of Uni-ControlNet has no picture to follow.", "Give it a picture.")
    return use.images["map"]
