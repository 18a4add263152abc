"""Pictures to tensors, and the colour blocks of `uni-color`. Knows Pillow, numpy and torch; no networks."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from studio.api import Use

BLOCK = 32
"""Pixels of a colour block's side, as Studio Mini's local adapter was trained."""
THUMBNAIL = 64
_MEAN = (0.48145466, 0.4578275, 0.40821073)  # of CLIP's training pictures (Radford et al. 2021)
_SPREAD = (0.26862954, 0.26130258, 0.27577711)


def color_blocks(picture: Image.Image, use: Use) -> Image.Image:
    """RGB, as large as `picture`: the mean colour of each block of 32 pixels. Obeys `Preprocessor`."""
    blocks = max(1, round(picture.width / BLOCK)), max(1, round(picture.height / BLOCK))
    small = picture.convert("RGB").resize(blocks, Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.NEAREST)


def map_tensor(picture: Image.Image) -> Tensor:
    """A map as (1, 3, height, width) in 0 ... 1."""
    array = np.asarray(picture.convert("RGB")).astype(np.float32) / 255.0
    return torch.from_numpy(array).permute(2, 0, 1)[None].contiguous()


def thumbnail(picture: Image.Image) -> Tensor:
    """The whole picture as Mini's eye sees it: (1, 3, 64, 64) in -1 ... 1."""
    small = picture.convert("RGB").resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return map_tensor(small) * 2 - 1


def clip_pixels(picture: Image.Image, side: int) -> Tensor:
    """The middle square as CLIP sees it: (1, 3, side, side), bicubic, mean and spread as in its training."""
    short = min(picture.size)
    left, top = (picture.width - short) / 2, (picture.height - short) / 2
    box = (left, top, left + short, top + short)
    square = picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, box)
    mean, spread = (torch.tensor(values)[:, None, None] for values in (_MEAN, _SPREAD))
    return (map_tensor(square) - mean) / spread
