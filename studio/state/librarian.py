"""Looks after the library beside the work: what the store put off when it opened, other folders, new pictures' looks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from PySide6.QtCore import QObject, QTimer, Signal

from studio.state.background import Background

if TYPE_CHECKING:
    from studio.core.errors import StudioError
    from studio.state.gallery_model import GalleryModel
    from studio.state.job_queue import JobQueue
    from studio.state.messages import Messages

T = TypeVar("T")
CHANGED_SECONDS = 2.0  # at most this often the rows are read anew while many pictures come in
WATCH_MS = 60_000


class Library(Protocol):
    """What this needs of the gallery; every method is called in a background thread."""

    @property
    def notices(self) -> tuple[str, ...]: ...
    def care(self, on_change: Callable[[], None], stopped: Callable[[], bool]) -> None: ...
    def look_at_new(self, stopped: Callable[[], bool]) -> int: ...
    def visit_folders(self, on_change: Callable[[], None], stopped: Callable[[], bool]) -> None: ...


class Librarian(QObject):
    """Owns no data; `_told` counts the notices that were passed on, `_stop` ends the work between two pictures.

    Signals:
        changed() - the history shows more, or less, than when it was last read.
        noticed(str) - a sentence about what was found or repaired.
    """

    changed = Signal()
    noticed = Signal(str)

    def __init__(self, library: Library, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._library, self._background = library, background
        self._stop = threading.Event()
        self._told = 0
        self._last_change = 0.0
        self._watch = QTimer(self)
        self._watch.setInterval(WATCH_MS)
        self._watch.timeout.connect(self._visit)

    def start(self, told: int) -> None:
        """Begin once the rows are shown, and only once; the first `told` notices are known already."""
        if self._watch.isActive():
            return
        self._told = told
        self._background.run(partial(self._library.care, self._on_change, self._stop.is_set), self._on_done)
        self._watch.start()

    def look(self, _picture: object = None) -> None:
        """Work out how a new picture looks, so that similar ones and colours find it."""
        self._background.run_latest("look", partial(self._library.look_at_new, self._stop.is_set), lambda _: None)

    def do(
        self,
        work: Callable[[Callable[[], None], Callable[[], bool]], T],
        done: Callable[[T], None],
        failed: Callable[[StudioError], None],
    ) -> None:
        """Have `work(on_change, stopped)` done beside the rest, then `done(result)` or `failed(error)`."""
        self._background.run(partial(work, self._on_change, self._stop.is_set), done, failed)

    def close(self) -> None:
        """Stop at the next picture; what is left is done after the next start."""
        self._watch.stop()
        self._stop.set()

    def _visit(self) -> None:
        work = partial(self._library.visit_folders, self._on_change, self._stop.is_set)
        self._background.run_latest("visit", work, self._on_done)

    def _on_change(self) -> None:
        """Called in the background thread; the signal is queued to the UI thread."""
        now = time.monotonic()
        if now - self._last_change >= CHANGED_SECONDS:
            self._last_change = now
            self.changed.emit()

    def _on_done(self, _nothing: object) -> None:
        notices = self._library.notices[self._told :]
        self._told += len(notices)
        for sentence in notices:
            self.noticed.emit(sentence)
        if self._last_change:
            self._last_change = 0.0
            self.changed.emit()


def make_librarian(
    library: Library, gallery: GalleryModel, queue: JobQueue, messages: Messages, background: Background
) -> Librarian:
    """A librarian whose signals reach the history and the messages of a window."""
    librarian = Librarian(library, background)
    librarian.changed.connect(gallery.refresh)
    librarian.noticed.connect(messages.warn)
    queue.picture_added.connect(librarian.look)
    return librarian
