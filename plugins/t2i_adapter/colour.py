"""The colour map of T2I-Adapter: a picture reduced to blocks of one colour each. Knows Pillow only."""

from __future__ import annotations

from PIL import Image

from studio.api import Use

BLOCK = 64
"""Pixels of a block's side, as the published colour adapter was trained (Mou et al. 2023, section 4.1)."""


def color_blocks(picture: Image.Image, use: Use) -> Image.Image:
    """RGB, as large as `picture`: reduced 64 times, then enlarged again by nearest neighbours. Obeys `Preprocessor`."""
    blocks = max(1, round(picture.width / BLOCK)), max(1, round(picture.height / BLOCK))
    small = picture.convert("RGB").resize(blocks, Image.Resampling.BICUBIC)
    return small.resize(picture.size, Image.Resampling.NEAREST)
