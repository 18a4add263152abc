"""Reference pictures as the image encoders see them. Knows Pillow, numpy, torch and transformers' own preparation."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .eye import PX


def clip_pixels(picture: Image.Image, side: int) -> Tensor:
    """(1, 3, side, side): the middle square, bicubic, mean and spread as in CLIP's training."""
    from transformers import CLIPImageProcessor

    processor: Any = CLIPImageProcessor(size=side, crop_size=side)
    pixels: Tensor = processor(picture, return_tensors="pt").pixel_values
    return pixels


def mini_pixels(picture: Image.Image) -> Tensor:
    """(1, 3, 64, 64) in -1 ... 1: the middle square, averaged down."""
    short = min(picture.size)
    left, top = (picture.width - short) / 2, (picture.height - short) / 2
    small = picture.convert("RGB").resize((PX, PX), Image.Resampling.BOX, (left, top, left + short, top + short))
    array = np.asarray(small).astype(np.float32) / 127.5 - 1.0
    return torch.from_numpy(array).permute(2, 0, 1)[None].contiguous()
