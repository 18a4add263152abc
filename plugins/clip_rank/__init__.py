"""Ranking: two scorers, one for the prompt and one for a sketch."""

from __future__ import annotations

from studio.api import Registry

from .likeness import ClipScorer
from .sketch import faithfulness


def enable(registry: Registry) -> None:
    """Hands in the two scorers that plugin.toml declares."""
    registry.scorer("clip", ClipScorer())
    registry.scorer("sketch", faithfulness)
