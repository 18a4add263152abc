"""T2I-Adapter (Mou et al. 2023): a small network reads a map once; its features join the UNet's encoder at each step."""

from __future__ import annotations

from studio.api import Registry

from .adapter import T2I
from .colour import color_blocks
from .weights import Weights

KINDS = ("sketch", "canny", "lineart", "depth", "pose", "color", "seg")


def enable(registry: Registry) -> None:
    """One adapter for each kind of map, all over the same kept networks."""
    weights = Weights()
    for kind in KINDS:
        registry.adapter(kind, T2I(kind, weights))
    registry.preprocessor("color_blocks", color_blocks)
