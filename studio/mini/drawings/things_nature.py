"""Plants, the sky's own things and simple signs, each in one canonical pose: origin in the middle, height 1.
Knows shapes and paints only."""

from __future__ import annotations

import numpy as np

from studio.mini.drawings.palette import Paint, mix
from studio.mini.drawings.shapes import Pen, Points, curve, mirrored, oval, path, poly, rect


def tree(pen: Pen, c: Paint) -> None:
    """A round crown on a trunk."""
    trunk = curve(((-0.05, 0.05), (0.05, 0.05), (0.055, 0.36), (0.11, 0.495), (-0.11, 0.495), (-0.055, 0.36)))
    pen.fill(trunk, colour=c.wood)
    crown = (oval(0.0, -0.26, 0.235), oval(-0.19, -0.11, 0.20), oval(0.19, -0.11, 0.20), oval(0.0, -0.02, 0.23, 0.17))
    pen.fill(*crown, colour=c.base, shade=c.dark, shift=(-0.06, -0.05))
    pen.accent(oval(-0.08, -0.32, 0.085, 0.06, -0.5), oval(-0.23, -0.16, 0.06, 0.045, -0.5), colour=c.light)


def flower(pen: Pen, c: Paint) -> None:
    """Seven petals, a stem and two leaves."""
    pen.stroke(path(((0.0, -0.16), (0.015, 0.20), (0.0, 0.49))), c.leaf, 0.042)
    pen.fill(curve(((0.01, 0.34), (0.10, 0.18), (0.28, 0.13), (0.22, 0.28))), colour=c.leaf)
    pen.fill(curve(((0.0, 0.42), (-0.09, 0.26), (-0.27, 0.21), (-0.21, 0.36))), colour=c.leaf)
    turns = np.arange(7) * (2 * np.pi / 7) - np.pi / 2
    petals = [oval(0.185 * np.cos(t), -0.20 + 0.185 * np.sin(t), 0.125, 0.088, t) for t in turns]
    pen.fill(*petals, colour=c.base, shade=c.dark, shift=(-0.02, -0.02))
    core = (255, 246, 226) if c.name in ("yellow", "orange") else (252, 208, 70)
    pen.fill(oval(0.0, -0.20, 0.095), colour=core)


def cactus(pen: Pen, c: Paint) -> None:
    """Two arms, in a pale pot."""
    left = curve(((-0.08, 0.14), (-0.26, 0.12), (-0.35, 0.0), (-0.35, -0.16), (-0.28, -0.22), (-0.215, -0.16),
                  (-0.21, -0.04), (-0.08, 0.0)))  # fmt: skip
    right = curve(((0.08, 0.02), (0.26, 0.0), (0.35, -0.12), (0.35, -0.26), (0.28, -0.32), (0.215, -0.26),
                   (0.21, -0.16), (0.08, -0.12)))  # fmt: skip
    pen.fill(rect(-0.13, -0.495, 0.13, 0.30, 0.13), left, right, colour=c.base, shade=c.dark, shift=(-0.035, -0.02))
    ticks = [(-0.05, -0.36), (0.05, -0.25), (-0.05, -0.12), (0.05, 0.0), (-0.05, 0.12), (-0.285, -0.1), (0.285, -0.2)]
    for x, y in ticks:
        pen.stroke(poly(((x, y - 0.022), (x, y + 0.022))), c.light, 0.02, False)
    pot = mix(c.trim, c.wood, 0.12)
    pen.fill(poly(((-0.20, 0.26), (0.20, 0.26), (0.155, 0.495), (-0.155, 0.495))), colour=pot)
    pen.fill(rect(-0.235, 0.20, 0.235, 0.285, 0.02), colour=c.trim)


def mushroom(pen: Pen, c: Paint) -> None:
    """A spotted cap on a pale stem."""
    cream = mix(c.trim, (255, 244, 222), 0.7)
    stem = curve(mirrored(((0.0, -0.05), (0.13, -0.02), (0.15, 0.24), (0.20, 0.44), (0.13, 0.495), (0.0, 0.495))))
    pen.fill(stem, colour=cream, shade=mix(cream, (150, 110, 90), 0.2))
    cap = curve(mirrored(((0.0, -0.49), (0.28, -0.40), (0.45, -0.16), (0.48, 0.04), (0.34, 0.11), (0.0, 0.09))))
    pen.fill(cap, colour=c.base, shade=c.dark)
    for x, y, r in ((-0.06, -0.30, 0.095), (-0.29, -0.10, 0.075), (0.22, -0.15, 0.085), (-0.02, -0.03, 0.06)):
        pen.accent(oval(x, y, r, r * 0.85), colour=c.trim)


def apple(pen: Pen, c: Paint) -> None:
    """With a stalk and a leaf."""
    body = curve(mirrored(((0.0, -0.235), (0.19, -0.30), (0.38, -0.22), (0.46, 0.02), (0.38, 0.30), (0.20, 0.485),
                           (0.0, 0.45))))  # fmt: skip
    pen.fill(body, colour=c.base, shade=c.dark, shift=(-0.08, -0.05))
    pen.accent(oval(-0.25, -0.06, 0.055, 0.12, 0.35), colour=c.light)
    pen.stroke(path(((0.0, -0.22), (0.01, -0.36), (0.06, -0.46))), c.wood, 0.042)
    pen.fill(curve(((0.05, -0.33), (0.14, -0.46), (0.32, -0.47), (0.24, -0.33))), colour=c.leaf)


def heart(pen: Pen, c: Paint) -> None:
    """The playing card's."""
    t = np.linspace(0.0, 2.0 * np.pi, 60, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    ring = np.stack((16 * np.sin(t) ** 3 / 30, -(y + 2.5) / 29.2), 1).astype(np.float32)
    pen.fill(ring, colour=c.base, shade=c.dark, shift=(-0.05, -0.04))
    pen.accent(oval(-0.28, -0.25, 0.10, 0.065, -0.7), colour=c.light)


def _spiked(points: int, outer: float, inner: float, start: float = -np.pi / 2) -> Points:
    turns = start + np.arange(2 * points) * np.pi / points
    radii = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return np.stack((radii * np.cos(turns), radii * np.sin(turns)), 1).astype(np.float32)


def star(pen: Pen, c: Paint) -> None:
    """Five points."""
    ring = _spiked(5, 0.545, 0.255) + np.array((0.0, 0.045), np.float32)
    pen.fill(ring.astype(np.float32), colour=c.base, shade=c.dark, shift=(-0.045, -0.035))


def sun(pen: Pen, c: Paint) -> None:
    """A disc in a wreath of twelve rays."""
    pen.fill(_spiked(12, 0.5, 0.34), colour=mix(c.base, c.light, 0.5))
    pen.fill(oval(0.0, 0.0, 0.305), colour=c.base, shade=c.dark)
    pen.accent(oval(-0.10, -0.12, 0.08, 0.055, -0.6), colour=c.light)


def moon(pen: Pen, c: Paint) -> None:
    """A crescent, its back to the left."""
    out, inside = np.linspace(0.9, 2 * np.pi - 0.9, 40), np.linspace(2 * np.pi - 1.28, 1.28, 30)
    back = np.stack((0.5 * np.cos(out), 0.5 * np.sin(out)), 1) + np.array((0.08, 0.0))
    front = np.stack((0.409 * np.cos(inside), 0.409 * np.sin(inside)), 1) + np.array((0.275, 0.0))
    pen.fill(np.concatenate((back, front)).astype(np.float32), colour=c.base, shade=c.dark, shift=(-0.0, -0.05))
    pen.accent(oval(-0.27, -0.12, 0.045), oval(-0.25, 0.14, 0.06), oval(-0.12, 0.30, 0.035), colour=c.light)


def cloud(pen: Pen, c: Paint) -> None:
    """Four puffs on a flat base."""
    puffs = (oval(-0.46, 0.14, 0.32), oval(-0.10, -0.12, 0.38), oval(0.32, 0.02, 0.32), oval(0.58, 0.22, 0.235))
    pen.fill(*puffs, rect(-0.60, 0.10, 0.66, 0.46, 0.17), colour=c.base, shade=c.dark, shift=(-0.03, -0.10))
    pen.accent(oval(-0.20, -0.26, 0.13, 0.08, -0.5), colour=c.light)
