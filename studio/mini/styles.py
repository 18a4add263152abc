"""The looks that Mini's style LoRAs learn: each a plain function from a drawing's pixels to restyled pixels.
Knows OpenCV and numpy; no networks, no files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from studio.mini.data import Pixels

Floats = npt.NDArray[np.float32]

INK, WASH, PAPER = ((22, 34, 96), (122, 124, 146), (248, 236, 206))
"""Colours (RGB) of the darkest, the middle and the lightest tone of `ink_wash`."""


@dataclass(frozen=True, slots=True)
class Style:
    """A look: the name of its file, the words that ask for it, how its file is laid out, and the look itself.

    `paint` maps uint8 RGB (px, px, 3) to the same, by the pixels alone, so that it can be held against any picture.
    """

    name: str
    trigger: str
    layout: Literal["kohya", "diffusers"]
    paint: Callable[[Pixels], Pixels]


def ink_wash(picture: Pixels) -> Pixels:
    """Blue ink on warm paper: hue is gone, tones run through three colours, contours are darker."""
    grey = _grey(picture)
    side = picture.shape[0]
    soft = cv2.GaussianBlur(grey, (0, 0), side / 200)
    tone = np.clip(1.25 * soft - 0.12, 0.0, 1.0) - 0.7 * _edges(picture)
    stops = np.array([INK, WASH, PAPER], np.float32)
    place = 2.0 * np.clip(tone, 0.0, 1.0)[..., None]
    low = stops[0] + (stops[1] - stops[0]) * np.minimum(place, 1.0)
    return _pixels(low + (stops[2] - stops[1]) * np.maximum(place - 1.0, 0.0))


def night_glow(picture: Pixels) -> Pixels:
    """Everything sinks into a deep blue night; contours shine in the colours of what they bound."""
    values = picture.astype(np.float32)
    vivid = values - 0.8 * values.min(axis=2, keepdims=True)
    pure = vivid / np.maximum(vivid.max(axis=2, keepdims=True), 20.0)
    lines = np.asarray(cv2.GaussianBlur(pure * _edges(picture)[..., None] * 400.0, (0, 0), picture.shape[0] / 110))
    bloom = cv2.GaussianBlur(lines, (0, 0), picture.shape[0] / 32)
    night = values * np.array([0.16, 0.19, 0.34], np.float32) + np.array([8, 8, 34], np.float32)
    return _pixels(night + lines + 0.9 * bloom)


STYLES = (
    Style("ink_wash", "ink wash", "kohya", ink_wash),
    Style("night_glow", "night glow", "diffusers", night_glow),
)


def _grey(picture: Pixels) -> Floats:
    """Luminance, 0 ... 1."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32) / 255.0


def _edges(picture: Pixels) -> Floats:
    """Where neighbouring pixels differ, 0 ... 1, as (px, px): the largest channel's range within a small disc."""
    width = max(1, round(picture.shape[0] / 128))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * width - 1, 2 * width - 1) if width > 1 else (3, 3))
    reach = cv2.morphologyEx(picture, cv2.MORPH_GRADIENT, disc).max(axis=2).astype(np.float32) / 255.0
    return np.asarray(np.clip(2.2 * reach - 0.15, 0.0, 1.0), np.float32)


def _pixels(values: Floats) -> Pixels:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
