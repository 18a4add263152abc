"""A whole studio over the fake engine, shown offscreen, for tests through real widgets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QDragEnterEvent, QDropEvent, QImage, QPainter, QPen
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from studio.app import Studio, build
from studio.engine.fake import FakeEngine
from studio.ui.main_window import MainWindow

MakeStudio = Callable[..., Studio]


@pytest.fixture(autouse=True)
def light_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    """controlnet-aux brings torch with it, seconds that these tests need not wait for; tests/engine looks at real edges."""
    monkeypatch.setattr("studio.engine.control_maps.edges", lambda array, _low, _high: array)


@pytest.fixture
def make_studio(qtbot: QtBot, data: Path) -> Iterator[MakeStudio]:
    """Builds studios, shows their windows and closes them; each lies in its own folder unless told otherwise."""
    made: list[Studio] = []

    def make(engine: FakeEngine | None = None, folder: Path | None = None) -> Studio:
        studio = build(folder or data / str(len(made)), engine=engine or FakeEngine())
        made.append(studio)
        studio.window.show()
        qtbot.waitUntil(lambda: studio.queue.engine is not None, timeout=5000)
        return studio

    yield make
    for studio in made:
        studio.close()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def studio(make_studio: MakeStudio) -> Studio:
    return make_studio()


@pytest.fixture
def window(studio: Studio) -> MainWindow:
    return studio.window


@pytest.fixture
def sketch(tmp_path: Path) -> Path:
    """A pencil sketch: a dark line on white."""
    file = tmp_path / "sketch.png"
    sketch_image().save(str(file))
    return file


def sketch_image() -> QImage:
    image = QImage(96, 64, QImage.Format.Format_RGB32)
    image.fill(QColor("white"))
    painter = QPainter(image)
    painter.setPen(QPen(QColor("black"), 3))
    painter.drawLine(10, 50, 80, 12)
    painter.end()
    return image


def file_mime(*files: Path) -> QMimeData:
    """What a file manager drags."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
    return mime


def drop(target: QWidget, mime: QMimeData) -> bool:
    """Drag `mime` over a widget and let it go; whether the widget took it."""
    middle = target.rect().center()
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(middle, Qt.DropAction.CopyAction, mime, buttons, keys)
    QApplication.sendEvent(target, enter)
    if not enter.isAccepted():
        return False
    event = QDropEvent(QPointF(middle), Qt.DropAction.CopyAction, mime, buttons, keys)
    QApplication.sendEvent(target, event)
    return event.isAccepted()


def paint(qtbot: QtBot, studio: Studio, prompt: str = "a house", seed: int = 7) -> None:
    """One picture through the button, waited for until it is shown."""
    studio.draft.set_prompt(prompt)
    studio.draft.set_seed(seed)
    count = studio.window.gallery.model().rowCount()
    qtbot.mouseClick(studio.window.prompt.generate, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: studio.window.gallery.model().rowCount() == count + 1, timeout=5000)
    centre = studio.window.centre  # what can be dragged out is the file, no longer a preview
    qtbot.waitUntil(lambda: centre.picture is not None and centre.view.drag_data is not None, timeout=5000)
