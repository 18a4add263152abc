"""One start of the window, from the lock of the library to the last thread: who may write, how it ended last time."""

from __future__ import annotations

import contextlib
import signal
import sys
from functools import partial
from pathlib import Path

from PySide6.QtCore import QTimer

from studio.app import Studio, application, build
from studio.app.work import Opening
from studio.core.library_lock import LibraryLock
from studio.core.paths import Folders
from studio.core.safe_files import clear_parts
from studio.core.session import Before, Session
from studio.engine import Engine

JUST_STARTED_SECONDS = 20.0  # what a studio that has just been started is given until it listens
READY_AFTER_MS = 1000  # in safe mode, where no library is loaded that one could wait for


def run(data: Path, safe_mode: bool = False, engine: Engine | None = None) -> int:
    """Open the window and stay until it is closed; a library that is open already gets its window raised instead.

    `engine` replaces the real one in tests. Returns the exit status.
    """
    folders = Folders(root=data)
    lock = LibraryLock(folders.lock)
    holder = lock.take()
    app = application()
    if holder is not None:
        from studio.state.first_window import ANSWER_SECONDS, ask_first_window

        if ask_first_window(data, JUST_STARTED_SECONDS if holder.is_new else ANSWER_SECONDS):
            print("Diffusion Studio has this library open already; its window was raised.", file=sys.stderr)
            return 0
    session = Session(folders.session) if holder is None else None
    before = session.begin() if session is not None else Before()
    opening = Opening(safe_mode=safe_mode or before.safe_mode, before=before, session=session, holder=holder)
    studio = build(data, engine, opening=opening)
    try:
        if session is not None:
            _tell_when_ready(studio, session, opening.safe_mode)
        _let_signals_close(studio)
        if holder is None:
            studio.in_background(partial(clear_parts, data))
            _listen(studio, data)
        studio.window.show()
        return int(app.exec())
    finally:
        studio.close()
        if session is not None:
            session.end()
        lock.release()


def _tell_when_ready(studio: Studio, session: Session, safe_mode: bool) -> None:
    """Tell the session when the start has succeeded: the window answers, and what is loaded at the start is loaded."""
    if safe_mode:
        QTimer.singleShot(READY_AFTER_MS, studio.window, lambda: studio.in_background(session.ready))
    for loaded in (studio.queue.engine_ready, studio.queue.engine_failed):
        loaded.connect(lambda _: studio.in_background(session.ready))


def _listen(studio: Studio, data: Path) -> None:
    """Let a second start raise this window."""
    from studio.state.first_window import FirstWindow

    def listen() -> None:
        first = FirstWindow(data, studio.window)
        first.raise_wished.connect(studio.window.come_forward)

    QTimer.singleShot(0, studio.window, listen)  # the network library comes in after the first paint


def _let_signals_close(studio: Studio) -> None:
    """A logout or Ctrl+C ends the studio as closing its window does: what runs is kept for the next start."""
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            with contextlib.suppress(ValueError, OSError):
                signal.signal(getattr(signal, name), lambda *_: studio.window.close())
    beat = QTimer(studio.window)  # Python hears of signals only when its own code runs
    beat.start(500)
    beat.timeout.connect(lambda: None)
