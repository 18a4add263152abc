"""Prompt expander: a causal language model goes on writing a prompt. The small one that ships knows Studio Mini's world."""

from __future__ import annotations

from studio.api import Registry

from .expander import PromptExpander


def enable(registry: Registry) -> None:
    """Hands in the one part that plugin.toml declares."""
    registry.prompt_tool("continue", PromptExpander())
