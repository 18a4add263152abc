"""A small plugin for tests: one part of three types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from PIL import Image, ImageOps

from studio.api import Denoiser, Registry, Steering, Use

from .words import louder


def say(prompt: str, seed: int, count: int, use: Use) -> Sequence[str]:
    """The prompt in capitals."""
    return [louder(prompt, int(use.values["marks"]))] * count


def flip(picture: Image.Image, use: Use) -> Image.Image:
    """Upside down."""
    return ImageOps.flip(picture)


class Still:
    """Does nothing."""

    @contextmanager
    def attach(self, denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        yield Steering()


def enable(registry: Registry) -> None:
    registry.prompt_tool("louder", say)
    registry.picture_tool("flip", flip)
    registry.adapter("still", Still())
