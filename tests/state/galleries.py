"""Galleries over a store in memory, for tests of their rows."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from PySide6.QtGui import QUndoStack
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.state.background import Background
from studio.state.gallery_model import GalleryModel
from studio.state.thumbnails import Thumbnails
from tests.state.fakes import MemoryStore

Make = Callable[..., GalleryModel]


def read_thumbnail(picture: Picture) -> Pixels:
    return Pixels(width=4, height=4, data=bytes([picture.recipe.seed % 256]) * 48)


@pytest.fixture
def stack(qtbot: QtBot) -> QUndoStack:
    return QUndoStack()


@pytest.fixture
def make(qtbot: QtBot, background: Background, stack: QUndoStack) -> Make:
    def build(store: MemoryStore, undo: bool = True) -> GalleryModel:
        thumbnails = Thumbnails(read_thumbnail, background)
        model = GalleryModel(store, background, thumbnails, stack if undo else None)
        fatal = QAbstractItemModelTester.FailureReportingMode.Fatal
        model.kept = (thumbnails, QAbstractItemModelTester(model, fatal))  # type: ignore[attr-defined]
        model.refresh()
        settle(qtbot, background)
        return model

    return build


def settle(qtbot: QtBot, background: Background) -> None:
    for _ in range(3):  # an answer may lead to another question
        background.wait()
        qtbot.wait(5)


def ids(model: GalleryModel) -> list[int]:
    """The rows by their keys: own keys are looked up in the pictures."""
    found = [model.picture(model.index(row)) for row in range(model.rowCount())]
    return [int(picture.id) if picture is not None else model.key(row) for row, picture in enumerate(found)]
