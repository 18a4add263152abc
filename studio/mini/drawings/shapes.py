"""Shapes as points and the record of what was drawn, in order: the ops that are replayed as picture, outline
and object mask. Knows neither scenes nor pixels; coordinates are units of the picture's side, y down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from studio.mini.drawings.palette import RGB, Paint

Points = npt.NDArray[np.float32]
"""(n, 2) x and y."""
Pairs = Sequence[tuple[float, float]]


@dataclass(slots=True, eq=False)
class Fill:
    """One or several rings, filled as their union; `fade` is the colour at the bottom of a soft gradient.

    shade: colour of the side away from the light; shift: how far the lit part lies from the ring.
    clip: the rings only show inside the last unclipped Fill (an accent of that shape).
    """

    owner: int
    rings: tuple[Points, ...]
    colour: RGB
    line: bool = True
    clip: bool = False
    fade: RGB | None = None
    shade: RGB | None = None
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True, eq=False)
class Stroke:
    """An open line of the given width (units of the side) with round ends."""

    owner: int
    points: Points
    colour: RGB
    width: float
    line: bool = True


@dataclass(slots=True, eq=False)
class Soft:
    """A soft elliptic spot (shadow, glow) of at most `alpha`; never an outline and never an object."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    colour: RGB
    alpha: float


@dataclass(slots=True, eq=False)
class Sky:
    """A vertical gradient over the whole picture: (height 0..1, colour), top to bottom."""

    stops: tuple[tuple[float, RGB], ...]


Op = Fill | Stroke | Soft | Sky


def poly(points: Pairs) -> Points:
    """A polygon through the points."""
    return np.array(points, np.float32)


def rect(left: float, top: float, right: float, bottom: float, radius: float = 0.0) -> Points:
    """An upright rectangle, with round corners of the given radius."""
    if radius <= 0.0:
        return poly(((left, top), (right, top), (right, bottom), (left, bottom)))
    corners = (
        _circle()[24:37] * radius + (left + radius, top + radius),
        _circle()[36:49] * radius + (right - radius, top + radius),
        _circle()[0:13] * radius + (right - radius, bottom - radius),
        _circle()[12:25] * radius + (left + radius, bottom - radius),
    )
    return np.concatenate(corners).astype(np.float32)


@cache
def _circle() -> Points:
    angle = np.linspace(0.0, 2.0 * np.pi, 49)
    return np.stack((np.cos(angle), np.sin(angle)), 1).astype(np.float32)


def oval(x: float, y: float, rx: float, ry: float | None = None, turn: float = 0.0) -> Points:
    """An ellipse about (x, y), turned clockwise by `turn` radians."""
    ring = _circle()[:-1] * np.array((rx, rx if ry is None else ry), np.float32)
    if turn:
        c, s = np.cos(turn), np.sin(turn)
        ring = ring @ np.array(((c, s), (-s, c)), np.float32)
    return (ring + np.array((x, y), np.float32)).astype(np.float32)


@cache
def _spline(samples: int) -> npt.NDArray[np.float32]:
    t = np.arange(samples, dtype=np.float32)[:, None] / samples
    rows = (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2)
    return (np.concatenate(rows, 1) / 2).astype(np.float32)


def curve(points: Pairs, samples: int = 8) -> Points:
    """A smooth closed curve through the points (uniform Catmull-Rom spline)."""
    knots = np.array(points, np.float32)
    near = np.stack((np.roll(knots, 1, 0), knots, np.roll(knots, -1, 0), np.roll(knots, -2, 0)), 1)
    return np.asarray(np.einsum("sk,nkd->nsd", _spline(samples), near).reshape(-1, 2), np.float32)


def path(points: Pairs, samples: int = 8) -> Points:
    """A smooth open curve through the points (Catmull-Rom, end points doubled)."""
    knots = np.array((points[0], *points, points[-1]), np.float32)
    near = np.stack((knots[:-3], knots[1:-2], knots[2:-1], knots[3:]), 1)
    smooth = np.einsum("sk,nkd->nsd", _spline(samples), near).reshape(-1, 2)
    return np.concatenate((smooth, knots[-1:]))


def mirrored(points: Pairs) -> list[tuple[float, float]]:
    """Right-hand half of a symmetric shape, top to bottom -> the whole shape; points on the axis occur once."""
    return [*points, *((-x, y) for x, y in reversed(points) if x != 0.0)]


@dataclass(slots=True)
class Record:
    """The ops of one picture in drawing order."""

    ops: list[Op] = field(default_factory=list)


@dataclass(slots=True)
class Pen:
    """Draws into a record in a thing's own units: origin at its centre, height 1, y down."""

    record: Record
    owner: int
    x: float = 0.0
    y: float = 0.0
    size: float = 1.0

    def place(self, points: Points) -> Points:
        """Own units -> units of the picture's side."""
        return points * np.float32(self.size) + np.array((self.x, self.y), np.float32)

    def fill(
        self, *rings: Points, colour: RGB, line: bool = True, shade: RGB | None = None, fade: RGB | None = None,
        shift: tuple[float, float] = (-0.05, -0.035),
    ) -> None:  # fmt: skip
        """A filled shape (the union of its rings) with an outline unless `line` is False."""
        moved = (shift[0] * self.size, shift[1] * self.size)
        placed = tuple(self.place(ring) for ring in rings)
        self.record.ops.append(Fill(self.owner, placed, colour, line, False, fade, shade, moved))

    def accent(self, *rings: Points, colour: RGB, line: bool = False) -> None:
        """A mark on the last filled shape, cut off at that shape's edge."""
        self.record.ops.append(Fill(self.owner, tuple(self.place(ring) for ring in rings), colour, line, True))

    def stroke(self, points: Points, colour: RGB, width: float, line: bool = True) -> None:
        """An open line; its width is in own units."""
        self.record.ops.append(Stroke(self.owner, self.place(points), colour, width * self.size, line))

    def soft(self, x: float, y: float, rx: float, ry: float, colour: RGB, alpha: float) -> None:
        """A soft spot, such as a shadow or a glow."""
        centre = (self.x + x * self.size, self.y + y * self.size)
        self.record.ops.append(Soft(centre, (rx * self.size, ry * self.size), colour, alpha))

    def eyes(self, paint: Paint, *spots: tuple[float, float], radius: float = 0.03) -> None:
        """Round eyes without outline."""
        for x, y in spots:
            self.fill(oval(x, y, radius), colour=paint.eye, line=False)
