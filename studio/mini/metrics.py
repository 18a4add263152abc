"""Figures measured on finished pictures that need no network: edges against a sketch, and PSNR.

Every measure is also taken on true renders, which shows what it is worth.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def edges(picture: Pixels) -> Mask:
    """Canny edges of the lightly blurred picture: where a person would see a line or a border."""
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (0, 0), 1.0)
    return np.asarray(cv2.Canny(grey, 40, 100) > 0)


def edge_f1(picture: Pixels, outline: Pixels, tolerance_px: int = 2) -> float:
    """F1 of the picture's edges against an outline map, matched within `tolerance_px` (Martin et al. 2004, simplified).

    Precision: share of picture edges near an outline pixel; recall: share of outline pixels near a picture edge.
    """
    found, wanted = edges(picture), outline > 127
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * tolerance_px + 1,) * 2)
    near_wanted = cv2.dilate(wanted.astype(np.uint8), kernel) > 0
    near_found = cv2.dilate(found.astype(np.uint8), kernel) > 0
    precision = float((found & near_wanted).sum()) / max(int(found.sum()), 1)
    recall = float((wanted & near_found).sum()) / max(int(wanted.sum()), 1)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def psnr(picture: Pixels, truth: Pixels) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 pictures."""
    error = float(np.mean((picture.astype(np.float64) - truth.astype(np.float64)) ** 2))
    return 10 * float(np.log10(255.0**2 / max(error, 1e-9)))
