"""Diffusion Studio: make pictures with Stable Diffusion on your own machine."""

__version__ = "0.1.0"
