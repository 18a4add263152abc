"""Calls into plugins that take long: told by name after ten seconds, and given up when the artist says so.

Nothing can end a thread that computes inside the process. Giving up raises an exception in it at the next line of
Python, which ends loops and waiting; a call that hangs in native code goes on until it comes back by itself.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

LIMIT_SECONDS = 10.0
_TICKS = 100  # looks at the clock in each limit

Tell = Callable[[str, str, float], None]  # plugin, hook, seconds since it was called; in the watch's own thread


class GivenUp(BaseException):
    """Raised inside a call that the artist does not wait for any more."""


@dataclass(slots=True, eq=False)
class Call:
    """One call under way."""

    id: str
    hook: str
    thread: int = field(default_factory=threading.get_ident)
    since: float = field(default_factory=time.monotonic)
    told: bool = False
    given_up: bool = False


class Watch:
    """All calls under way. Thread-safe; its own thread lives only while plugins are at work.

    State, guarded by the lock: `_calls`, `_watcher`, and `_patience`, how long a hook that was told before and came
    back may take until it is told again: twice as long as then, as it is slow rather than stuck.
    """

    def __init__(self, tell: Tell, limit_seconds: float = LIMIT_SECONDS) -> None:
        self._tell, self._limit = tell, limit_seconds
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._patience: dict[tuple[str, str], float] = {}
        self._watcher: threading.Thread | None = None

    def begin(self, id: str, hook: str) -> Call:
        """A call begins, in this thread."""
        call = Call(id, hook)
        with self._lock:
            self._calls.append(call)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._look, name="plugin watch", daemon=True)
                self._watcher.start()
        return call

    def end(self, call: Call) -> bool:
        """It is over, in the same thread. Whether it had been given up; no exception of that is on its way then."""
        with self._lock:
            if call in self._calls:
                self._calls.remove(call)
            if call.given_up:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(call.thread), None)
                self._patience.pop((call.id, call.hook), None)
            elif call.told:
                self._patience[call.id, call.hook] = 2 * (time.monotonic() - call.since)
        return call.given_up

    def give_up(self) -> tuple[tuple[str, str], ...]:
        """(plugin, hook) of every call that was told and is now asked to end; of nested ones the innermost."""
        found: dict[int, Call] = {}
        with self._lock:
            for call in self._calls:
                if call.told:
                    found[call.thread] = call
            for thread, call in found.items():
                call.given_up = True
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(GivenUp))
        return tuple((call.id, call.hook) for call in found.values())

    def stuck(self) -> tuple[tuple[str, str], ...]:
        """(plugin, hook) of every call that was given up and has not come back all the same."""
        with self._lock:
            return tuple((call.id, call.hook) for call in self._calls if call.given_up)

    def _look(self) -> None:
        idle = 0
        while True:
            time.sleep(self._limit / _TICKS)
            with self._lock:
                idle = 0 if self._calls else idle + 1
                if idle > 1:
                    self._watcher = None
                    return
                late = [call for call in self._calls if self._is_late(call)]
                for call in late:
                    call.told = True
            for call in late:
                self._tell(call.id, call.hook, time.monotonic() - call.since)

    def _is_late(self, call: Call) -> bool:
        patience = max(self._limit, self._patience.get((call.id, call.hook), 0.0))
        return not call.told and time.monotonic() - call.since >= patience
