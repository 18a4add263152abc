"""Procedural picture-book drawings with captions, outlines and object masks, on which Studio Mini is trained.
Needs numpy and OpenCV only: no torch, no Qt, nothing else of the studio."""

from studio.mini.drawings.captions import FIXED_PROMPTS, caption
from studio.mini.drawings.compose import random_scene
from studio.mini.drawings.render import Drawing, render
from studio.mini.drawings.scene import COLOURS, KINDS, SETTINGS, STYLES, TIMES, Scene, Thing, attributes

__all__ = [
    "COLOURS", "FIXED_PROMPTS", "KINDS", "SETTINGS", "STYLES", "TIMES",
    "Drawing", "Scene", "Thing", "attributes", "caption", "random_scene", "render",
]  # fmt: skip
