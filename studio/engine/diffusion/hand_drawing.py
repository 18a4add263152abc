"""A hand as OpenPose draws it. controlnet-aux's own drawing imports matplotlib, only to turn hues into colours."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any, Protocol

import cv2

_WRIST = 0
_FINGER = 4  # points each, the thumb first, from the palm to the tip
_SEEN = 0.01  # pixels: what was not found lies at or left of the border


class Point(Protocol):
    """Where a joint lies, as fractions of width and height."""

    x: float
    y: float


def bones() -> tuple[tuple[int, int], ...]:
    """The 20 pairs of joints that are joined, finger by finger."""
    fingers = [range(first, first + _FINGER) for first in range(1, 21, _FINGER)]
    return tuple(pair for finger in fingers for pair in zip((_WRIST, *finger), finger, strict=False))


def draw_hand(canvas: Any, joints: Sequence[Point] | None) -> Any:  # Any: (height, width, 3) uint8, drawn into
    """Bones in the colours of the rainbow, joints blue, as OpenPose ControlNets were trained with them."""
    if not joints:
        return canvas
    height, width = canvas.shape[:2]
    at = [(int(joint.x * width), int(joint.y * height)) for joint in joints]
    joined = bones()
    for number, (first, last) in enumerate(joined):
        if min(*at[first], *at[last]) > _SEEN:
            red, green, blue = (255 * part for part in colorsys.hsv_to_rgb(number / len(joined), 1.0, 1.0))
            cv2.line(canvas, at[first], at[last], (red, green, blue), thickness=2)
    for place in at:
        if min(place) > _SEEN:
            cv2.circle(canvas, place, 4, (0, 0, 255), thickness=-1)
    return canvas
