"""Contact sheets and the comparison of pixels."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from studio.core.export import Caption, ExportFormat, ExportWish, SheetWish
from studio.core.pixels import Pixels
from studio.core.verify import distance as slow_distance
from studio.gallery.contact import caption, export_sheet
from studio.gallery.pixel_compare import difference, distance, read_side
from studio.gallery.sheet import Part, Sheet, Tile, draw_sheet
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in


def files(tmp_path: Path, count: int) -> list[Path]:
    store = store_in(tmp_path / "data")
    return [store.add(noise(seed=n), recipe(f"house {n}", seed=n), MADE_WITH).file for n in range(count)]


@pytest.mark.parametrize("format", list(ExportFormat))
def test_a_contact_sheet_is_one_file_that_says_what_it_shows(tmp_path: Path, format: ExportFormat) -> None:
    seen: list[int] = []
    report = export_sheet(
        files(tmp_path, 5), SheetWish(columns=3, caption=Caption.SEED, title="Houses"), ExportWish(format=format),
        tmp_path / "out", lambda done, _: seen.append(done) is None,
    )  # fmt: skip
    assert report.files == (f"Houses.{format}",) and report.problems == () and seen == [1, 2, 3, 4, 5]
    with Image.open(tmp_path / "out" / report.files[0]) as image:
        assert image.width > 3 * 64 and image.height > 2 * 64
        exif = image.getexif().get_ifd(0x8769)
        words = image.info["Description"] if format is ExportFormat.PNG else exif[0x9286][8:].decode("utf-16-be")
    assert words.startswith("Houses\n5 pictures:\n1. 2") and "“house 4”, seed 4" in words


def test_without_recipe_it_says_nothing(tmp_path: Path) -> None:
    wish = ExportWish(with_recipe=False)
    report = export_sheet(files(tmp_path, 2), SheetWish(caption=Caption.NONE), wish, tmp_path / "out")
    assert report.files == ("Contact sheet.png",)
    with Image.open(tmp_path / "out" / report.files[0]) as image:
        assert "Description" not in image.info
    again = export_sheet(files(tmp_path, 2), SheetWish(), wish, tmp_path / "out")
    assert again.files == ("Contact sheet 2.png",)


def test_what_cannot_be_read_is_drawn_as_such_and_said(tmp_path: Path) -> None:
    good = files(tmp_path, 1)
    report = export_sheet([*good, tmp_path / "gone.png"], SheetWish(), ExportWish(), tmp_path / "out")
    assert len(report.files) == 1 and "gone.png" in report.problems[0]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_pictures_of_other_programs_are_drawn(tmp_path: Path, kind: str) -> None:
    theirs = tmp_path / f"theirs.{kind.lower()}"
    Image.new("RGB", (96, 64), "red").save(theirs, kind)
    report = export_sheet([theirs], SheetWish(caption=Caption.NONE), ExportWish(), tmp_path / "out")
    assert report.problems == ()
    with Image.open(tmp_path / "out" / report.files[0]) as image:
        red = [count for count, (r, g, b) in image.convert("RGB").getcolors(1 << 20) or [] if r > 200 and g + b < 60]
    assert sum(red) == 96 * 64, "unscaled, and all of it"


def test_it_can_be_stopped_and_leaves_nothing(tmp_path: Path) -> None:
    report = export_sheet(files(tmp_path, 3), SheetWish(), ExportWish(), tmp_path / "out", lambda done, _: done < 2)
    assert report.stopped and not (tmp_path / "out").exists()


def test_captions(tmp_path: Path) -> None:
    made = recipe("a cat like /home/alice/cat.png")
    said = {kind: caption(kind, 3, tmp_path / "x.png", made) for kind in Caption}
    assert said[Caption.NONE] == "" and said[Caption.NUMBER] == "3" and said[Caption.SEED] == "seed 7"
    assert said[Caption.PROMPT] == "a cat like cat.png" and said[Caption.FILE] == "x.png"
    assert said[Caption.SETTINGS] == "seed 7, DPM++ 2M Karras, 20 steps, guidance 5, mini"
    assert caption(Caption.PROMPT, 3, tmp_path / "x.png", None) == "x.png"


def test_the_distance_of_two_pictures_is_the_same_by_both_ways() -> None:
    first, second = noise(seed=1), noise(seed=2)
    data = bytearray(first.data)
    data[100] = (data[100] + 9) % 256
    near = Pixels(width=64, height=64, data=bytes(data))
    for other in (first, second, near):
        fast, slow = distance(first, other), slow_distance(first, other)
        assert fast is not None and slow is not None
        assert (fast.largest, fast.share) == (slow.largest, pytest.approx(slow.share))
        assert fast.psnr == slow.psnr or math.isclose(fast.psnr, slow.psnr)
    assert distance(first, noise(32)) is None and difference(first, noise(32)) is None


def test_the_difference_is_amplified_and_stays_in_range() -> None:
    first = Pixels(width=2, height=1, data=bytes((10, 20, 30, 200, 0, 7)))
    second = Pixels(width=2, height=1, data=bytes((13, 20, 20, 0, 0, 7)))
    plain, loud = difference(first, second), difference(first, second, gain=8)
    assert plain is not None and plain.data == bytes((3, 0, 10, 200, 0, 0))
    assert loud is not None and loud.data == bytes((24, 0, 80, 255, 0, 0))


def test_a_sheet_has_no_settings_to_compare(tmp_path: Path) -> None:
    store = store_in(tmp_path / "data")
    sheet = store.add(noise(), recipe(), replace(MADE_WITH, sheet="XY plot: Steps"))
    assert read_side(sheet.file)[1:] == (None, "A sheet drawn from other pictures.")


def test_pictures_stand_above_their_captions(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), (200, 30, 30)).save(tmp_path / "wide.png")
    part = Part(tiles=(Tile(file=tmp_path / "wide.png", caption="wide"),))
    pixels = draw_sheet(Sheet(cell=(80, 80), parts=(part,), columns=("",), rows=("",)))
    image = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)
    red = [n for n, pixel in enumerate(image.get_flattened_data()) if pixel == (200, 30, 30)]
    margin = min(n % image.width for n in red)
    assert margin < 40 and max(n // image.width for n in red) == margin + 79


def test_a_side_may_be_any_picture_file(tmp_path: Path) -> None:
    own = files(tmp_path, 1)[0]
    pixels, found, note = read_side(own)
    assert pixels == noise(seed=0) and found == recipe("house 0", seed=0) and note == ""
    Image.new("RGB", (8, 8)).save(tmp_path / "bare.png")
    assert read_side(tmp_path / "bare.png")[1] is None
    Image.new("L", (3000, 10), 90).save(tmp_path / "wide.jpg")
    assert "Scaled down" in read_side(tmp_path / "wide.jpg")[2]
