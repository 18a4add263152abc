"""Uni-ControlNet (Zhao et al. 2023): one local adapter for all maps together, one global adapter for a whole picture."""

from __future__ import annotations

from studio.api import Registry

from .adapters import Local, WholePicture
from .pictures import color_blocks
from .session import Sessions
from .weights import Weights

CONDITIONS = ("line", "color", "canny", "mlsd", "hed", "pose", "depth", "seg")


def enable(registry: Registry) -> None:
    """One part for each condition and one for a whole picture; they share networks and, in a picture, one run."""
    weights, sessions = Weights(), Sessions()
    for condition in CONDITIONS:
        registry.adapter(condition, Local(condition, weights, sessions))
    registry.adapter("global", WholePicture(weights, sessions))
    registry.preprocessor("color_blocks", color_blocks)
