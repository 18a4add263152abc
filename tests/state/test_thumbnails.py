"""Thumbnails and full pictures: off the UI thread, latest wish first, bounded memory, broken files told once."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from studio.core.errors import BadInputImage
from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.core.recipe import ImageRef, Recipe
from studio.state.background import Background
from studio.state.full_image import FullImage
from studio.state.images import image_of, png_of
from studio.state.input_images import InputImages
from studio.state.thumbnails import BATCH, BATCHES, WANTED_MAX, Thumbnails
from tests.state.fakes import picture_of

RED = Pixels(width=3, height=2, data=bytes([255, 0, 0]) * 6)
PICTURES = [picture_of(Recipe(prompt="", seed=i), i) for i in range(WANTED_MAX + 50)]


class Reader:
    """Reads thumbnails, and remembers which and where."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.threads: set[threading.Thread] = set()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, picture: Picture) -> Pixels:
        self.gate.wait(5)
        self.threads.add(threading.current_thread())
        self.read.append(picture.recipe.seed)
        if picture.recipe.seed == 13:
            raise BadInputImage("broken")
        return RED


def test_a_thumbnail_comes_once_and_stays(qtbot: QtBot, background: Background) -> None:
    reader = Reader()
    thumbnails = Thumbnails(reader, background)
    with qtbot.waitSignal(thumbnails.ready) as ready:
        assert thumbnails.image(PICTURES[1]) is None
        assert thumbnails.image(PICTURES[1]) is None
    assert ready.args == [PICTURES[1].id]
    image = thumbnails.image(PICTURES[1])
    assert image is not None
    assert image.size().toTuple() == (3, 2)
    assert image.pixelColor(2, 1).red() == 255
    assert reader.read == [1]
    assert threading.current_thread() not in reader.threads


def test_the_latest_wish_is_served_first_and_old_ones_are_forgotten(qtbot: QtBot, background: Background) -> None:
    reader = Reader()
    reader.gate.clear()
    thumbnails, ready = Thumbnails(reader, background), []
    thumbnails.ready.connect(ready.append)
    for picture in PICTURES:
        thumbnails.image(picture)
    reader.gate.set()
    qtbot.waitUntil(lambda: len(ready) == WANTED_MAX + 1)
    qtbot.wait(20)
    newest_first = list(reversed(range(len(PICTURES) - WANTED_MAX, len(PICTURES))))
    assert reader.read == [0, *newest_first]


def test_memory_is_bounded(qtbot: QtBot, background: Background) -> None:
    size = image_of(RED).sizeInBytes()
    reader = Reader()
    thumbnails, ready = Thumbnails(reader, background, cache_bytes=3 * size), []
    thumbnails.ready.connect(ready.append)
    for picture in PICTURES[:5]:
        thumbnails.image(picture)
        qtbot.waitUntil(lambda picture=picture: picture.id in ready)
    reader.gate.clear()
    assert [thumbnails.image(picture) is not None for picture in PICTURES[:5]] == [False, False, True, True, True]
    reader.gate.set()


def test_a_broken_picture_is_tried_once(qtbot: QtBot, background: Background) -> None:
    reader = Reader()
    thumbnails = Thumbnails(reader, background)
    with qtbot.waitSignal(thumbnails.ready):
        thumbnails.image(PICTURES[13])
    assert thumbnails.image(PICTURES[13]) is None
    assert thumbnails.is_broken(PICTURES[13].id)
    qtbot.wait(20)
    assert reader.read == [13]
    thumbnails.forget(PICTURES[13].id)
    assert not thumbnails.is_broken(PICTURES[13].id)


def test_encoded_thumbnails_are_decoded(qtbot: QtBot, background: Background, tmp_path: Path) -> None:
    file = tmp_path / "thumbnail.png"
    file.write_bytes(png_of(image_of(RED)))
    for source in (file, file.read_bytes()):
        thumbnails = Thumbnails(lambda _, source=source: source, background)
        with qtbot.waitSignal(thumbnails.ready):
            thumbnails.image(PICTURES[1])
        image = thumbnails.image(PICTURES[1])
        assert image is not None
        assert image.pixelColor(0, 0).red() == 255


def saved(folder: Path, number: int) -> Picture:
    file = folder / f"{number}.png"
    file.write_bytes(png_of(image_of(RED)))
    return replace(PICTURES[number], file=file)


def test_full_pictures_and_the_latest_wish(qtbot: QtBot, background: Background, tmp_path: Path) -> None:
    full, shown = FullImage(background), []
    full.ready.connect(lambda picture, image: shown.append((picture, image)))
    gate = threading.Event()
    background.run(lambda: gate.wait(5), lambda _: None)
    pictures = [saved(tmp_path, number) for number in range(5)]
    for picture in pictures:
        full.load(picture)
    gate.set()
    qtbot.waitUntil(lambda: len(shown) == 1)
    assert shown[0][0] == pictures[4]
    assert isinstance(shown[0][1], QImage)
    assert shown[0][1].width() == 3
    full.load(pictures[4])
    assert len(shown) == 2  # known: at once


def test_a_full_picture_that_is_gone(qtbot: QtBot, background: Background) -> None:
    full = FullImage(background)
    with qtbot.waitSignal(full.failed) as failed:
        full.load(PICTURES[0])
    assert failed.args[0] == PICTURES[0]
    assert isinstance(failed.args[1], BadInputImage)


def test_input_pictures(qtbot: QtBot, background: Background) -> None:
    data = png_of(image_of(RED))
    reads: list[ImageRef] = []

    def read(ref: ImageRef) -> bytes:
        reads.append(ref)
        if ref.digest == "missing":
            raise BadInputImage("The control picture is missing.")
        return data

    images, got = InputImages(read, background), []
    images.read(ImageRef(digest="a"), got.append)
    qtbot.waitUntil(lambda: len(got) == 1)
    images.read(ImageRef(digest="a"), got.append)
    assert len(got) == 2
    assert len(reads) == 1
    with qtbot.waitSignal(images.failed) as failed:
        images.read(ImageRef(digest="missing"), got.append)
    assert failed.args[1].headline == "The control picture is missing."
    assert len(got) == 2


@pytest.mark.parametrize(
    "data", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"/* XPM */", b"\x89PNG\r\n\x1a\nrest"]
)
def test_qt_is_given_nothing_but_our_own_formats(qtbot: QtBot, data: bytes, capfd: object) -> None:
    with pytest.raises(BadInputImage):
        image_of(data)


def test_an_empty_clipboard_picture_is_refused(qtbot: QtBot) -> None:
    with pytest.raises(BadInputImage):
        png_of(QImage())


def test_tiles_are_squares_with_round_corners(qtbot: QtBot, background: Background) -> None:
    thumbnails = Thumbnails(Reader(), background)
    with qtbot.waitSignal(thumbnails.ready):
        thumbnails.wish_tiles(PICTURES[1:2], 64, 2.0)
    tile = thumbnails.tile(PICTURES[1].id)
    assert tile is not None
    assert tile.size().toTuple() == (64, 64)
    assert tile.devicePixelRatio() == 2.0
    assert tile.pixelColor(0, 0).alpha() == 0
    assert tile.pixelColor(32, 32).red() == 255
    assert tile.format() == QImage.Format.Format_ARGB32_Premultiplied


def test_a_new_wish_for_tiles_replaces_the_old_one(qtbot: QtBot, background: Background) -> None:
    reader = Reader()
    reader.gate.clear()
    thumbnails, ready = Thumbnails(reader, background), []
    thumbnails.ready.connect(ready.append)
    for first in range(0, 200, 20):
        thumbnails.wish_tiles(PICTURES[first : first + 20], 64)
    reader.gate.set()
    qtbot.waitUntil(lambda: PICTURES[199].id in ready)
    begun = BATCH * BATCHES
    assert reader.read[begun:] == list(range(180, 200))  # in the order of reading, and nothing scrolled past


def test_tiles_are_made_once_and_again_for_another_size(qtbot: QtBot, background: Background) -> None:
    reader = Reader()
    thumbnails, ready = Thumbnails(reader, background), []
    thumbnails.ready.connect(ready.append)
    for _ in range(3):
        thumbnails.wish_tiles(PICTURES[:3], 64)
    qtbot.waitUntil(lambda: len(ready) == 3)
    thumbnails.wish_tiles(PICTURES[:3], 64)
    qtbot.wait(20)
    assert reader.read == [0, 1, 2]
    thumbnails.wish_tiles(PICTURES[:1], 80)
    old = thumbnails.tile(PICTURES[0].id)
    assert old is not None  # shown until the other one is there
    assert old.width() == 64
    qtbot.waitUntil(lambda: len(ready) == 4)
    new = thumbnails.tile(PICTURES[0].id)
    assert new is not None
    assert new.width() == 80


def test_a_broken_tile_is_tried_once(qtbot: QtBot, background: Background) -> None:
    reader = Reader()
    thumbnails, ready = Thumbnails(reader, background), []
    thumbnails.ready.connect(ready.append)
    thumbnails.wish_tiles(PICTURES[12:15], 64)
    qtbot.waitUntil(lambda: len(ready) == 3)
    assert thumbnails.is_broken(PICTURES[13].id)
    assert [thumbnails.tile(picture.id) is not None for picture in PICTURES[12:15]] == [True, False, True]
    thumbnails.wish_tiles(PICTURES[12:15], 64)
    qtbot.wait(20)
    assert reader.read == [12, 13, 14]


def test_tiles_are_bounded_too(qtbot: QtBot, background: Background) -> None:
    thumbnails, ready = Thumbnails(Reader(), background, cache_bytes=10 * 32 * 32 * 4), []
    thumbnails.ready.connect(ready.append)
    thumbnails.wish_tiles(PICTURES[20:60], 32)
    qtbot.waitUntil(lambda: len(ready) == 40)
    assert thumbnails.bytes_held == 10 * 32 * 32 * 4
    assert [thumbnails.tile(PICTURES[n].id) is not None for n in (20, 49, 50, 59)] == [False, False, True, True]
