"""Random scenes: which things make sense where, how large and how many; balanced over colours, kinds and places.
Knows the vocabulary and the shapes' proportions, nothing of pixels or words."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from studio.mini.drawings.palette import NAMED, backdrop
from studio.mini.drawings.scene import AIRBORNE, ASPECT, COLOURS, KINDS, SETTINGS, STYLES, TIMES, Scene, Thing, pitch

Two = tuple[str, str]
_LAND = {"house", "tree", "flower", "cat", "mushroom", "car", "umbrella", "snowman", "duck", "cactus", "rabbit",
         "rocket", "lighthouse", "bird", "turtle"}  # fmt: skip
_FLYING = {"balloon", "kite", "cloud", "sun", "moon", "star", "butterfly", "heart"}
_WHERE: dict[str, frozenset[str]] = {
    "hills": frozenset(_LAND | _FLYING),
    "mountains": frozenset((_LAND - {"flower", "mushroom", "snowman", "bird"}) | {"snowman"} | _FLYING - {"butterfly"}),
    "sea": frozenset({"sailboat", "duck", "whale"} | _FLYING - {"butterfly", "heart"}),
    "meadow": frozenset((_LAND - {"lighthouse"}) | _FLYING - {"moon"}),
    "underwater": frozenset({"fish", "whale", "turtle", "star"}),
    "table": frozenset({"vase", "cup", "apple", "book", "lamp", "teapot", "mushroom", "cactus", "flower", "cat", "duck",
                        "car", "rocket"}),
    "plain": frozenset(KINDS),
}  # fmt: skip
_SHARES = {"hills": 0.14, "mountains": 0.10, "sea": 0.15, "meadow": 0.13, "underwater": 0.08, "table": 0.16,
           "plain": 0.24}  # fmt: skip
_GROUND = {"hills": 0.86, "mountains": 0.87, "sea": 0.80, "meadow": 0.86, "table": 0.83}


@cache
def _chances(level: int) -> npt.NDArray[np.float64]:
    """(settings, kinds) joint probabilities: kinds uniform, settings near their shares (Sinkhorn's iteration)."""
    table = np.array([[float(kind in _WHERE[place]) for kind in KINDS] for place in SETTINGS])
    shares = np.array([_SHARES[place] for place in SETTINGS])
    if level == 0:
        shares = np.where(np.array(SETTINGS) == "mountains", 0.0, shares) + 0.25 * (np.array(SETTINGS) == "plain")
        table *= shares[:, None] > 0
    shares /= shares.sum()
    for _ in range(60):
        table *= (shares / np.maximum(table.sum(1), 1e-12))[:, None]
        table *= 1.0 / len(KINDS) / np.maximum(table.sum(0), 1e-12)
    return np.asarray(table / table.sum(), np.float64)


def is_airborne(kind: str, setting: str) -> bool:
    """Whether a kind floats (in the sky, in water, or freely on a plain ground) rather than stands."""
    if setting == "underwater":
        return True
    if setting == "plain":
        return kind in AIRBORNE or kind == "fish"
    return kind in AIRBORNE and setting != "table"


def _alike(kind_colour: str, background: str) -> bool:
    """Whether a thing of one colour would be lost on a ground of the other."""
    if kind_colour == background:
        return True
    gap = np.subtract(NAMED[kind_colour], backdrop(background))
    return bool(np.sqrt((gap**2).sum()) < 90.0)


def _background(rng: np.random.Generator, colours: list[str]) -> str:
    fit = [name for name in COLOURS if not any(_alike(colour, name) for colour in colours)]
    return str(rng.choice(fit))


def _single(rng: np.random.Generator, kind: str, colour: str, setting: str) -> Thing:
    wide = 0.74 if is_airborne(kind, setting) or setting in ("plain", "table") else 0.72
    size = min(float(rng.uniform(0.48, 0.68)), wide / ASPECT[kind])
    x = float(np.clip(0.5 + rng.uniform(-0.09, 0.09), ASPECT[kind] * size / 2 + 0.06, 0.94 - ASPECT[kind] * size / 2))
    return Thing(kind, colour, x, _height(rng, kind, size, setting), size)


def _height(rng: np.random.Generator, kind: str, size: float, setting: str) -> float:
    """The centre's y: standing on the setting's ground, or floating where there is room."""
    wobble = float(rng.uniform(-0.015, 0.015))
    if setting == "plain":
        return 0.5 + wobble
    if setting == "underwater":
        return 0.48 + 2 * wobble
    if is_airborne(kind, setting):
        return max(0.07 + size / 2, 0.38 if size > 0.4 else 0.33) + 2 * wobble
    return _GROUND[setting] + wobble - size / 2


def _row(rng: np.random.Generator, kind: str, colour: str, setting: str) -> Thing:
    """Two or three alike things side by side."""
    count = 3 if rng.random() < (0.52 if ASPECT[kind] < 1.3 else 0.3) else 2
    size = float(rng.uniform(0.31, 0.38) if count == 2 else rng.uniform(0.28, 0.34))
    one = Thing(kind, colour, 0.5, 0.5, size, count)
    size *= min(1.0, 0.95 / (pitch(one) * count))
    return Thing(kind, colour, 0.5, _height(rng, kind, size, setting), size, count)


def _pair(rng: np.random.Generator, kinds: Two, colours: Two, setting: str) -> tuple[Thing, ...]:
    """Two things, one on the left and one on the right, of one height where they can be."""
    size = float(rng.uniform(0.37, 0.46))
    things = []
    for kind, colour, centre in zip(kinds, colours, (0.27, 0.73), strict=True):
        own = min(size, 0.43 / ASPECT[kind])
        x = centre + float(rng.uniform(-0.015, 0.015))
        things.append(Thing(kind, colour, x, _height(rng, kind, own, setting), own))
    return tuple(things)


def _story(rng: np.random.Generator, kinds: Two, colours: Two, setting: str) -> tuple[Thing, ...]:
    """A thing on the ground to the left and one in the sky to the right, above it."""
    low, high = kinds
    own = min(float(rng.uniform(0.42, 0.52)), 0.52 / ASPECT[low])
    top = min(float(rng.uniform(0.30, 0.36)), 0.38 / ASPECT[high])
    x = 0.33 + float(rng.uniform(-0.02, 0.02))
    ground = Thing(low, colours[0], x, _height(rng, low, own, setting), own)
    right, down = 0.75 + float(rng.uniform(-0.02, 0.02)), 0.06 + top / 2 + float(rng.uniform(0, 0.05))
    return ground, Thing(high, colours[1], right, down, top)


def _partner(rng: np.random.Generator, setting: str, first: str, airborne: bool) -> str:
    """Another kind that goes with the first one in the setting, floating or standing as asked."""
    fit = [kind for kind in KINDS if kind in _WHERE[setting] and kind != first]
    same = [kind for kind in fit if setting == "plain" or is_airborne(kind, setting) == airborne]
    return str(rng.choice(same or fit))


def _two_colours(rng: np.random.Generator) -> Two:
    first, second = rng.choice(len(COLOURS), 2, replace=False)
    return COLOURS[first], COLOURS[second]


def _things(rng: np.random.Generator, setting: str, kind: str, plan: str) -> tuple[Thing, ...]:
    colours = _two_colours(rng)
    floats = is_airborne(kind, setting)
    if plan == "row":
        return (_row(rng, kind, colours[0], setting),)
    if plan == "pair":
        kinds = (kind, _partner(rng, setting, kind, floats))
        return _pair(rng, kinds if rng.random() < 0.5 else kinds[::-1], colours, setting)
    if plan == "story" and setting in ("hills", "mountains", "sea", "meadow"):
        other = _partner(rng, setting, kind, not floats)
        return _story(rng, (other, kind) if floats else (kind, other), colours, setting)
    return (_single(rng, kind, colours[0], setting),)


def random_scene(rng: np.random.Generator, level: int = 2) -> Scene:
    """A random scene; level 0: one large thing, 1: rows of two or three and left-right pairs too, 2: everything."""
    chances = _chances(min(level, 1))
    place, kind = divmod(int(rng.choice(chances.size, p=chances.ravel())), len(KINDS))
    setting = SETTINGS[place]
    shares = ((1.0, 0.0, 0.0, 0.0), (0.58, 0.22, 0.20, 0.0), (0.45, 0.20, 0.15, 0.20))[level]
    plan = str(rng.choice(("single", "pair", "row", "story"), p=shares))
    things = _things(rng, setting, KINDS[kind], plan)
    fixed = setting in ("plain", "table", "underwater")
    time = "day" if fixed else str(rng.choice(TIMES, p=(0.46, 0.27, 0.27)))
    background = _background(rng, [t.colour for t in things]) if setting in ("plain", "table") else ""
    style = str(rng.choice(STYLES, p=(0.5, 0.25, 0.25)))
    return Scene(setting, time, style, background, things, int(rng.integers(0, 2**31)))
