"""A second start on the same library raises the window that is open. A socket of this user only; no network port."""

from __future__ import annotations

import getpass
import hashlib
import time
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

ANSWER_SECONDS = 5.0
RETRY_SECONDS = 0.1
_WISH, _ANSWER = b"raise\n", b"raised\n"


class FirstWindow(QObject):
    """Listens while this studio holds the lock of its library; so a socket of the same name was left by a dead one.

    Signals: `raise_wished()` - somebody started the studio once more.
    """

    raise_wished = Signal()

    def __init__(self, library: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._on_connection)
        name = socket_name(library)
        if not self._server.listen(name):
            QLocalServer.removeServer(name)
            self._server.listen(name)

    @property
    def listens(self) -> bool:
        """Whether it can be reached; if not, a second start opens read-only."""
        return self._server.isListening()

    def close(self) -> None:
        """Hear nothing more."""
        self._server.close()

    def _on_connection(self) -> None:
        while (socket := self._server.nextPendingConnection()) is not None:
            socket.readyRead.connect(lambda socket=socket: self._on_words(socket))
            socket.disconnected.connect(socket.deleteLater)
            if socket.bytesAvailable():
                self._on_words(socket)

    def _on_words(self, socket: QLocalSocket) -> None:
        if bytes(socket.readLine(len(_WISH) + 1).data()) != _WISH:
            socket.abort()
            return
        socket.write(_ANSWER)
        socket.flush()
        self.raise_wished.emit()


def ask_first_window(library: Path, seconds: float = ANSWER_SECONDS) -> bool:
    """Ask the studio that has this library open to come to the front. False if it does not answer in time.

    One that has just been started, by a double click perhaps, holds the library a moment before it listens.
    """
    until = time.monotonic() + seconds
    while True:
        socket = QLocalSocket()
        socket.connectToServer(socket_name(library))
        if socket.waitForConnected(_left(until)):
            break
        if time.monotonic() > until:
            return False
        time.sleep(RETRY_SECONDS)
    socket.write(_WISH)
    socket.flush()
    answered = socket.waitForReadyRead(_left(until)) and bytes(socket.readLine(64).data()) == _ANSWER
    socket.abort()
    return answered


def _left(until: float) -> int:
    """Milliseconds until then, at least 1."""
    return max(1, round((until - time.monotonic()) * 1000))


def socket_name(library: Path) -> str:
    """One name for each library and user; says nothing of the folder."""
    place = f"{getpass.getuser()}\n{library.resolve()}"
    return f"diffusion-studio-{hashlib.sha256(place.encode('utf-8', 'surrogateescape')).hexdigest()[:24]}"
