"""The wish to have the model compiled: from the menu to the engine and to the disk, and back."""

from __future__ import annotations

import json
from pathlib import Path

from PySide6.QtGui import QAction
from pytestqt.qtbot import QtBot

from studio.engine.fake import FakeEngine
from tests.ui.conftest import MakeStudio


class _Compiling(FakeEngine):
    """Has the choice that the real engine has."""

    compile = "off"


def test_the_menu_reaches_engine_and_disk(make_studio: MakeStudio, qtbot: QtBot, data: Path) -> None:
    engine = _Compiling()
    studio = make_studio(engine)
    action = next(action for action in studio.window.findChildren(QAction) if "mpile the model" in action.text())
    assert not action.isChecked()
    action.trigger()
    assert engine.compile == "automatic"
    assert action.isChecked()
    file = data / "0" / "settings.json"
    qtbot.waitUntil(lambda: file.exists() and json.loads(file.read_text("utf-8")).get("compile") == "automatic")
    action.trigger()
    assert engine.compile == "off"
