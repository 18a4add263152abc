"""Guidance: three guides that pull every step towards a kind of thing, a likeness, or a map of colours."""

from __future__ import annotations

from studio.api import Registry

from .classifier import ClassifierGuide
from .clip import ClipGuide
from .colour_map import ColourMapGuide


def enable(registry: Registry) -> None:
    """Hands in the three guides that plugin.toml declares."""
    registry.guide("classifier", ClassifierGuide())
    registry.guide("clip", ClipGuide())
    registry.guide("colour_map", ColourMapGuide())
