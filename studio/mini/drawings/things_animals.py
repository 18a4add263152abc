"""The animals and the snowman, each in one canonical pose: origin in the middle, height 1, y down.
Knows shapes and paints only."""

from __future__ import annotations

from studio.mini.drawings.palette import Paint
from studio.mini.drawings.shapes import Pen, curve, mirrored, oval, path, poly, rect


def cat(pen: Pen, c: Paint) -> None:
    """Sits facing us, tail to the right."""
    pen.stroke(path(((0.16, 0.40), (0.34, 0.40), (0.38, 0.22), (0.30, 0.08), (0.35, -0.02))), c.dark, 0.085)
    body = curve(mirrored(((0.0, -0.12), (0.17, -0.06), (0.23, 0.16), (0.27, 0.38), (0.20, 0.485), (0.0, 0.495))))
    pen.fill(body, colour=c.base, shade=c.dark)
    pen.accent(oval(0.0, 0.14, 0.10, 0.16), colour=c.light)
    pen.stroke(path(((-0.06, 0.49), (-0.055, 0.36))), c.dark, 0.018)
    pen.stroke(path(((0.06, 0.49), (0.055, 0.36))), c.dark, 0.018)
    head = curve(mirrored(((0.0, -0.36), (0.16, -0.34), (0.27, -0.20), (0.24, -0.06), (0.12, 0.03), (0.0, 0.045))))
    ears = [poly(((s * 0.08, -0.33), (s * 0.235, -0.49), (s * 0.262, -0.17))) for s in (-1, 1)]
    pen.fill(head, *ears, colour=c.base)
    pen.accent(*(poly(((s * 0.14, -0.33), (s * 0.218, -0.425), (s * 0.236, -0.27))) for s in (-1, 1)), colour=c.light)
    pen.accent(oval(0.0, -0.05, 0.10, 0.07), colour=c.light)
    pen.eyes(c, (-0.115, -0.155), (0.115, -0.155), radius=0.034)
    pen.fill(poly(((-0.03, -0.085), (0.03, -0.085), (0.0, -0.05))), colour=c.eye, line=False)
    for s in (-1, 1):
        pen.stroke(poly(((s * 0.12, -0.055), (s * 0.30, -0.085))), c.eye, 0.009, False)
        pen.stroke(poly(((s * 0.12, -0.03), (s * 0.30, -0.02))), c.eye, 0.009, False)


def rabbit(pen: Pen, c: Paint) -> None:
    """Sits facing us, long ears up."""
    for s in (-1, 1):
        pen.fill(oval(s * 0.095, -0.325, 0.065, 0.175, s * 0.16), colour=c.base)
        pen.accent(oval(s * 0.097, -0.31, 0.032, 0.12, s * 0.16), colour=c.light)
    pen.fill(oval(0.25, 0.36, 0.06), colour=c.light)
    body = curve(mirrored(((0.0, 0.08), (0.17, 0.14), (0.25, 0.34), (0.20, 0.47), (0.0, 0.495))))
    pen.fill(body, colour=c.base, shade=c.dark)
    pen.accent(oval(0.0, 0.32, 0.11, 0.15), colour=c.light)
    for s in (-1, 1):
        pen.fill(oval(s * 0.10, 0.455, 0.075, 0.045), colour=c.base)
    head = curve(mirrored(((0.0, -0.19), (0.15, -0.15), (0.21, -0.02), (0.16, 0.11), (0.0, 0.15))))
    pen.fill(head, colour=c.base, shade=c.dark)
    pen.accent(oval(-0.045, 0.07, 0.065, 0.05), oval(0.045, 0.07, 0.065, 0.05), colour=c.light)
    pen.eyes(c, (-0.09, -0.03), (0.09, -0.03), radius=0.03)
    pen.fill(oval(0.0, 0.035, 0.026, 0.018), colour=c.eye, line=False)


def bird(pen: Pen, c: Paint) -> None:
    """A plump songbird looking right."""
    for x in (-0.02, 0.10):
        pen.stroke(poly(((x, 0.34), (x + 0.015, 0.485), (x + 0.07, 0.49))), c.beak, 0.022)
    pen.fill(poly(((-0.60, -0.16), (-0.56, 0.10), (-0.20, 0.18), (-0.18, -0.06))), colour=c.dark)
    pen.fill(poly(((0.38, -0.32), (0.585, -0.225), (0.38, -0.14))), colour=c.beak)
    body = curve(((-0.36, 0.0), (-0.12, -0.20), (0.06, -0.43), (0.28, -0.47), (0.43, -0.30), (0.41, -0.02),
                  (0.26, 0.28), (0.0, 0.40), (-0.25, 0.26)))  # fmt: skip
    pen.fill(body, colour=c.base, shade=c.dark, shift=(-0.03, -0.05))
    pen.accent(oval(0.28, 0.08, 0.16, 0.25, 0.5), colour=c.light)
    wing = curve(((-0.40, 0.10), (-0.20, -0.10), (0.03, -0.13), (0.15, 0.0), (0.02, 0.17), (-0.20, 0.20)))
    pen.fill(wing, colour=c.dark)
    pen.eyes(c, (0.27, -0.27), radius=0.042)


def duck(pen: Pen, c: Paint) -> None:
    """A toy duck looking right."""
    bill = curve(((0.36, -0.28), (0.50, -0.27), (0.56, -0.20), (0.48, -0.14), (0.34, -0.15)))
    pen.fill(bill, colour=c.beak)
    body = curve(((-0.56, -0.10), (-0.38, 0.04), (-0.10, 0.0), (0.08, -0.02), (0.36, 0.04), (0.45, 0.24),
                  (0.30, 0.44), (0.0, 0.49), (-0.30, 0.44), (-0.48, 0.24)))  # fmt: skip
    head = oval(0.18, -0.235, 0.255, 0.25)
    pen.fill(body, head, colour=c.base, shade=c.dark, shift=(-0.035, -0.05))
    pen.fill(curve(((-0.36, 0.14), (-0.08, 0.09), (0.12, 0.16), (0.06, 0.32), (-0.14, 0.36))), colour=c.dark)
    pen.accent(oval(0.10, -0.36, 0.07, 0.045, -0.5), colour=c.light)
    pen.eyes(c, (0.25, -0.27), radius=0.042)


def fish(pen: Pen, c: Paint) -> None:
    """Swims to the left."""
    pen.fill(curve(((0.34, 0.0), (0.56, -0.30), (0.75, -0.36), (0.68, 0.0), (0.75, 0.36), (0.56, 0.30))), colour=c.dark)
    pen.fill(curve(((-0.28, -0.26), (-0.06, -0.50), (0.24, -0.46), (0.30, -0.20), (0.0, -0.12))), colour=c.dark)
    pen.fill(curve(((-0.06, 0.24), (0.06, 0.48), (0.24, 0.46), (0.24, 0.20))), colour=c.dark)
    body = curve(((-0.75, 0.02), (-0.58, -0.22), (-0.24, -0.37), (0.16, -0.28), (0.48, -0.06), (0.48, 0.06),
                  (0.16, 0.30), (-0.24, 0.37), (-0.58, 0.24)))  # fmt: skip
    pen.fill(body, colour=c.base, shade=c.dark, shift=(0.0, -0.06))
    for x in (-0.14, 0.12):
        pen.accent(curve(((x, -0.5), (x + 0.09, -0.5), (x + 0.15, 0.0), (x + 0.09, 0.5), (x, 0.5), (x + 0.05, 0.0))),
                   colour=c.trim)  # fmt: skip
    pen.fill(oval(-0.49, -0.08, 0.085), colour=c.trim, line=False)
    pen.fill(oval(-0.505, -0.075, 0.042), colour=c.ink, line=False)


def whale(pen: Pen, c: Paint) -> None:
    """Swims to the left and blows."""
    for s in (-1, 1):
        jet = path(((-0.30, -0.20), (-0.30 + s * 0.03, -0.36), (-0.30 + s * 0.14, -0.44), (-0.30 + s * 0.2, -0.36)))
        pen.stroke(jet, (150, 206, 240), 0.05)
    tail = curve(((0.50, 0.02), (0.60, -0.18), (0.50, -0.34), (0.64, -0.36), (0.70, -0.28), (0.79, -0.40),
                  (0.80, -0.22), (0.72, -0.10), (0.68, 0.14)))  # fmt: skip
    body = curve(((-0.78, 0.16), (-0.72, -0.08), (-0.48, -0.21), (-0.14, -0.20), (0.20, -0.04), (0.50, 0.02),
                  (0.66, 0.06), (0.56, 0.28), (0.26, 0.45), (-0.20, 0.49), (-0.62, 0.42)))  # fmt: skip
    pen.fill(body, tail, colour=c.base)
    pen.accent(curve(((-0.84, 0.24), (-0.50, 0.26), (-0.10, 0.34), (0.30, 0.38), (0.30, 0.70), (-0.80, 0.70))),
               colour=c.light if c.name != "white" else c.dark)  # fmt: skip
    pen.fill(curve(((-0.16, 0.26), (0.06, 0.24), (0.14, 0.42), (0.0, 0.47))), colour=c.dark)
    pen.eyes(c, (-0.54, 0.12), radius=0.042)


def turtle(pen: Pen, c: Paint) -> None:
    """Walks to the left, a domed shell on its back."""
    skin = c.light
    for x in (-0.36, 0.32):
        pen.fill(rect(x - 0.10, 0.20, x + 0.10, 0.49, 0.08), colour=skin)
    pen.fill(poly(((0.50, 0.20), (0.76, 0.36), (0.48, 0.36))), colour=skin)
    head = curve(((-0.40, 0.10), (-0.52, -0.12), (-0.68, -0.18), (-0.79, -0.06), (-0.76, 0.10), (-0.62, 0.18),
                  (-0.50, 0.34)))  # fmt: skip
    pen.fill(head, colour=skin)
    pen.eyes(c, (-0.665, -0.04), radius=0.038)
    shell = curve(((-0.56, 0.28), (-0.52, -0.06), (-0.30, -0.36), (0.02, -0.48), (0.32, -0.38), (0.54, -0.08),
                   (0.60, 0.28), (0.0, 0.31)))  # fmt: skip
    pen.fill(shell, colour=c.base, shade=c.dark, shift=(-0.06, -0.05))
    for ring in (((-0.14, -0.30), (0.18, -0.30), (0.28, -0.06), (0.02, 0.10), (-0.24, -0.06)),
                 ((-0.46, 0.0), (-0.32, -0.04), (-0.16, 0.10), (-0.20, 0.20), (-0.46, 0.20)),
                 ((0.50, 0.0), (0.36, -0.04), (0.20, 0.10), (0.24, 0.20), (0.50, 0.20))):  # fmt: skip
        pen.accent(poly(ring), colour=c.dark)
    pen.fill(rect(-0.60, 0.22, 0.64, 0.32, 0.05), colour=c.dark)


def butterfly(pen: Pen, c: Paint) -> None:
    """Seen from above, wings spread."""
    for s in (-1, 1):
        low = curve(((s * 0.03, 0.02), (s * 0.34, 0.04), (s * 0.46, 0.24), (s * 0.30, 0.47), (s * 0.12, 0.36)))
        pen.fill(low, colour=c.dark)
        pen.accent(oval(s * 0.27, 0.24, 0.075), colour=c.trim)
    for s in (-1, 1):
        high = curve(((s * 0.03, -0.02), (s * 0.16, -0.34), (s * 0.40, -0.49), (s * 0.585, -0.36), (s * 0.52, -0.04),
                      (s * 0.30, 0.09)))  # fmt: skip
        pen.fill(high, colour=c.base)
        pen.accent(oval(s * 0.37, -0.23, 0.10), colour=c.light)
        pen.accent(oval(s * 0.37, -0.23, 0.055), colour=c.trim)
        pen.stroke(path(((s * 0.02, -0.24), (s * 0.07, -0.40), (s * 0.16, -0.485))), c.ink, 0.022)
    pen.fill(rect(-0.05, -0.25, 0.05, 0.34, 0.05), colour=c.ink)


def snowman(pen: Pen, c: Paint) -> None:
    """Two balls of snow, a hat, a scarf and a carrot."""
    pen.stroke(path(((-0.20, 0.04), (-0.34, -0.08), (-0.35, -0.14))), c.wood, 0.03)
    pen.stroke(path(((0.20, 0.04), (0.34, -0.08), (0.35, -0.14))), c.wood, 0.03)
    pen.fill(oval(0.0, 0.23, 0.29, 0.268), colour=c.base, shade=c.dark)
    for y in (0.14, 0.26, 0.38):
        pen.fill(oval(0.0, y, 0.026), colour=c.eye, line=False)
    pen.fill(oval(0.0, -0.14, 0.195), colour=c.base, shade=c.dark)
    scarf = c.trim if c.name != "white" else (214, 70, 66)
    pen.fill(rect(0.05, 0.0, 0.15, 0.20, 0.02), colour=scarf)
    collar = curve(((-0.18, -0.03), (0.0, 0.02), (0.18, -0.03), (0.19, 0.04), (0.0, 0.09), (-0.19, 0.04)))
    pen.fill(collar, colour=scarf)
    pen.eyes(c, (-0.075, -0.17), (0.075, -0.17), radius=0.028)
    pen.fill(poly(((-0.015, -0.13), (0.17, -0.09), (-0.01, -0.075))), colour=c.beak)
    pen.fill(rect(-0.13, -0.50, 0.13, -0.29, 0.015), rect(-0.22, -0.325, 0.22, -0.27, 0.025), colour=c.ink)
    pen.fill(rect(-0.13, -0.375, 0.13, -0.325), colour=scarf, line=False)
