"""One drag by the window system itself: another program, a mouse, the XDND protocol. Runs where .ci/run gives it an X server."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QProcess
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from tests.journeys.conftest import Start, child

DESKTOP = """
import sys
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QDrag
from PySide6.QtWidgets import QApplication, QLabel

class File(QLabel):
    def mouseMoveEvent(self, event):
        drag, mime = QDrag(self), QMimeData()
        mime.setUrls([QUrl.fromLocalFile(sys.argv[1])])
        drag.setMimeData(mime)
        drag.exec(Qt.DropAction.CopyAction)

app = QApplication([])
file = File("sketch.png")
file.setWindowFlags(Qt.WindowType.FramelessWindowHint | Qt.WindowType.WindowStaysOnTopHint)
file.setGeometry(0, 0, 120, 60)
file.show()
print("ready", flush=True)
app.exec()
"""


@pytest.mark.window
def test_a_file_dragged_from_another_program_becomes_a_control_layer(start: Start, qtbot: QtBot, sketch: Path) -> None:
    if QGuiApplication.platformName() != "xcb" or shutil.which("xdotool") is None:
        pytest.skip("needs an X server and xdotool")
    studio = start()
    studio.window.setGeometry(140, 0, 1400, 900)
    panel = child(studio, "controlPanel")
    desktop = QProcess()
    desktop.start(sys.executable, ["-c", DESKTOP, str(sketch)])
    try:
        qtbot.waitUntil(lambda: b"ready" in desktop.readAllStandardOutput().data(), timeout=20_000)
        x, y = panel.mapToGlobal(panel.rect().center()).toTuple()
        moves = [(80, 40), (100, 45), (x - 60, y - 10), (x - 10, y), (x, y), (x + 2, y + 2)]
        script = "xdotool mousemove 60 30; sleep 0.3; xdotool mousedown 1; sleep 0.3; "
        script += "".join(f"xdotool mousemove {a} {b}; sleep 0.4; " for a, b in moves) + "xdotool mouseup 1"
        with subprocess.Popen(["sh", "-c", script]) as hand:
            qtbot.waitUntil(lambda: len(studio.draft.draft.controls) == 1, timeout=20_000)
            hand.wait(10)
    finally:
        desktop.kill()
        desktop.waitForFinished(5000)
    assert studio.draft.draft.controls[0].use.invert
