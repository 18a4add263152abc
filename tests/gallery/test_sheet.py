"""Sheets: where pictures and labels stand, what is drawn for one that is not there, letters of both scripts."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from studio.core.pixels import Pixels
from studio.gallery.lettering import Lettering
from studio.gallery.sheet import EMPTY, PAPER, PIXELS_MAX, Part, Sheet, SheetStopped, Tile, draw_sheet

COLOURS = ((200, 30, 30), (30, 160, 30), (30, 30, 200), (200, 180, 20))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, ...]:
    made = []
    for number, colour in enumerate(COLOURS):
        made.append(tmp_path / f"{number}.png")
        Image.new("RGB", (64, 64), colour).save(made[-1])
    return tuple(made)


def image_of(pixels: Pixels) -> Image.Image:
    return Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)


def where(image: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """The box of all pixels of a colour."""
    mask = Image.new("1", image.size)
    mask.putdata([pixel == colour for pixel in image.get_flattened_data()])
    box = mask.getbbox()
    assert box is not None
    return box


def grid(tiles: tuple[Tile, ...], **more: object) -> Sheet:
    fields = {"cell": (64, 64), "parts": (Part(tiles=tiles),), "columns": ("5", "10"), "rows": ("2", "4")}
    return Sheet(**{**fields, **more})


def test_pictures_stand_in_rows_unscaled(files: tuple[Path, ...]) -> None:
    image = image_of(
        draw_sheet(grid(tuple(Tile(file=file) for file in files), column_title="Steps", row_title="Guidance"))
    )
    boxes = [where(image, colour) for colour in COLOURS]
    assert all((box[2] - box[0], box[3] - box[1]) == (64, 64) for box in boxes)
    assert boxes[0][1] == boxes[1][1] and boxes[0][2] < boxes[1][0]  # a row, from the left
    assert boxes[2][0] == boxes[0][0] and boxes[2][1] > boxes[0][3]  # below it the next
    assert image.getpixel((2, 2)) == PAPER


def test_labels_are_drawn_beside_the_pictures_and_never_over_them(files: tuple[Path, ...]) -> None:
    tiles = tuple(Tile(file=file) for file in files)
    bare, labelled = grid(tiles, columns=("", ""), rows=("", "")), grid(tiles, columns=("a long label " * 20, "x"))
    assert where(image_of(draw_sheet(bare)), COLOURS[0])[:2] < where(image_of(draw_sheet(labelled)), COLOURS[0])[:2]
    box = where(image_of(draw_sheet(labelled)), COLOURS[0])
    assert (box[2] - box[0], box[3] - box[1]) == (64, 64)


def test_what_is_not_there_is_drawn_as_such_with_its_sentence(files: tuple[Path, ...], tmp_path: Path) -> None:
    (tmp_path / "damaged.png").write_bytes(files[0].read_bytes()[:60])
    tiles = (
        Tile(file=files[0]), Tile(file=None, problem="No memory."), Tile(file=tmp_path / "damaged.png"),
        Tile(file=tmp_path / "gone.png"),
    )  # fmt: skip
    image = image_of(draw_sheet(grid(tiles, cell=(160, 160), columns=("", ""), rows=("", ""))))
    assert where(image, EMPTY)[2] - where(image, EMPTY)[0] > 300  # both columns
    red = [pixel for pixel in image.get_flattened_data() if pixel[0] > 140 and pixel[1] < 70 and pixel[2] < 70]
    assert len(red) > 64 * 64 + 100  # the first picture, and letters


def test_a_smaller_picture_stands_in_the_middle_of_its_place(files: tuple[Path, ...]) -> None:
    image = image_of(draw_sheet(grid((Tile(file=files[0]),), cell=(100, 100), columns=("",), rows=("",))))
    box = where(image, COLOURS[0])
    assert (box[2] - box[0], box[0] + box[2]) == (64, image.width)


def test_several_parts_stand_side_by_side(files: tuple[Path, ...]) -> None:
    parts = tuple(Part(tiles=(Tile(file=file),), title=f"Model {n}") for n, file in enumerate(files[:2]))
    sheet = Sheet(cell=(64, 64), parts=parts, columns=("",), rows=("",))
    image = image_of(draw_sheet(sheet))
    assert where(image, COLOURS[0])[1] == where(image, COLOURS[1])[1]


def test_a_sheet_never_becomes_larger_than_can_be_shown(files: tuple[Path, ...]) -> None:
    tiles = tuple(Tile(file=files[n % 4]) for n in range(64))
    sheet = Sheet(cell=(2048, 2048), parts=(Part(tiles=tiles),), columns=("",) * 8, rows=("",) * 8)
    pixels = draw_sheet(sheet)
    assert pixels.width * pixels.height <= PIXELS_MAX


def test_it_stops_when_it_is_not_wanted_any_more(files: tuple[Path, ...]) -> None:
    seen: list[int] = []

    def on_tile(done: int) -> bool:
        seen.append(done)
        return done < 2

    with pytest.raises(SheetStopped):
        draw_sheet(grid(tuple(Tile(file=file) for file in files)), on_tile)
    assert seen == [1, 2]


def test_text_is_wrapped_and_cut_to_its_width() -> None:
    letters = Lettering(16)
    lines = letters.wrap("a red house on green hills under a wide blue sky with two sheep", 120, 2)
    assert len(lines) == 2 and lines[1].endswith("…")
    assert all(letters.width(line) <= 120 for line in lines)
    assert letters.wrap("short", 120, 2) == ("short",)
    assert letters.wrap("", 120, 2) == ()
    assert letters.wrap("exactly two", letters.width("exactly"), 2) == ("exactly", "two")
    long_word = letters.wrap("x" * 90, 120, 3)
    assert len(long_word) == 3 and all(letters.width(line) <= 120 for line in long_word)


def test_chinese_breaks_anywhere_and_is_drawn_with_letters_it_has() -> None:
    letters = Lettering(16)
    lines = letters.wrap("一只橙色的猫在草地上，夜晚", 80, 4)
    assert len(lines) > 1 and "".join(lines) == "一只橙色的猫在草地上，夜晚"

    def drawn(text: str) -> bytes:
        from PIL import ImageDraw

        image = Image.new("RGB", (40, 40), PAPER)
        letters.draw(ImageDraw.Draw(image), 4, 4, text, (0, 0, 0))
        return image.tobytes()

    assert drawn("猫") != drawn("狗")  # not the box that stands for a missing letter
    assert drawn("a") != drawn("б")
    assert drawn("\u4dff") != drawn("猫")
