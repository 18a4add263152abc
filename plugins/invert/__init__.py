"""Invert: turns the finished picture into its negative."""

from __future__ import annotations

from PIL import Image, ImageOps

from studio.api import Registry, Use


def invert(picture: Image.Image, use: Use) -> Image.Image:
    """The picture and its negative, mixed."""
    return Image.blend(picture, ImageOps.invert(picture), float(use.values["strength"]))


def enable(registry: Registry) -> None:
    """Called once, when the plugin is first used."""
    registry.picture_tool("invert", invert)
