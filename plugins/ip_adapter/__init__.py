"""IP-Adapter (Ye et al. 2023): a reference picture works like words, through attention of its own beside the text's."""

from __future__ import annotations

from studio.api import Registry

from .adapter import ReferencePicture


def enable(registry: Registry) -> None:
    """Hands in the one part; several layers of it work side by side."""
    registry.adapter("reference", ReferencePicture())
