"""Replays recorded ops: as a picture in a style (twice the size, then averaged down), as exactly occluded
outlines, and as the mask of objects. Knows neither scenes nor what the shapes mean."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from studio.mini.drawings.palette import INK, RGB, styled
from studio.mini.drawings.shapes import Fill, Op, Points, Sky, Soft, Stroke

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_AIR = 96  # side of the soft sky before it is brought to full size
_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates


def _pixels(points: Points, side: int) -> npt.NDArray[np.int32]:
    return np.asarray(np.rint((points * side - 0.5) * (1 << _SHIFT)), np.int32)


def _fill(canvas: Image, rings: Sequence[npt.NDArray[np.int32]], colour: RGB | int, smooth: bool) -> None:
    kind = cv2.LINE_AA if smooth else cv2.LINE_8
    for ring in rings:  # one call per ring: a single call would fill by the even-odd rule
        cv2.fillPoly(canvas, [ring], colour, kind, _SHIFT)


def _edge(canvas: Image, rings: Sequence[npt.NDArray[np.int32]], colour: RGB | int, width: int, closed: bool) -> None:
    cv2.polylines(canvas, rings, closed, colour, width, cv2.LINE_AA, _SHIFT)


class _Painter:
    """The picture in one style at `side` pixels; keeps the mask of the last unclipped shape for its accents."""

    def __init__(self, side: int, style: str) -> None:
        self.side, self.style = side, style
        self.canvas: Image = np.zeros((side, side, 3), np.uint8)
        self.contour = max(1, round(side / 128)) if style == "ink" else 0
        self._air: Floats | None = None  # sky and glows, kept small and soft until the first hard shape
        self._mask: Image = np.zeros((side, side), np.uint8)
        self._accent: Image = np.zeros((side, side), np.uint8)
        self._even: Image = np.zeros((side, side, 3), np.uint8)
        self._box = (0, 0, side, side)
        self._last: Sequence[npt.NDArray[np.int32]] = ()
        self._masked = False
        self._rim = False

    def paint(self, ops: Sequence[Op]) -> Image:
        """The picture of all ops, (side, side, 3) uint8 RGB."""
        for op in ops:
            if isinstance(op, Sky):
                self._sky(op)
            elif isinstance(op, Soft):
                self._soft(op)
            else:
                self._settle()
                if isinstance(op, Stroke):
                    self._stroke(op)
                elif op.clip:
                    self._clipped(op)
                else:
                    self._shape(op)
        self._settle()
        return self.canvas

    def _shape(self, op: Fill) -> None:
        rings = [_pixels(ring, self.side) for ring in op.rings]
        self._last, self._masked = rings, False
        colour = styled(op.colour, self.style)
        line = self.contour if op.line else 0
        if line and len(rings) > 1:  # a union: thick contours first, then the fills cover the inner ones
            _edge(self.canvas, rings, INK, 2 * line, True)
        _fill(self.canvas, rings, colour, True)
        if op.fade is not None:
            self._fade(colour, styled(op.fade, self.style))
        if op.shade is not None:
            self._shade(op, styled(op.shade, self.style))
        self._rim = bool(line) and len(rings) == 1
        if self._rim:
            _edge(self.canvas, rings, INK, line, True)

    def _select(self) -> tuple[int, int, int, int]:
        """Draws the last shape's mask once, and returns its box (left, top, right, bottom)."""
        if not self._masked:
            low = np.min([ring.min(0) for ring in self._last], 0) >> _SHIFT
            high = (np.max([ring.max(0) for ring in self._last], 0) >> _SHIFT) + 2
            left, top = np.clip(low, 0, self.side)
            right, bottom = np.clip(high, 0, self.side)
            self._box = (int(left), int(top), int(right), int(bottom))
            self._mask[top:bottom, left:right] = 0
            _fill(self._mask, self._last, 255, False)
            self._masked = True
        return self._box

    def _put(self, mask: Image, colour: RGB) -> None:
        left, top, right, bottom = self._box
        even = self._even[top:bottom, left:right]
        if mask.size:
            cv2.rectangle(even, (0, 0), (right - left, bottom - top), colour, cv2.FILLED)
            cv2.copyTo(even, mask, self.canvas[top:bottom, left:right])

    def _fade(self, colour: RGB, fade: RGB) -> None:
        left, top, right, bottom = self._select()
        rows = np.linspace(0.0, 1.0, bottom - top, dtype=np.float32)[:, None, None]
        column = np.rint(np.array(colour, np.float32) * (1 - rows) + np.array(fade, np.float32) * rows)
        ramp = cv2.repeat(column.astype(np.uint8).reshape(-1, 1, 3), 1, right - left)
        cv2.copyTo(ramp, self._mask[top:bottom, left:right], self.canvas[top:bottom, left:right])

    def _shade(self, op: Fill, colour: RGB) -> None:
        left, top, right, bottom = self._select()
        window = self._accent[top:bottom, left:right]
        window[:] = 255
        moved = [_pixels(ring + np.array(op.shift, np.float32), self.side) for ring in op.rings]
        _fill(self._accent, moved, 0, False)
        self._put(_both(window, self._mask[top:bottom, left:right]), colour)

    def _clipped(self, op: Fill) -> None:
        left, top, right, bottom = self._select()
        window = self._accent[top:bottom, left:right]
        window[:] = 0
        rings = [_pixels(ring, self.side) for ring in op.rings]
        _fill(self._accent, rings, 255, False)
        self._put(_both(window, self._mask[top:bottom, left:right]), styled(op.colour, self.style))
        if self._rim:  # the accent has covered the inner half of its shape's contour
            _edge(self.canvas, self._last, INK, self.contour, True)

    def _stroke(self, op: Stroke) -> None:
        points = [_pixels(op.points, self.side)]
        width = max(1, round(op.width * self.side))
        if self.contour and op.line:
            thin = width <= 2 * self.contour
            _edge(self.canvas, points, INK, self.contour if thin else width + self.contour, False)
            if thin:
                return
        _edge(self.canvas, points, styled(op.colour, self.style), width, False)

    def _soft(self, op: Soft) -> None:
        if self._air is not None:
            self._glow(op, self._air)
            return
        low, high = _bounds(op, self.side)
        spot = cv2.resize(_spot(), (high[0] - low[0], high[1] - low[1]), interpolation=cv2.INTER_LINEAR)
        near, far = np.clip(low, 0, self.side), np.clip(high, 0, self.side)
        share = np.ascontiguousarray(spot[near[1] - low[1] : far[1] - low[1], near[0] - low[0] : far[0] - low[0]])
        share *= np.float32(op.alpha)
        target = self.canvas[near[1] : far[1], near[0] : far[0]]
        even = self._even[near[1] : far[1], near[0] : far[0]]
        cv2.rectangle(even, (0, 0), (self.side, self.side), styled(op.colour, self.style), cv2.FILLED)
        target[:] = cv2.blendLinear(even, target, share, 1.0 - share)

    def _sky(self, op: Sky) -> None:
        heights = np.array([height for height, _ in op.stops])
        colours = np.array([styled(colour, self.style) for _, colour in op.stops])
        rows = np.linspace(0.0, 1.0, _AIR)
        column = np.stack([np.interp(rows, heights, colours[:, k]) for k in range(3)], 1)
        self._air = np.repeat(column.astype(np.float32)[:, None], _AIR, 1)

    def _glow(self, op: Soft, air: Floats) -> None:
        axis = (np.arange(_AIR, dtype=np.float32) + 0.5) / _AIR
        far = ((axis - op.centre[0]) / op.radii[0])[None] ** 2 + ((axis - op.centre[1]) / op.radii[1])[:, None] ** 2
        bump = np.clip(1.0 - far, 0.0, 1.0)
        share = _ease(np.asarray(bump, np.float32)) * np.float32(op.alpha)
        air += (np.array(styled(op.colour, self.style), np.float32) - air) * share[:, :, None]

    def _settle(self) -> None:
        """Brings the small soft sky to full size before the first hard shape."""
        if self._air is not None:
            small = np.rint(self._air).astype(np.uint8)
            cv2.resize(small, (self.side, self.side), self.canvas, interpolation=cv2.INTER_LINEAR)
            self._air = None


def _both(one: Image, other: Image) -> Image:
    return np.asarray(cv2.bitwise_and(one, other), np.uint8)


def _bounds(op: Soft, side: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    centre, radii = np.array(op.centre) * side, np.array(op.radii) * side
    return np.floor(centre - radii).astype(np.int64), np.ceil(centre + radii).astype(np.int64)


def _ease(bump: Floats) -> Floats:
    return np.asarray(bump * bump * (np.float32(3.0) - np.float32(2.0) * bump), np.float32)


@cache
def _spot() -> Floats:
    """A smooth round bump, 1 in the middle and 0 at the rim, 64x64."""
    axis = np.linspace(-1.0, 1.0, 64, dtype=np.float32)
    square = np.clip(1.0 - (axis[:, None] ** 2 + axis[None] ** 2), 0.0, 1.0)
    return _ease(square)


def _halved(big: Image) -> Image:
    return np.asarray(cv2.resize(big, (big.shape[1] // 2, big.shape[0] // 2), interpolation=cv2.INTER_AREA), np.uint8)


def picture(ops: Sequence[Op], side: int, style: str) -> Image:
    """The coloured picture, (side, side, 3) uint8 RGB, painted at twice the size and averaged."""
    return _halved(_Painter(2 * side, style).paint(ops))


def outline(ops: Sequence[Op], side: int) -> Image:
    """White lines on black, (side, side) uint8: every shape is filled black before its edge is drawn, in the
    order of painting, so that whatever a later shape hides is hidden here too."""
    big = 2 * side
    canvas: Image = np.zeros((big, big), np.uint8)
    width = max(1, round(big / 128))
    for op in ops:
        if isinstance(op, Stroke) and op.line:
            points, thick = [_pixels(op.points, big)], round(op.width * big)
            _edge(canvas, points, 255, thick + width if thick > 2 * width else width, False)
            if thick > 2 * width:
                _edge(canvas, points, 0, thick - width, False)
        elif isinstance(op, Fill) and not op.clip:
            rings = [_pixels(ring, big) for ring in op.rings]
            if op.line and len(rings) > 1:
                _edge(canvas, rings, 255, 2 * width, True)
            _fill(canvas, rings, 0, False)
            if op.line and len(rings) == 1:
                _edge(canvas, rings, 255, width, True)
        elif isinstance(op, Fill) and op.line:
            _edge(canvas, [_pixels(ring, big) for ring in op.rings], 255, width, True)
    return _halved(canvas)


def objects(ops: Sequence[Op], side: int) -> Image:
    """Which thing each pixel shows, (side, side) uint8: 0 the background, otherwise the op's owner."""
    canvas: Image = np.zeros((side, side), np.uint8)
    for op in ops:
        if isinstance(op, Fill) and not op.clip:
            _fill(canvas, [_pixels(ring, side) for ring in op.rings], op.owner, False)
        elif isinstance(op, Stroke):
            _edge_hard(canvas, op, side)
    return canvas


def _edge_hard(canvas: Image, op: Stroke, side: int) -> None:
    width = max(1, round(op.width * side))
    cv2.polylines(canvas, [_pixels(op.points, side)], False, op.owner, width, cv2.LINE_8, _SHIFT)
