"""LoRA, DoRA and textual inversion, applied to the loaded model for one picture and taken back to the bit."""

from __future__ import annotations

from studio.api import Registry

from .embedding import EmbeddingAdapter
from .lora import LoraAdapter
from .words import add_trigger_words


def enable(registry: Registry) -> None:
    """Hands in the three parts."""
    registry.adapter("lora", LoraAdapter())
    registry.adapter("embedding", EmbeddingAdapter())
    registry.prompt_tool("trigger", add_trigger_words)
