"""How faithfully a picture follows a line drawing. Knows pixels only."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from studio.api import BadRecipe, Recipe, Use

TOLERANCE_PX = 2
Mask = npt.NDArray[np.bool_]


def faithfulness(picture: Image.Image, recipe: Recipe, use: Use) -> float:
    """F1 of the picture's edges against the drawing's lines, 0 ... 1 (Martin et al. 2004, with simple matching).

    An edge or line counts as found where the other has one within 2 px. Raises `BadRecipe` for an empty drawing.
    """
    drawing = use.images.get("sketch")
    if drawing is None:
        raise BadRecipe("There is no line drawing to compare the picture with.", "Choose one.")
    wanted, found = lines(drawing, picture.size), edges(picture)
    if not wanted.any():
        raise BadRecipe("The line drawing is empty.", "Choose one with lines, white on black or black on white.")
    precision = float((found & _near(wanted)).sum()) / max(int(found.sum()), 1)
    recall = float((wanted & _near(found)).sum()) / int(wanted.sum())
    return 2 * precision * recall / max(precision + recall, 1e-9)


def lines(drawing: Image.Image, size: tuple[int, int]) -> Mask:
    """Where the drawing has lines, at this size (width, height); the rarer of light and dark is the line."""
    grey = np.asarray(drawing.convert("L").resize(size, Image.Resampling.LANCZOS))
    light = grey > 127
    return light if light.mean() <= 0.5 else ~light


def edges(picture: Image.Image) -> Mask:
    """Canny's edges of the lightly blurred picture in lightness or in colour: where a person would see a border."""
    lab = cv2.cvtColor(np.asarray(picture.convert("RGB")), cv2.COLOR_RGB2LAB).astype(np.float32)
    lab[..., 1:] = np.clip((lab[..., 1:] - 128.0) * 2.0 + 128.0, 0.0, 255.0)  # as wide a range as lightness has
    soft = cv2.GaussianBlur(lab, (0, 0), 1.0).astype(np.uint8)
    found = [cv2.Canny(np.ascontiguousarray(soft[..., channel]), 60, 140) > 0 for channel in range(3)]
    return np.asarray(np.logical_or.reduce(found))


def _near(mask: Mask) -> Mask:
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * TOLERANCE_PX + 1,) * 2)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel) > 0)
