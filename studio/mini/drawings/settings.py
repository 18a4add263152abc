"""The seven places: sky, ground and their quiet details, drawn behind (and for water in front of) the things.
Knows shapes and light; of the things only where they stand."""

from __future__ import annotations

import numpy as np

from studio.mini.drawings.palette import RGB, backdrop, lit, mix
from studio.mini.drawings.scene import AIRBORNE, Scene
from studio.mini.drawings.shapes import Pen, Points, Sky, oval, path, poly, rect

_SKIES: dict[str, tuple[tuple[float, RGB], ...]] = {
    "day": ((0.0, (104, 182, 240)), (0.45, (168, 218, 248)), (0.75, (226, 243, 250)), (1.0, (226, 243, 250))),
    "sunset": ((0.0, (190, 92, 132)), (0.35, (244, 128, 88)), (0.68, (255, 206, 124)), (1.0, (255, 214, 140))),
    "night": ((0.0, (18, 24, 72)), (0.45, (38, 52, 116)), (0.75, (74, 92, 160)), (1.0, (74, 92, 160))),
}
_HILLS: dict[str, tuple[RGB, RGB, RGB]] = {
    "day": ((190, 222, 166), (158, 206, 124), (128, 188, 92)),
    "sunset": ((236, 176, 120), (208, 164, 92), (166, 146, 72)),
    "night": ((64, 92, 132), (50, 82, 112), (42, 74, 90)),
}
_PEAKS: dict[str, tuple[RGB, RGB, RGB]] = {
    "day": ((172, 190, 222), (132, 152, 196), (146, 198, 110)),
    "sunset": ((216, 132, 130), (160, 96, 124), (172, 146, 78)),
    "night": ((70, 84, 146), (50, 62, 116), (42, 74, 92)),
}
_SEAS: dict[str, tuple[RGB, RGB]] = {
    "day": ((92, 178, 218), (30, 112, 178)),
    "sunset": ((246, 156, 112), (126, 84, 134)),
    "night": ((62, 88, 156), (22, 36, 92)),
}
HORIZON = 0.56
AFLOAT: frozenset[str] = frozenset({"sailboat", "duck", "whale"})
"""Kinds that swim on the surface of the sea."""


def _land(top: Points) -> Points:
    """The region below a line across the picture."""
    return np.concatenate((np.array(((-0.1, 1.1), (-0.1, top[0, 1])), np.float32), top,
                           np.array(((1.1, top[-1, 1]), (1.1, 1.1)), np.float32)))  # fmt: skip


def _ridge(height: float, swell: float, phase: float, waves: float) -> Points:
    x = np.linspace(-0.05, 1.05, 40, dtype=np.float32)
    return _land(np.stack((x, height - swell * np.sin(waves * np.pi * x + phase)), 1).astype(np.float32))


def _lead(scene: Scene) -> float:
    """Where the leftmost thing stands; the sun or moon goes to the other side."""
    return scene.things[0].x if scene.things else 0.5


def _heavens(pen: Pen, scene: Scene, rng: np.random.Generator, low: float) -> None:
    """The sky with what belongs to the hour; `low` is where it meets the ground."""
    pen.record.ops.append(Sky(_SKIES[scene.time]))
    busy = any(thing.kind in AIRBORNE or thing.y - thing.size / 2 < 0.2 for thing in scene.things)
    if scene.time == "sunset":
        side = 0.78 if _lead(scene) < 0.45 else 0.24
        pen.soft(side, low - 0.06, 0.42, 0.36, (255, 240, 180), 0.7)
        if not any(thing.kind in ("sun", "moon") for thing in scene.things):
            pen.fill(oval(side, low - 0.05, 0.085), colour=(255, 244, 196), line=True)
    elif scene.time == "night":
        _stars(pen, scene, rng)
    if not busy and scene.time != "sunset":
        _orb(pen, scene)


def _stars(pen: Pen, scene: Scene, rng: np.random.Generator) -> None:
    for k in range(9):
        x, y = (k % 5 + 0.5) / 5 + rng.uniform(-0.07, 0.07), 0.06 + 0.17 * (k // 5) + rng.uniform(0.0, 0.10)
        pen.fill(oval(x, y, 0.0075 if k % 3 else 0.011), colour=(250, 244, 214), line=False)


def _orb(pen: Pen, scene: Scene) -> None:
    """A small sun or moon in the free upper corner."""
    if any(thing.kind in ("sun", "moon", "star") for thing in scene.things):
        return
    x = 0.84 if _lead(scene) < 0.55 else 0.16
    if scene.time == "day":
        pen.soft(x, 0.14, 0.20, 0.20, (255, 246, 200), 0.8)
        pen.fill(oval(x, 0.14, 0.062), colour=(255, 226, 110))
    else:
        pen.soft(x, 0.14, 0.20, 0.20, (190, 200, 255), 0.35)
        pen.fill(oval(x, 0.14, 0.062), colour=(248, 242, 214))


def _hills(pen: Pen, scene: Scene, rng: np.random.Generator) -> None:
    _heavens(pen, scene, rng, 0.56)
    phase = float(rng.uniform(0.0, 2 * np.pi))
    far, mid, front = _HILLS[scene.time]
    pen.fill(_ridge(0.58, 0.05, phase, 2.2), colour=far, fade=mix(far, mid, 0.6))
    pen.fill(_ridge(0.67, 0.05, phase + 2.2, 1.7), colour=mid, fade=mix(mid, front, 0.6))
    pen.fill(_ridge(0.765, 0.025, phase + 4.0, 1.5), colour=front, fade=mix(front, (20, 60, 60), 0.16))


def _mountains(pen: Pen, scene: Scene, rng: np.random.Generator) -> None:
    _heavens(pen, scene, rng, 0.62)
    far, near, ground = _PEAKS[scene.time]
    snow = lit((250, 252, 255), scene.time)
    shift = float(rng.uniform(-0.06, 0.06))
    for x, top, half, colour in ((0.5, 0.30, 0.36, far), (0.10, 0.27, 0.40, near), (0.90, 0.24, 0.42, near)):
        x += shift
        pen.fill(poly(((x - half, 0.80), (x, top), (x + half, 0.80))), colour=colour, fade=mix(colour, snow, 0.22))
        pen.accent(poly(((x, top - 0.1), (x + half, 0.85), (x + half * 0.25, 0.85), (x + 0.02, top + 0.2))),
                   colour=mix(colour, (30, 30, 90), 0.13))  # fmt: skip
        cut = top + 0.13
        pen.accent(poly(((x - 0.3, top - 0.1), (x + 0.3, top - 0.1), (x + 0.3, cut - 0.02), (x + 0.07, cut),
                         (x + 0.02, cut - 0.045), (x - 0.03, cut + 0.02), (x - 0.07, cut - 0.03), (x - 0.3, cut))),
                   colour=snow)  # fmt: skip
    pen.fill(_ridge(0.745, 0.02, 3.0 + shift * 8, 1.4), colour=ground, fade=mix(ground, (20, 60, 60), 0.16))


def _sea(pen: Pen, scene: Scene, rng: np.random.Generator) -> None:
    _heavens(pen, scene, rng, HORIZON)
    near, deep = _SEAS[scene.time]
    pen.fill(rect(-0.1, HORIZON, 1.1, 1.1), colour=near, fade=deep)
    crest = mix(near, (255, 255, 255), 0.35)
    for row, y in enumerate((0.63, 0.70)):
        for k in range(3):
            x = 0.2 + 0.36 * k - 0.16 * row + float(rng.uniform(-0.04, 0.04))
            pen.stroke(path(((x - 0.06, y), (x, y - 0.008), (x + 0.06, y))), crest, 0.007, False)


def _meadow(pen: Pen, scene: Scene, rng: np.random.Generator) -> None:
    _heavens(pen, scene, rng, 0.62)
    far, mid, front = _HILLS[scene.time]
    pen.fill(_ridge(0.64, 0.012, float(rng.uniform(0, 6)), 1.6), colour=mix(mid, far, 0.3), fade=mix(front, mid, 0.2))
    petal, tuft = lit((255, 252, 244), scene.time), mix(front, mid, -0.35)
    for k in range(12):
        x, y = np.array(((k + 0.5) / 12 - 0.02, (0.735, 0.93, 0.80)[k % 3])) + rng.uniform(0.0, (0.04, 0.03))
        r = 0.008 + 0.012 * (y - 0.7)
        for lean in (-0.014, 0.0, 0.014):
            pen.stroke(poly(((x + 0.025, y + 0.02), (x + 0.025 + lean, y - 0.012))), tuft, 0.006, False)
        pen.fill(oval(x, y, r), colour=petal, line=False)


def _underwater(pen: Pen, scene: Scene, rng: np.random.Generator) -> None:
    pen.record.ops.append(Sky(((0.0, (120, 220, 226)), (0.5, (44, 158, 196)), (1.0, (20, 92, 152)))))
    for x in (0.18, 0.42, 0.70):
        x += float(rng.uniform(-0.04, 0.04))
        pen.soft(x, 0.0, 0.10, 0.75, (226, 252, 250), 0.30)
    sand: RGB = (240, 214, 160)
    pen.fill(_ridge(0.875, 0.015, float(rng.uniform(0, 6)), 2.0), colour=sand, fade=mix(sand, (180, 130, 90), 0.3))
    for x, height in ((0.06, 0.40), (0.135, 0.26), (0.94, 0.34), (0.87, 0.22)):
        weed = mix((40, 150, 110), (20, 110, 120), 0.35)
        wave = [(x + 0.016 * np.sin(6 * t), 0.93 - height * t) for t in np.linspace(0, 1, 6)]
        pen.stroke(path(wave), weed, 0.026)
    for x, y, r in ((0.86, 0.12, 0.020), (0.90, 0.20, 0.013), (0.12, 0.16, 0.016)):
        pen.fill(oval(x, y, r), colour=(190, 240, 244), line=False)
        pen.accent(oval(x - r * 0.25, y - r * 0.25, r * 0.35), colour=(255, 255, 255))


def _table(pen: Pen, scene: Scene, rng: np.random.Generator) -> None:
    wall = backdrop(scene.background)
    pen.record.ops.append(Sky(((0.0, mix(wall, (255, 255, 255), 0.10)), (0.7, wall), (1.0, wall))))
    pen.soft(0.30, 0.22, 0.6, 0.5, mix(wall, (255, 255, 255), 0.5), 0.35)
    wood: RGB = (226, 182, 128)
    pen.fill(poly(((-0.1, 0.70), (1.1, 0.70), (1.1, 1.1), (-0.1, 1.1))), colour=wood, fade=(206, 152, 98))
    for y in (0.79, 0.91):
        pen.stroke(path(((-0.1, y), (0.3, y - 0.006), (0.7, y + 0.006), (1.1, y))), (208, 158, 104), 0.006, False)
    pen.fill(rect(-0.1, 0.945, 1.1, 1.1), colour=(184, 130, 82))


def _plain(pen: Pen, scene: Scene, rng: np.random.Generator) -> None:
    wall = backdrop(scene.background)
    edge = mix(wall, (60, 40, 90), 0.10)
    pen.record.ops.append(Sky(((0.0, mix(wall, edge, 0.5)), (0.5, wall), (1.0, edge))))
    pen.soft(0.5, 0.46, 0.75, 0.75, mix(wall, (255, 255, 255), 0.4), 0.45)


def before(pen: Pen, scene: Scene, rng: np.random.Generator) -> None:
    """Draws all that lies behind the things."""
    draw = {"hills": _hills, "mountains": _mountains, "sea": _sea, "meadow": _meadow, "underwater": _underwater,
            "table": _table, "plain": _plain}  # fmt: skip
    draw[scene.setting](pen, scene, rng)


def after(pen: Pen, scene: Scene) -> None:
    """Draws what lies in front of the things: the waves that carry a boat."""
    if scene.setting != "sea":
        return
    near, deep = _SEAS[scene.time]
    for thing in scene.things:
        if thing.kind in AFLOAT:
            x = np.linspace(-0.05, 1.05, 56, dtype=np.float32)
            line = np.stack((x, thing.y + thing.size * 0.43 + 0.010 * np.sin(x * 44)), 1).astype(np.float32)
            pen.fill(_land(line), colour=mix(near, deep, 0.55), fade=deep)
            return
