"""The saver: the one thread that turns finished pictures into files, while the engine makes the next one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

ROOM = 3  # pictures that may wait for the disk; then the engine waits too, so that memory has a bound


class Saver:
    """Does one save after the other in its own thread. A save never raises: see `Runner`.

    State, under the lock: `_waiting`, `_busy`, `_closing`.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._lock = threading.Condition()
        self._waiting: deque[Callable[[], None]] = deque()
        self._busy = self._closing = False
        self._thread: threading.Thread | None = None

    def put(self, save: Callable[[], None]) -> None:
        """Hand a save over. Returns at once while there is room, otherwise when there is."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="saver", daemon=True)
                self._thread.start()
            self._lock.wait_for(lambda: len(self._waiting) < self._room)
            self._waiting.append(save)
            self._lock.notify_all()

    def close(self, seconds: float) -> bool:
        """Finish every save, then end the thread. False if the disk did not answer in time (the thread is a daemon)."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        if self._thread is None or threading.current_thread() is self._thread:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: bool(self._waiting) or self._closing)
                if not self._waiting:
                    return
                save = self._waiting.popleft()
                self._lock.notify_all()
            save()
            del save  # it holds a picture
