"""What a picture of Studio Mini says: its words, the frozen scene, and the labels for the text tower.
Knows nothing of pixels; every other file of this package reads its vocabulary here."""

from __future__ import annotations

from dataclasses import dataclass

COLOURS: tuple[str, ...] = (
    "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "brown", "black", "white", "gray",
)  # fmt: skip
KINDS: tuple[str, ...] = (
    "house", "sailboat", "tree", "flower", "vase", "cat", "bird", "fish", "balloon", "mushroom", "heart",
    "star", "apple", "cup", "car", "umbrella", "sun", "moon", "cloud", "butterfly", "kite", "rocket",
    "snowman", "duck", "cactus", "lamp", "book", "lighthouse", "rabbit", "teapot", "turtle", "whale",
)  # fmt: skip
SETTINGS: tuple[str, ...] = ("hills", "mountains", "sea", "meadow", "underwater", "table", "plain")
TIMES: tuple[str, ...] = ("day", "sunset", "night")
STYLES: tuple[str, ...] = ("flat", "ink", "watercolour")

ASPECT: dict[str, float] = {
    "house": 1.0, "sailboat": 0.95, "tree": 0.8, "flower": 0.62, "vase": 0.66, "cat": 0.8, "bird": 1.2,
    "fish": 1.5, "balloon": 0.6, "mushroom": 1.0, "heart": 1.08, "star": 1.05, "apple": 0.94, "cup": 1.15,
    "car": 1.85, "umbrella": 1.0, "sun": 1.0, "moon": 0.82, "cloud": 1.65, "butterfly": 1.2, "kite": 0.66,
    "rocket": 0.56, "snowman": 0.7, "duck": 1.12, "cactus": 0.74, "lamp": 0.72, "book": 0.8,
    "lighthouse": 0.5, "rabbit": 0.62, "teapot": 1.45, "turtle": 1.6, "whale": 1.6,
}  # fmt: skip
"""Width over height of each kind as it is drawn."""

AIRBORNE: frozenset[str] = frozenset({"balloon", "sun", "moon", "cloud", "butterfly", "kite", "star", "heart"})
"""Kinds that float in the sky wherever there is one, and never cast a shadow."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One named object, or `count` (1..3) alike ones side by side.

    x, y: centre of the whole row, size: height of one; all in units of the picture's side, y down.
    """

    kind: str
    colour: str
    x: float
    y: float
    size: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class Scene:
    """All that makes a picture; `things` stand from left to right, `seed` decides every small choice left.

    background: a colour name where the setting is plain or table, otherwise "".
    """

    setting: str
    time: str
    style: str
    background: str
    things: tuple[Thing, ...]
    seed: int


def pitch(thing: Thing) -> float:
    """Distance between the centres of neighbours in a row, in units of the picture's side."""
    aspect = ASPECT[thing.kind]
    return aspect * thing.size * (1.3 if aspect < 0.75 else 1.16 if aspect < 1.3 else 1.07)


def attributes(scene: Scene) -> dict[str, int]:
    """Class labels of a scene for the text tower's heads, things ordered from left to right.

    kind0/kind1 index KINDS (len(KINDS) = none), colour0/colour1 and background index COLOURS
    (len(COLOURS) = none), count0 is the count less one (0..2), place is 1 for two things, 0 for one.
    """
    things = sorted(scene.things, key=lambda thing: thing.x)
    first, second = things[0], things[1] if len(things) > 1 else None
    return {
        "kind0": KINDS.index(first.kind),
        "colour0": COLOURS.index(first.colour),
        "count0": first.count - 1,
        "kind1": KINDS.index(second.kind) if second else len(KINDS),
        "colour1": COLOURS.index(second.colour) if second else len(COLOURS),
        "setting": SETTINGS.index(scene.setting),
        "time": TIMES.index(scene.time),
        "style": STYLES.index(scene.style),
        "background": COLOURS.index(scene.background) if scene.background else len(COLOURS),
        "place": int(second is not None),
    }
