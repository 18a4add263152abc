"""One named worker thread whose results arrive on the UI thread. Knows Qt's signals, not what the work is."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from studio.core.errors import StudioError, in_words

T = TypeVar("T")
CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Work:
    number: int
    key: str  # "" for work that is a promise
    call: Callable[[], Any]  # Any: what comes back is between the caller's `work` and `done`


@dataclass(frozen=True, slots=True)
class _Result:
    number: int
    value: Any
    error: StudioError | None


@dataclass(frozen=True, slots=True)
class _Answer:
    done: Callable[[Any], None]
    failed: Callable[[StudioError], None] | None


class Background(QObject):
    """Does work in one thread of its own, one piece after the other. All methods belong to the UI thread.

    Work given to `run` is a promise: `close` waits for it. Work given to `run_latest` may be dropped.
    A plain daemon thread rather than a ThreadPoolExecutor, whose threads Python joins at exit without a time limit.

    Signals: `failed(StudioError)` - work without a `failed` of its own did not succeed.
    """

    failed = Signal(object)
    _arrived = Signal(object)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._lock = threading.Condition()
        self._waiting: deque[_Work] = deque()  # these three are guarded by the lock
        self._busy = False
        self._closing = False
        self._thread: threading.Thread | None = None
        self._numbers = itertools.count(1)
        # Callbacks stay on the UI thread: a worker that held the last reference to a QObject would destroy it there.
        self._answers: dict[int, _Answer] = {}
        self._latest: dict[str, int] = {}
        self._arrived.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def run(
        self, work: Callable[[], T], done: Callable[[T], None], failed: Callable[[StudioError], None] | None = None
    ) -> None:
        """Call `work` in the thread, then `done(result)` or `failed(error)` on the UI thread."""
        self._put("", work, done, failed)

    def run_latest(
        self,
        key: str,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[StudioError], None] | None = None,
    ) -> None:
        """As `run`, but older work of the same key is dropped: waiting it never runs, running nobody hears of it."""
        self.drop(key)
        self._put(key, work, done, failed)

    def drop(self, key: str) -> None:
        """Forget the work of this key, and its result."""
        number = self._latest.pop(key, None)
        if number is None:
            return
        self._answers.pop(number, None)
        with self._lock:
            self._waiting = deque(work for work in self._waiting if work.number != number)

    def wait(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Block until nothing waits or runs. False if that took too long. Results still arrive by signal."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._waiting and not self._busy, seconds)

    def close(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Finish what was promised, drop the rest, end the thread. False if it did not end in time (it is a daemon)."""
        with self._lock:
            self._closing = True
            self._waiting = deque(work for work in self._waiting if not work.key)
            self._lock.notify_all()
        self._answers.clear()
        if self._thread is None:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _put(
        self,
        key: str,
        work: Callable[[], T],
        done: Callable[[T], None],
        failed: Callable[[StudioError], None] | None,
    ) -> None:
        number = next(self._numbers)
        with self._lock:
            if self._closing:
                return
            self._waiting.append(_Work(number, key, work))
            self._lock.notify_all()
        self._answers[number] = _Answer(done, failed)
        if key:
            self._latest[key] = number
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
            self._thread.start()

    def _deliver(self, result: _Result) -> None:
        answer = self._answers.pop(result.number, None)
        if answer is None:
            return
        if result.error is None:
            answer.done(result.value)
        elif answer.failed is not None:
            answer.failed(result.error)
        else:
            self.failed.emit(result.error)

    def _loop(self) -> None:
        while self._do_one():
            pass

    def _do_one(self) -> bool:
        with self._lock:
            self._busy = False
            self._lock.notify_all()
            self._lock.wait_for(lambda: bool(self._waiting or self._closing))
            if not self._waiting:
                return False
            work = self._waiting.popleft()
            self._busy = True
        try:
            self._tell(_Result(work.number, work.call(), None))
        except BaseException as error:  # also SystemExit and MemoryError out of foreign code: the thread must live
            self._tell(_Result(work.number, None, in_words(error)))
            error.__traceback__ = None  # its frames may hold pictures
        return True

    def _tell(self, result: _Result) -> None:
        try:
            self._arrived.emit(result)
        except RuntimeError:  # the Qt side is gone: the program ends, nobody is left to hear
            with self._lock:
                self._closing = True
