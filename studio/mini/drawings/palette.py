"""The colours of Studio Mini's drawings: twelve named ones, how light and style change them, and a
thing's little set of paints. Knows no shapes."""

from __future__ import annotations

from dataclasses import dataclass

RGB = tuple[float, float, float]

WHITE: RGB = (255.0, 255.0, 255.0)
INK: RGB = (46.0, 40.0, 58.0)
PAPER: RGB = (252.0, 248.0, 238.0)

NAMED: dict[str, RGB] = {
    "red": (220, 46, 44),
    "orange": (248, 138, 24),
    "yellow": (253, 214, 44),
    "green": (56, 150, 60),
    "teal": (18, 172, 168),
    "blue": (40, 92, 210),
    "purple": (128, 62, 178),
    "pink": (248, 142, 182),
    "brown": (128, 78, 44),
    "black": (40, 38, 48),
    "white": (252, 250, 246),
    "gray": (146, 149, 156),
}


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """The colour `share` (0..1) of the way from a to b."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share)


def lit(colour: RGB, time: str) -> RGB:
    """A thing's colour under the light of the hour: warm at sunset, dimmed and cool at night."""
    if time == "sunset":
        return mix(colour, (255, 150, 84), 0.10)
    if time == "night":
        return mix((colour[0] * 0.87, colour[1] * 0.87, colour[2] * 0.89), (70, 88, 170), 0.08)
    return colour


def backdrop(name: str) -> RGB:
    """The colour of a plain ground or a wall: the named colour, a little softer than a thing's."""
    share = {"black": 0.10, "white": 0.0, "brown": 0.18, "gray": 0.2}.get(name, 0.22)
    return mix(NAMED[name], PAPER, share)


def styled(colour: RGB, style: str) -> RGB:
    """The pigment a style uses for a colour; dark colours are kept dark, so that black stays black."""
    if style == "flat":
        return colour
    lift = (0.26 if style == "ink" else 0.20) * (max(colour) / 255.0) ** 2
    return mix(colour, PAPER, lift)


@dataclass(frozen=True, slots=True)
class Paint:
    """The paints of one thing, already under the light of its scene."""

    name: str
    time: str
    base: RGB
    dark: RGB
    light: RGB
    trim: RGB
    ink: RGB
    eye: RGB
    beak: RGB
    wood: RGB
    leaf: RGB
    glass: RGB


def paint(name: str, time: str) -> Paint:
    """All paints of a thing of the named colour at the given hour."""
    base = NAMED[name]
    shadow = (74, 84, 150) if name == "white" else (44, 16, 76)
    pale = name in ("white", "yellow")
    trim: RGB = (168, 186, 216) if name == "white" else (255, 246, 226)
    beak: RGB = (206, 92, 40) if name in ("orange", "yellow", "red", "brown") else (250, 158, 44)
    wood: RGB = (168, 122, 84) if name in ("brown", "black") else (132, 92, 62)
    glass: RGB = (255, 224, 128) if time == "night" else (196, 230, 244)
    return Paint(
        name=name,
        time=time,
        base=lit(base, time),
        dark=lit(mix(base, shadow, 0.16 if pale else 0.24), time),
        light=lit(mix(base, WHITE, 0.2 if name == "black" else 0.36), time),
        trim=lit(trim, time),
        ink=lit(INK, time),
        eye=lit((255, 250, 236) if name in ("black", "brown", "purple", "blue") else INK, time),
        beak=lit(beak, time),
        wood=lit(wood, time),
        leaf=lit((46, 120, 60) if name in ("green", "teal") else (76, 150, 70), time),
        glass=glass,
    )
