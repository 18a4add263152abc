"""Dropped, pasted and opened pictures: only files of this computer, work off the UI thread, errors in words."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from studio.core.errors import BadInputImage, BadRecipe
from studio.core.recipe import SEED_MAX, ImageRef, Recipe
from studio.state.background import Background
from studio.state.images import image_of
from studio.state.intake import Added, InputIntake, local_file

RECIPE = Recipe(prompt="a red house", seed=SEED_MAX)


class Workshop:
    """Plays the gallery's side of the door."""

    def __init__(self) -> None:
        self.got: list[bytes | Path] = []
        self.threads: set[threading.Thread] = set()

    def add(self, source: bytes | Path) -> Added:
        self.threads.add(threading.current_thread())
        self.got.append(source)
        if source == Path("/bad.png"):
            raise BadInputImage("This is not a picture.")
        return Added(ref=ImageRef(digest="a" * 64), invert=True, note="first frame")

    def recipe_of(self, path: Path) -> Recipe:
        if path.name != "ours.png":
            raise BadRecipe("There is no recipe in it.")
        return RECIPE


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def intake(qtbot: QtBot, background: Background, workshop: Workshop) -> InputIntake:
    return InputIntake(workshop.add, workshop.recipe_of, background)


def test_files_bytes_and_pasted_images(qtbot: QtBot, intake: InputIntake, workshop: Workshop) -> None:
    added: list[Added] = []
    intake.added.connect(added.append)
    image = QImage(5, 4, QImage.Format.Format_ARGB32)
    image.fill(0xFF00FF00)
    intake.add_file(Path("/a.png"))
    intake.add_bytes(b"encoded")
    intake.add_image(image)
    image.fill(0)  # whoever owns it may go on drawing
    intake.add_url(QUrl.fromLocalFile("/with space/ü#%.png"))
    qtbot.waitUntil(lambda: len(added) == 4)
    assert added[0] == Added(ref=ImageRef(digest="a" * 64), invert=True, note="first frame")
    assert workshop.got[:2] == [Path("/a.png"), b"encoded"]
    pasted = workshop.got[2]
    assert isinstance(pasted, bytes)
    assert image_of(pasted).pixelColor(4, 3).green() == 255
    assert workshop.got[3] == Path("/with space/ü#%.png")
    assert threading.current_thread() not in workshop.threads


def test_what_is_not_a_picture_is_refused_in_words(qtbot: QtBot, intake: InputIntake) -> None:
    with qtbot.waitSignal(intake.failed) as failed:
        intake.add_file(Path("/bad.png"))
    assert failed.args[0].headline == "This is not a picture."
    with qtbot.waitSignal(intake.failed) as failed:
        intake.add_image(QImage())
    assert isinstance(failed.args[0], BadInputImage)


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/x.png",
        "https://example.org/x.png",
        "ftp://example.org/x.png",
        "data:image/png;base64,AAAA",
        "file://server/share/x.png",
        "file:////server/share/x.png",
        "file://localhost//server/share/x.png",
        "file:///%5C%5Cserver/share/x.png",
        "file:///tmp/%00x.png",
        "file:",
        "smb://server/x.png",
        "x.png",
        "",
    ],
)
def test_only_files_of_this_computer(intake: InputIntake, workshop: Workshop, address: str) -> None:
    refused: list[BadInputImage] = []
    intake.failed.connect(refused.append)
    for use in (intake.add_url, intake.take_seed_url):
        use(QUrl(address))
    assert len(refused) == 2
    assert all(isinstance(error, BadInputImage) for error in refused)
    assert workshop.got == []


@pytest.mark.parametrize("address", ["file:///tmp/x.png", "FILE:///tmp/x.png", "file://localhost/tmp/x.png"])
def test_local_files_in_all_spellings(address: str) -> None:
    assert local_file(QUrl(address)) == Path("/tmp/x.png")


def test_the_seed_of_a_recipe_comes_whole(qtbot: QtBot, intake: InputIntake) -> None:
    with qtbot.waitSignal(intake.seed_found) as found:
        intake.take_seed(Path("/folder/ours.png"))
    assert found.args[0] == SEED_MAX
    with qtbot.waitSignal(intake.failed) as failed:
        intake.take_seed(Path("/folder/foreign.png"))
    assert failed.args[0].headline == "There is no recipe in it."
