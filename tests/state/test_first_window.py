"""Raising the window that is open: asked by a second process, by strangers, and where nobody listens."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from PySide6.QtNetwork import QLocalServer, QLocalSocket
from pytestqt.qtbot import QtBot

from studio.core.paths import PROJECT
from studio.state.first_window import FirstWindow, ask_first_window, socket_name

ASK = (
    "import sys; from pathlib import Path; from PySide6.QtCore import QCoreApplication;"
    "app = QCoreApplication([]); from studio.state.first_window import ask_first_window;"
    "sys.exit(0 if ask_first_window(Path(sys.argv[1]), 20) else 1)"
)


def test_a_second_process_is_heard_and_answered(qtbot: QtBot, data: Path) -> None:
    first = FirstWindow(data)
    assert first.listens
    asker = subprocess.Popen([sys.executable, "-c", ASK, str(data)], cwd=PROJECT)
    with qtbot.waitSignal(first.raise_wished, timeout=30_000):
        pass
    qtbot.waitUntil(lambda: asker.poll() is not None, timeout=10_000)
    assert asker.returncode == 0
    first.close()


def test_one_that_only_just_starts_is_waited_for(qtbot: QtBot, data: Path) -> None:
    asker = subprocess.Popen([sys.executable, "-c", ASK, str(data)], cwd=PROJECT)
    qtbot.wait(700)
    first = FirstWindow(data)
    qtbot.waitUntil(lambda: asker.poll() is not None, timeout=30_000)
    assert asker.returncode == 0
    first.close()


def test_nobody_listens(qtbot: QtBot, data: Path) -> None:
    began = time.monotonic()
    assert not ask_first_window(data, 0.2)
    assert time.monotonic() - began < 2


def test_one_that_hangs_is_not_waited_for(qtbot: QtBot, data: Path) -> None:
    server = QLocalServer()
    assert server.listen(socket_name(data))  # and nobody reads from it
    assert not ask_first_window(data, 0.2)
    server.close()


def test_the_socket_of_a_dead_studio_is_taken_over(qtbot: QtBot, data: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from PySide6.QtCore import QCoreApplication;"
        "app = QCoreApplication([]); from studio.state.first_window import FirstWindow;"
        "first = FirstWindow(Path(sys.argv[1])); assert first.listens; os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(data)], cwd=PROJECT, timeout=240)
    first = FirstWindow(data)
    assert first.listens
    first.close()


def test_a_stranger_with_other_words_is_shown_the_door(qtbot: QtBot, data: Path) -> None:
    first, raised = FirstWindow(data), []
    first.raise_wished.connect(lambda: raised.append(1))
    socket = QLocalSocket()
    socket.connectToServer(socket_name(data))
    qtbot.waitUntil(lambda: socket.state() == QLocalSocket.LocalSocketState.ConnectedState)
    socket.write(b"x" * 100_000 + b"\n")
    qtbot.waitUntil(lambda: socket.state() == QLocalSocket.LocalSocketState.UnconnectedState)
    assert raised == []
    first.close()


def test_each_library_has_its_own(tmp_path: Path) -> None:
    assert socket_name(tmp_path / "a") != socket_name(tmp_path / "b")
    assert socket_name(tmp_path / "a") == socket_name(tmp_path / "b" / ".." / "a")
    assert str(tmp_path) not in socket_name(tmp_path)
