"""A line plot with logarithmic axes as a PNG, drawn with Pillow: one plot is no reason for a plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH_PX, HEIGHT_PX = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 76, 150, 44, 56
# Okabe & Ito's palette: told apart by colour-blind readers too; the markers differ as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
MARKERS = ("circle", "square", "triangle", "circle")


@dataclass(frozen=True, slots=True)
class Line:
    """A name and its points (x, y), both above zero, in the order of x."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values between `low` and `high` logarithmically to pixels between `start` and `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + part * (self.end - self.start)

    def ticks(self) -> list[float]:
        """1, 2 and 5 times the powers of ten that lie on the axis."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        values = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
        return [value for value in values if self.low <= value * 1.0001 and value <= self.high * 1.0001]


def draw_plot(lines: Sequence[Line], file: Path, title: str, across: str, up: str) -> Path:
    """Draws and writes the plot; returns `file`. Values that are not above zero are left out."""
    points = [point for line in lines for point in line.points if min(point) > 0]
    if not points:
        raise ValueError("nothing to plot")
    x = _axis([point[0] for point in points], LEFT, WIDTH_PX - RIGHT)
    y = _axis([point[1] for point in points], HEIGHT_PX - BOTTOM, TOP)
    picture = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), "white")
    pen = ImageDraw.Draw(picture)
    _draw_grid(pen, x, y)
    pen.text((LEFT, 14), title, fill="black", font=ImageFont.load_default(16))
    pen.text(((LEFT + WIDTH_PX - RIGHT) / 2, HEIGHT_PX - 14), across, fill="black", font=_font(), anchor="mm")
    pen.text((LEFT - 8, TOP - 14), up, fill="black", font=_font(), anchor="rm")
    for place, line in enumerate(lines):
        _draw_line(pen, line, place % len(COLOURS), x, y)
        _draw_name(pen, line.name, place)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)
    return file


def _axis(values: Sequence[float], start: float, end: float) -> Axis:
    low, high = min(values), max(values)
    margin = (high / low) ** 0.05 if high > low else 2.0
    return Axis(low / margin, high * margin, start, end)


def _draw_grid(pen: ImageDraw.ImageDraw, x: Axis, y: Axis) -> None:
    for value in x.ticks():
        pen.line((x(value), y.start, x(value), y.end), fill="#dddddd")
        pen.text((x(value), y.start + 8), f"{value:g}", fill="black", font=_font(), anchor="mt")
    for value in y.ticks():
        pen.line((x.start, y(value), x.end, y(value)), fill="#dddddd")
        pen.text((x.start - 8, y(value)), f"{value:g}", fill="black", font=_font(), anchor="rm")
    pen.rectangle((x.start, y.end, x.end, y.start), outline="#555555")


def _draw_line(pen: ImageDraw.ImageDraw, line: Line, place: int, x: Axis, y: Axis) -> None:
    pixels = [(x(across), y(up)) for across, up in line.points if min(across, up) > 0]
    pen.line(pixels, fill=COLOURS[place], width=2)
    for pixel in pixels:
        _draw_marker(pen, pixel, place)


def _draw_marker(pen: ImageDraw.ImageDraw, pixel: tuple[float, float], place: int) -> None:
    across, down = pixel
    box = (across - 4, down - 4, across + 4, down + 4)
    if MARKERS[place] == "square":
        pen.rectangle(box, fill=COLOURS[place])
    elif MARKERS[place] == "triangle":
        pen.polygon([(across - 5, down + 4), (across + 5, down + 4), (across, down - 5)], fill=COLOURS[place])
    else:
        pen.ellipse(box, fill=COLOURS[place])


def _draw_name(pen: ImageDraw.ImageDraw, name: str, place: int) -> None:
    down = TOP + 14 + 22 * place
    _draw_marker(pen, (WIDTH_PX - RIGHT + 22, down), place % len(COLOURS))
    pen.text((WIDTH_PX - RIGHT + 36, down), name, fill="black", font=_font(), anchor="lm")


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(13)
