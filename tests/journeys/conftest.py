"""The real window over a folder of its own; `start` opens the studio, as often as a journey wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from studio.app import Studio, build
from studio.engine import Engine
from studio.engine.fake import FakeEngine

Start = Callable[..., Studio]
MINI = Path(__file__).resolve().parents[2] / "resources" / "mini"


@pytest.fixture
def start(data: Path, qtbot: QtBot) -> Iterator[Start]:
    """Opens the studio over `data` (the same folder each time) and shows its window; the former one is closed."""
    open_now: list[Studio] = []

    def open_studio(engine: Engine | None = None, fake: bool = True) -> Studio:
        for studio in open_now:
            studio.close()
        open_now.clear()
        studio = build(data, engine or (FakeEngine() if fake else None))
        open_now.append(studio)
        studio.window.show()
        with qtbot.waitExposed(studio.window):
            pass
        studio.window.activateWindow()
        qtbot.waitUntil(studio.window.isActiveWindow)
        return studio

    yield open_studio
    for studio in open_now:
        studio.close()


@pytest.fixture
def sketch(tmp_path: Path) -> Path:
    """A pencil sketch of a house: black lines on white."""
    image = Image.new("RGB", (320, 300), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((90, 140, 230, 250), outline="black", width=4)
    draw.polygon([(80, 140), (160, 60), (240, 140)], outline="black", width=4)
    draw.line((0, 250, 320, 250), fill="black", width=4)
    file = tmp_path / "a sketch, with = and ü.png"
    image.save(file)
    return file


def child(studio: Studio, name: str) -> QWidget:
    """The widget with this objectName."""
    widget = studio.window.findChild(QWidget, name)
    assert widget is not None, name
    return widget


def type_into(studio: Studio, name: str, text: str) -> None:
    """Replace what stands in a field by typing."""
    widget = child(studio, name)
    widget.setFocus()
    QTest.keyClick(widget, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(widget, text)


def press(studio: Studio, name: str) -> None:
    """Click a button."""
    QTest.mouseClick(child(studio, name), Qt.MouseButton.LeftButton)


def drop_file(widget: QWidget, file: Path) -> bool:
    """Drag a file from the desktop onto the middle of a widget; False if it was not taken."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(file))])
    where = QPointF(widget.rect().center())
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(where.toPoint() or QPoint(), copy, mime, left, none)
    QApplication.sendEvent(widget, enter)
    if not enter.isAccepted():
        return False
    QApplication.sendEvent(widget, QDragMoveEvent(where.toPoint(), copy, mime, left, none))
    drop = QDropEvent(where, copy, mime, left, none)
    QApplication.sendEvent(widget, drop)
    return drop.isAccepted()


def generate(studio: Studio, qtbot: QtBot, seconds: float = 20) -> object:
    """Press Generate, wait for the picture, return it."""
    with qtbot.waitSignal(studio.queue.picture_added, timeout=int(seconds * 1000)) as added:
        press(studio, "generateButton")
    return added.args[0]
