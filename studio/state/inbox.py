"""The border of the engine thread: events go in from any thread and come out on the UI thread, steps thinned."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from studio.core.events import Cancelled, EngineEvent, Failed, Finished, Stepped

STEP_SECONDS = 0.1  # the UI hears of steps, and sees previews, at most ten times a second


class EventInbox(QObject):
    """Every event arrives, in order - except steps, of which only the newest of each job does, and its last one.

    Signals: `arrived(tuple of EngineEvent)`.
    """

    arrived = Signal(object)
    _woken = Signal()

    def __init__(self, parent: QObject | None = None, step_seconds: float = STEP_SECONDS) -> None:
        super().__init__(parent)
        self._step_seconds = step_seconds
        self._lock = threading.Lock()
        self._events: deque[EngineEvent] = deque()  # these five are guarded by the lock
        self._steps: dict[int, Stepped] = {}  # the newest step of each job
        self._waking = False  # a wake-up is on its way to the UI thread
        self._timing = False  # the timer will fetch the steps
        self._closed = False
        self._last_steps = -step_seconds
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._on_timeout)
        self._woken.connect(self.take, Qt.ConnectionType.QueuedConnection)

    def post(self, event: EngineEvent) -> None:
        """Hand in an event. Any thread; returns at once and never raises."""
        with self._lock:
            if self._closed:
                return
            if isinstance(event, Stepped):
                self._steps[event.job_id] = event
            else:
                self._events.append(event)
            if self._waking or (self._timing and isinstance(event, Stepped)):
                return
            self._waking = True
        with contextlib.suppress(RuntimeError):  # the Qt side is gone: the program ends
            self._woken.emit()

    def take(self) -> None:
        """Tell now what has come in. UI thread."""
        now = time.monotonic()
        with self._lock:
            self._waking = False
            batch = self._pull(now)
            milliseconds = max(1, round((self._last_steps + self._step_seconds - now) * 1000))
            start = bool(self._steps) and not self._timing
            self._timing = self._timing or start
        if start:
            self._timer.start(milliseconds)
        if batch:
            self.arrived.emit(batch)

    def close(self) -> None:
        """Nothing arrives any more."""
        with self._lock:
            self._closed = True
            self._events.clear()
            self._steps.clear()
        self._timer.stop()

    def _on_timeout(self) -> None:
        with self._lock:
            self._timing = False
        self.take()

    def _pull(self, now: float) -> tuple[EngineEvent, ...]:
        """Events in order, a job's last step before its end, other steps if it is time for them. Under the lock."""
        batch: list[EngineEvent] = []
        while self._events:
            event = self._events.popleft()
            if isinstance(event, Finished | Failed | Cancelled) and event.job_id in self._steps:
                batch.append(self._steps.pop(event.job_id))
            batch.append(event)
        if self._steps and now - self._last_steps >= self._step_seconds:
            batch.extend(self._steps.values())
            self._steps.clear()
            self._last_steps = now
        return tuple(batch)
