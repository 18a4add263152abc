"""Sheets: many pictures on one sheet of paper, with labels (a plot) or captions (a contact sheet). Draws; saves nothing."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from studio.core.pixels import Pixels
from studio.gallery.durable import read_regular
from studio.gallery.lettering import Color, Lettering

PIXELS_MAX = 40_000_000  # above that cells are made smaller
SIDE_MAX = 16_000
PAPER, INK, MUTED, EMPTY, TROUBLE = (255, 255, 255), (24, 24, 28), (112, 112, 122), (241, 241, 244), (166, 44, 44)
_FILE_MAX = 256_000_000
_SHAPE = 1.5  # width / height that several parts are arranged towards
_COLUMN_LINES, _TITLE_LINES, _CAPTION_LINES, _ROW_SHARE = 3, 2, 3, 0.9

OnTile = Callable[[int], bool]  # told how many tiles are drawn; False stops


class SheetStopped(Exception):
    """The sheet was not wanted any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One place of a sheet. `file` None: nothing is there, and `problem` says why."""

    file: Path | None
    caption: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One block of tiles, row by row; several parts stand side by side, each under its title."""

    tiles: tuple[Tile, ...]
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What is drawn. `cell` is the room of one tile in pixels; `columns` and `rows` are labels, "" where there is none.

    Every part has len(columns) * len(rows) places; those behind its last tile stay empty.
    """

    cell: tuple[int, int]
    parts: tuple[Part, ...]
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    column_title: str = ""
    row_title: str = ""
    title: str = ""
    facts: str = ""


FORMATS = ("PNG", "JPEG", "WEBP")  # those of pictures that come from other programs


def draw_sheet(sheet: Sheet, on_tile: OnTile = lambda _: True) -> Pixels:
    """The sheet as pixels: dark letters on white, pictures unscaled unless the sheet became larger than 40 megapixels.

    A file that cannot be read is drawn as a place with a sentence. Raises `SheetStopped` when `on_tile` says so.
    """
    layout = _fitted(sheet)
    image = Image.new("RGB", layout.size, PAPER)
    draw = ImageDraw.Draw(image)
    layout.draw_head(draw)
    done = 0
    for number, part in enumerate(sheet.parts):
        left, top = layout.part_at(number)
        layout.draw_labels(draw, part, left, top)
        for place, tile in enumerate(part.tiles):
            x, y = layout.cell_at(place)
            _draw_tile(image, draw, layout, tile, left + x, top + y)
            done += 1
            if not on_tile(done):
                raise SheetStopped
    return Pixels(width=image.width, height=image.height, data=image.tobytes())


def _fitted(sheet: Sheet) -> _Layout:
    width, height = sheet.cell
    for _ in range(40):
        layout = _Layout(sheet, (width, height))
        if layout.size[0] * layout.size[1] <= PIXELS_MAX and max(layout.size) <= SIDE_MAX:
            break
        width, height = max(8, round(width * 0.9)), max(8, round(height * 0.9))
    return layout


class _Layout:
    """Where everything stands, for one size of cell. All in pixels."""

    def __init__(self, sheet: Sheet, cell: tuple[int, int]) -> None:
        self.sheet, self.cell = sheet, cell
        px = min(44, max(13, round(min(cell) / 15)))
        self.label, self.small = Lettering(px, "Medium"), Lettering(max(12, round(px * 0.85)))
        self.title = Lettering(round(px * 1.4), "SemiBold")
        self.gap, self.margin = max(4, px // 3), round(px * 1.8)
        if any(tile.caption for part in sheet.parts for tile in part.tiles):
            self.gap *= 3  # so that two captions do not read as one line
        self._measure_labels()
        self._measure_part()
        self._arrange()

    def _measure_labels(self) -> None:
        sheet, (width, height) = self.sheet, self.cell
        self.column_lines = [self.label.wrap(text, width, _COLUMN_LINES) for text in sheet.columns]
        room = width * _ROW_SHARE
        lines_max = max(1, height // self.label.line)
        self.row_lines = [self.label.wrap(text, room, lines_max) for text in sheet.rows]
        self.row_title_lines = self.small.wrap(sheet.row_title, room, 2)
        widths = [self.label.width(line) for lines in self.row_lines for line in lines]
        widths += [self.small.width(line) for line in self.row_title_lines]
        self.side = round(max(widths, default=0))
        self.side += 2 * self.gap if self.side else 0
        tallest = max((len(lines) for lines in self.column_lines), default=0)
        self.over = tallest * self.label.line
        if sheet.column_title or self.row_title_lines:
            self.over += max(1, len(self.row_title_lines)) * self.small.line
        self.over += self.gap if self.over else 0
        captions = [self.small.wrap(t.caption, width, _CAPTION_LINES) for part in sheet.parts for t in part.tiles]
        self.captions = max((len(lines) for lines in captions), default=0)
        self.under = self.captions * self.small.line + (self.gap if self.captions else 0)

    def _measure_part(self) -> None:
        columns, rows = len(self.sheet.columns), len(self.sheet.rows)
        width, height = self.cell
        self.part_title = self.title.line + self.gap if any(part.title for part in self.sheet.parts) else 0
        self.part = (
            self.side + columns * width + (columns - 1) * self.gap,
            self.part_title + self.over + rows * (height + self.under) + (rows - 1) * self.gap,
        )

    def _arrange(self) -> None:
        between = self.margin
        count = len(self.sheet.parts)

        def size_with(across: int) -> tuple[int, int]:
            down = math.ceil(count / across)
            return (
                across * self.part[0] + (across - 1) * between,
                down * self.part[1] + (down - 1) * between,
            )

        shapes = {across: size_with(across) for across in range(1, count + 1)}
        self.across = min(shapes, key=lambda n: abs(math.log(shapes[n][0] / shapes[n][1] / _SHAPE)))
        width, height = shapes[self.across]
        self.head_lines = self.title.wrap(self.sheet.title, width, _TITLE_LINES)
        self.fact_lines = self.small.wrap(self.sheet.facts, width, _TITLE_LINES)
        self.head = len(self.head_lines) * self.title.line + len(self.fact_lines) * self.small.line
        self.head += self.margin if self.head else 0
        self.size = (width + 2 * self.margin, height + self.head + 2 * self.margin)

    def part_at(self, number: int) -> tuple[int, int]:
        """The upper left corner of a part."""
        row, column = divmod(number, self.across)
        x = self.margin + column * (self.part[0] + self.margin)
        return x, self.margin + self.head + row * (self.part[1] + self.margin)

    def cell_at(self, place: int) -> tuple[int, int]:
        """The upper left corner of a cell within its part."""
        row, column = divmod(place, len(self.sheet.columns))
        width, height = self.cell
        x = self.side + column * (width + self.gap)
        return x, self.part_title + self.over + row * (height + self.under + self.gap)

    def draw_head(self, draw: ImageDraw.ImageDraw) -> None:
        y = self.margin
        for line in self.head_lines:
            self.title.draw(draw, self.margin, y, line, INK)
            y += self.title.line
        for line in self.fact_lines:
            self.small.draw(draw, self.margin, y, line, MUTED)
            y += self.small.line

    def draw_labels(self, draw: ImageDraw.ImageDraw, part: Part, left: int, top: int) -> None:
        """The title of a part, its axes' titles, and the labels of its columns and rows."""
        if part.title:
            heading = self.title.wrap(part.title, self.part[0] - self.side, 1)
            self.title.draw(draw, left + self.side, top, heading[0] if heading else "", INK)
        over = top + self.part_title
        first = over + self.over - self.gap  # labels stand on the pictures: measured from below
        for column, label in enumerate(self.column_lines):
            x = left + self.cell_at(column)[0]
            self._centred(draw, label, x, first - len(label) * self.label.line)
        if self.sheet.column_title:
            title = self.small.wrap(self.sheet.column_title, self.part[0] - self.side, 1)[0]
            self.small.draw(draw, left + self.side, over, title, MUTED)
        for line, y in self._lines_down(self.row_title_lines, over, self.small.line):
            self.small.draw(draw, left + self._right(self.small, line), y, line, MUTED)
        for row, lines in enumerate(self.row_lines):
            y = top + self.cell_at(row * len(self.sheet.columns))[1]
            middle = y + (self.cell[1] - len(lines) * self.label.line) // 2
            for line, at in self._lines_down(lines, middle, self.label.line):
                self.label.draw(draw, left + self._right(self.label, line), at, line, INK)

    def _right(self, letters: Lettering, line: str) -> float:
        return self.side - 2 * self.gap - letters.width(line)

    def _centred(self, draw: ImageDraw.ImageDraw, lines: tuple[str, ...], x: int, y: int) -> None:
        for line, at in self._lines_down(lines, y, self.label.line):
            self.label.draw(draw, x + (self.cell[0] - self.label.width(line)) / 2, at, line, INK)

    @staticmethod
    def _lines_down(lines: tuple[str, ...], y: int, height: int) -> list[tuple[str, int]]:
        return [(line, y + i * height) for i, line in enumerate(lines)]


def _draw_tile(image: Image.Image, draw: ImageDraw.ImageDraw, layout: _Layout, tile: Tile, left: int, top: int) -> None:
    width, height = layout.cell
    problem = tile.problem
    picture = None
    if tile.file is not None:
        try:
            picture = _read(tile.file, layout.cell)
        except Exception:  # decoders raise anything on damaged bytes; the sheet is worth having without this one
            problem = "The picture cannot be read."
    if picture is not None:
        beside, above = width - picture.width, height - picture.height
        # in the middle of its place, but above its caption where it has one
        image.paste(picture, (left, top + above) if tile.caption else (left + beside // 2, top + above // 2))
    else:
        draw.rectangle((left, top, left + width - 1, top + height - 1), fill=EMPTY)
        _write_in(draw, layout.small, problem, (left, top, width, height), TROUBLE if problem else MUTED)
    y = top + height + layout.gap // 3
    for line in layout.small.wrap(tile.caption, width, _CAPTION_LINES):
        layout.small.draw(draw, left, y, line, INK)
        y += layout.small.line


def _write_in(
    draw: ImageDraw.ImageDraw, letters: Lettering, text: str, box: tuple[int, int, int, int], fill: Color
) -> None:
    left, top, width, height = box
    inset = letters.px
    room = width - 2 * inset
    if room < 3 * letters.px:
        return
    lines = letters.wrap(text, room, max(1, (height - 2 * inset) // letters.line))
    y = top + (height - len(lines) * letters.line) / 2
    for line in lines:
        letters.draw(draw, left + (width - letters.width(line)) / 2, y, line, fill)
        y += letters.line


def _read(file: Path, room: tuple[int, int]) -> Image.Image:
    with Image.open(io.BytesIO(read_regular(file, _FILE_MAX)), formats=FORMATS) as opened:
        picture = opened.convert("RGB")
    if picture.width > room[0] or picture.height > room[1]:
        picture.thumbnail(room, Image.Resampling.LANCZOS)
    return picture
