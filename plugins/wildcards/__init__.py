"""Wildcards: one of several words by chance, from braces in the prompt or from lists in text files."""

from __future__ import annotations

from studio.api import Registry

from .wildcards import Wildcards


def enable(registry: Registry) -> None:
    """Hands in the one part that plugin.toml declares."""
    registry.prompt_tool("wildcards", Wildcards())
