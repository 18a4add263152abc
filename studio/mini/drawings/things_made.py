"""Made things, from a cup to a lighthouse, each in one canonical pose: origin in the middle, height 1, y down.
Knows shapes and paints only."""

from __future__ import annotations

import numpy as np

from studio.mini.drawings.palette import Paint, mix
from studio.mini.drawings.shapes import Pen, curve, mirrored, oval, path, poly, rect


def house(pen: Pen, c: Paint) -> None:
    """Walls, a steep roof, a door, two windows and a chimney."""
    roof = c.dark if c.name != "black" else c.light
    pen.fill(rect(0.20, -0.44, 0.32, -0.15), colour=c.wood)
    pen.fill(rect(-0.40, -0.10, 0.40, 0.495), colour=c.base, shade=mix(c.base, c.dark, 0.5), shift=(-0.07, 0.0))
    pen.fill(poly(((-0.50, -0.07), (0.0, -0.50), (0.50, -0.07))), colour=roof)
    pen.accent(poly(((0.0, -0.60), (0.56, -0.06), (0.30, -0.06))), colour=mix(roof, c.ink, 0.16))
    for x in (-0.245, 0.245):
        pen.fill(rect(x - 0.095, 0.03, x + 0.095, 0.22), colour=c.glass)
        pen.accent(rect(x - 0.012, 0.0, x + 0.012, 0.3), rect(x - 0.1, 0.113, x + 0.1, 0.137), colour=c.trim)
    pen.fill(rect(-0.09, 0.20, 0.09, 0.495, 0.0), colour=c.trim)
    pen.fill(oval(0.05, 0.35, 0.018), colour=c.wood, line=False)


def lighthouse(pen: Pen, c: Paint) -> None:
    """A tapered tower with pale bands and a lantern."""
    pen.soft(0.0, -0.345, 0.26, 0.20, (255, 236, 150), 0.75)
    pen.fill(poly(((-0.12, -0.26), (0.12, -0.26), (0.20, 0.495), (-0.20, 0.495))), colour=c.base)
    for top in (-0.13, 0.15):
        pen.accent(rect(-0.3, top, 0.3, top + 0.13), colour=c.trim)
    pen.accent(poly(((0.06, -0.3), (0.3, -0.3), (0.3, 0.5), (0.10, 0.5))), colour=mix(c.dark, c.ink, 0.1))
    pen.fill(rect(-0.085, -0.42, 0.085, -0.27), colour=(255, 236, 150))
    pen.fill(rect(-0.165, -0.285, 0.165, -0.235, 0.015), colour=c.ink)
    pen.fill(poly(((-0.125, -0.405), (0.0, -0.50), (0.125, -0.405))), colour=c.base)
    pen.fill(rect(-0.06, 0.34, 0.06, 0.495, 0.0), colour=c.wood)


def sailboat(pen: Pen, c: Paint) -> None:
    """Two full sails over a hull."""
    pen.stroke(poly(((-0.02, -0.49), (-0.02, 0.28))), c.wood, 0.03)
    pen.fill(curve(((0.02, -0.45), (0.26, -0.14), (0.40, 0.18), (0.02, 0.18), (0.02, -0.10)), 6), colour=c.base,
             shade=c.dark, shift=(-0.05, -0.02))  # fmt: skip
    jib = poly(((-0.06, -0.38), (-0.06, 0.18), (-0.38, 0.18), (-0.20, -0.10)))
    pen.fill(jib, colour=mix(c.base, c.light, 0.6))
    hull = poly(((-0.475, 0.25), (0.475, 0.25), (0.36, 0.46), (0.30, 0.495), (-0.28, 0.495), (-0.36, 0.44)))
    pen.fill(hull, colour=c.dark)
    pen.accent(rect(-0.5, 0.25, 0.5, 0.315), colour=c.trim)


def car(pen: Pen, c: Paint) -> None:
    """Drives to the right."""
    cabin = curve(((-0.56, -0.02), (-0.42, -0.40), (-0.22, -0.48), (0.12, -0.48), (0.28, -0.38), (0.46, -0.02)), 6)
    body = rect(-0.92, -0.10, 0.92, 0.32, 0.15)
    pen.fill(cabin, body, colour=c.base)
    pen.accent(rect(-1.0, 0.14, 1.0, 0.4), colour=c.dark)
    pen.fill(poly(((-0.42, -0.08), (-0.33, -0.32), (-0.24, -0.375), (-0.09, -0.375), (-0.09, -0.08))), colour=c.glass)
    pen.fill(poly(((-0.01, -0.08), (-0.01, -0.375), (0.11, -0.375), (0.20, -0.32), (0.33, -0.08))), colour=c.glass)
    pen.fill(oval(0.86, 0.04, 0.055, 0.075), colour=(255, 232, 140), line=False)
    pen.fill(rect(-0.06, 0.0, 0.06, 0.035), colour=c.trim, line=False)
    for x in (-0.50, 0.50):
        pen.fill(oval(x, 0.285, 0.21), colour=c.ink)
        pen.fill(oval(x, 0.285, 0.095), colour=c.trim)


def rocket(pen: Pen, c: Paint) -> None:
    """Stands upright on its flame."""
    pen.fill(curve(((-0.10, 0.28), (0.10, 0.28), (0.07, 0.40), (0.0, 0.50), (-0.07, 0.40))), colour=(255, 176, 50))
    pen.fill(curve(((-0.05, 0.28), (0.05, 0.28), (0.0, 0.41))), colour=(255, 232, 130), line=False)
    for s in (-1, 1):
        pen.fill(poly(((s * 0.12, 0.02), (s * 0.27, 0.22), (s * 0.27, 0.36), (s * 0.12, 0.27))), colour=c.dark)
    body = curve(mirrored(((0.0, -0.50), (0.12, -0.33), (0.17, -0.08), (0.155, 0.14), (0.11, 0.30), (0.0, 0.31))))
    pen.fill(body, colour=c.base, shade=c.dark)
    pen.accent(rect(-0.3, -0.6, 0.3, -0.30), colour=c.trim)
    pen.fill(oval(0.0, -0.08, 0.085), colour=c.trim)
    pen.fill(oval(0.0, -0.08, 0.052), colour=c.glass, line=False)


def balloon(pen: Pen, c: Paint) -> None:
    """A toy balloon on a string."""
    pen.stroke(path(((0.0, 0.20), (0.035, 0.30), (-0.03, 0.40), (0.01, 0.49))), c.ink, 0.016)
    pen.fill(poly(((0.0, 0.155), (0.05, 0.225), (-0.05, 0.225))), colour=c.dark)
    skin = curve(mirrored(((0.0, -0.50), (0.22, -0.41), (0.30, -0.19), (0.21, 0.03), (0.06, 0.165), (0.0, 0.175))))
    pen.fill(skin, colour=c.base, shade=c.dark)
    pen.accent(oval(-0.13, -0.29, 0.045, 0.085, 0.45), colour=c.light)


def kite(pen: Pen, c: Paint) -> None:
    """A diamond with a tail of bows."""
    pen.stroke(path(((0.0, 0.10), (0.07, 0.22), (-0.06, 0.33), (0.05, 0.49))), c.ink, 0.016)
    for x, y in ((0.055, 0.225), (-0.045, 0.335), (0.045, 0.455)):
        bow = poly(((x - 0.065, y - 0.04), (x - 0.065, y + 0.04), (x + 0.065, y - 0.04), (x + 0.065, y + 0.04)))
        pen.fill(bow, colour=c.dark)
    pen.fill(poly(((0.0, -0.50), (0.33, -0.20), (0.0, 0.13), (-0.33, -0.20))), colour=c.base)
    pen.accent(poly(((0.0, -0.50), (0.33, -0.20), (0.0, -0.20))), colour=c.light)
    pen.accent(poly(((0.0, 0.13), (-0.33, -0.20), (0.0, -0.20))), colour=c.dark)
    pen.stroke(poly(((0.0, -0.49), (0.0, 0.12))), c.ink, 0.014)
    pen.stroke(poly(((-0.32, -0.20), (0.32, -0.20))), c.ink, 0.014)


def umbrella(pen: Pen, c: Paint) -> None:
    """Open, its crook below."""
    handle = path(((0.0, -0.42), (0.0, 0.38), (0.03, 0.46), (0.10, 0.475), (0.15, 0.42), (0.15, 0.36)))
    pen.stroke(handle, c.wood, 0.042)
    pen.stroke(poly(((0.0, -0.49), (0.0, -0.40))), c.wood, 0.03)
    top = [(0.5 * np.cos(t), 0.08 + 0.53 * np.sin(t)) for t in np.linspace(np.pi, 2 * np.pi, 25)]
    hem = [(0.5 - u / 4, 0.08 - 0.085 * abs(np.sin(np.pi * u))) for u in np.arange(0.0, 4.0, 0.2)]
    pen.fill(poly(top + hem), colour=c.base)
    pen.accent(poly(((0.0, -0.45), (0.25, 0.2), (0.6, 0.2), (0.5, -0.1))), colour=c.dark)
    pen.accent(curve(((0.0, -0.46), (-0.17, -0.20), (-0.25, 0.09), (0.0, 0.09)), 6), colour=c.light)


def vase(pen: Pen, c: Paint) -> None:
    """Round-bellied, with a band of zigzag."""
    pen.fill(oval(0.0, -0.44, 0.19, 0.055), colour=c.dark)
    half = ((0.18, -0.45), (0.12, -0.30), (0.24, -0.12), (0.325, 0.10), (0.26, 0.34), (0.15, 0.485), (0.0, 0.495))
    body = curve(((-0.18, -0.45), (0.0, -0.40), *half, *((-x, y) for x, y in reversed(half[1:-1]))))
    pen.fill(body, colour=c.base, shade=c.dark, shift=(-0.06, -0.01))
    pen.accent(rect(-0.5, 0.0, 0.5, 0.17), colour=c.trim)
    pen.accent(*(oval(x, 0.085, 0.036) for x in (-0.24, -0.12, 0.0, 0.12, 0.24)), colour=c.base)
    pen.accent(oval(-0.17, -0.10, 0.03, 0.06, 0.5), colour=c.light)


def cup(pen: Pen, c: Paint) -> None:
    """A mug, handle to the right."""
    pen.stroke(path(((0.24, -0.16), (0.44, -0.20), (0.52, 0.0), (0.42, 0.20), (0.22, 0.24))), c.dark, 0.10)
    body = curve(mirrored(((0.0, -0.34), (0.33, -0.40), (0.35, -0.10), (0.31, 0.30), (0.22, 0.47), (0.0, 0.49))))
    pen.fill(body, colour=c.base, shade=c.dark, shift=(-0.08, 0.0))
    pen.accent(rect(-0.24, -0.2, -0.17, 0.25, 0.035), colour=c.light)
    pen.fill(oval(0.0, -0.39, 0.34, 0.105), colour=c.trim)
    pen.fill(oval(0.0, -0.375, 0.27, 0.068), colour=(122, 74, 48), line=False)


def teapot(pen: Pen, c: Paint) -> None:
    """Spout to the left, handle to the right."""
    pen.stroke(path(((0.34, -0.14), (0.58, -0.20), (0.67, 0.02), (0.56, 0.24), (0.32, 0.30))), c.dark, 0.09)
    spout = curve(((-0.34, 0.30), (-0.50, 0.10), (-0.58, -0.12), (-0.72, -0.20), (-0.60, -0.26), (-0.48, -0.16),
                   (-0.40, 0.0), (-0.28, 0.04)))  # fmt: skip
    pen.fill(spout, colour=c.dark)
    body = curve(mirrored(((0.0, -0.30), (0.26, -0.24), (0.44, 0.04), (0.40, 0.32), (0.24, 0.48), (0.0, 0.49))))
    pen.fill(body, colour=c.base, shade=c.dark, shift=(-0.07, -0.02))
    pen.accent(oval(-0.22, -0.06, 0.05, 0.10, 0.5), colour=c.light)
    pen.fill(oval(0.0, -0.42, 0.065), colour=c.dark)
    pen.fill(curve(mirrored(((0.0, -0.37), (0.17, -0.32), (0.25, -0.24), (0.0, -0.21)))), colour=c.light)


def lamp(pen: Pen, c: Paint) -> None:
    """A table lamp."""
    pen.soft(0.0, -0.16, 0.62, 0.56, (255, 236, 160), 0.55)
    pen.fill(rect(-0.03, -0.05, 0.03, 0.44), colour=c.wood)
    foot = curve(((-0.20, 0.495), (-0.17, 0.43), (0.0, 0.39), (0.17, 0.43), (0.20, 0.495), (0.0, 0.50)))
    pen.fill(foot, colour=c.wood)
    pen.fill(oval(0.0, -0.03, 0.07, 0.06), colour=(255, 240, 170))
    pen.fill(poly(((-0.17, -0.495), (0.17, -0.495), (0.35, 0.0), (-0.35, 0.0))), colour=c.base)
    pen.accent(poly(((0.10, -0.5), (0.3, -0.5), (0.5, 0.02), (0.21, 0.02))), colour=c.dark)
    pen.accent(rect(-0.5, -0.065, 0.5, 0.05), colour=c.trim)


def book(pen: Pen, c: Paint) -> None:
    """Closed, its spine to the left."""
    pen.fill(poly(((-0.36, -0.47), (0.36, -0.47), (0.40, -0.42), (0.40, 0.495), (-0.32, 0.495), (-0.39, 0.42))),
             colour=c.dark)  # fmt: skip
    pen.fill(rect(-0.31, 0.40, 0.375, 0.475), colour=(252, 246, 230))
    pen.fill(rect(-0.39, -0.50, 0.36, 0.415, 0.03), colour=c.base)
    pen.accent(rect(-0.5, -0.6, -0.27, 0.6), colour=c.dark)
    pen.fill(rect(-0.15, -0.34, 0.24, -0.12, 0.02), colour=c.trim)
    pen.accent(rect(-0.09, -0.265, 0.18, -0.235), rect(-0.09, -0.205, 0.10, -0.175), colour=c.dark)
