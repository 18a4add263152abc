"""What the artist is told: messages kept until a window listens, and the three exception hooks that end here."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal

from PySide6.QtCore import QObject, Signal

from studio.core.errors import StudioError, in_words

Level = Literal["info", "warning", "error"]
HISTORY = 200
REPEAT_SECONDS = 5.0  # a paintEvent that raises does so at every frame: once is enough


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing said to the artist, in plain text. `action` is a button's words, `on_action` what it does; `other` and
    `on_other` are a second button. One that `stays` is not taken away by time."""

    level: Level
    headline: str
    hint: str = ""
    detail: str = ""
    action: str = ""
    on_action: Callable[[], None] | None = None
    other: str = ""
    on_other: Callable[[], None] | None = None
    stays: bool = False


class Messages(QObject):
    """Takes messages from any thread and tells them on the UI thread.

    Signals: `posted(Message)`.
    """

    posted = Signal(object)
    _arrived = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._history: deque[Message] = deque(maxlen=HISTORY)
        self._kept: list[Message] = []
        self._delivering = False
        self._last: tuple[Message | None, float] = (None, 0.0)
        self._hooks: _Hooks | None = None
        self._arrived.connect(self._take)  # automatic: at once on the UI thread, queued from any other

    def info(self, text: str, hint: str = "", action: str = "", on_action: Callable[[], None] | None = None) -> None:
        """Say something that needs no answer."""
        self.post(Message(level="info", headline=text, hint=hint, action=action, on_action=on_action))

    def warn(self, text: str, hint: str = "", action: str = "", on_action: Callable[[], None] | None = None) -> None:
        """Say something the artist should know before going on."""
        self.post(Message(level="warning", headline=text, hint=hint, action=action, on_action=on_action))

    def error(self, error: StudioError, action: str = "", on_action: Callable[[], None] | None = None) -> None:
        """Say what did not work, what to do, and keep the details for copying."""
        self.post(
            Message(
                level="error",
                headline=error.headline,
                hint=error.hint,
                detail=error.detail,
                action=action,
                on_action=on_action,
            )
        )

    def post(self, message: Message) -> None:
        """Tell a message. Any thread."""
        # The Qt side may be gone while the program ends; then the exception hooks still print to stderr.
        with contextlib.suppress(RuntimeError):
            self._arrived.emit(message)

    def history(self) -> tuple[Message, ...]:
        """The last 200 messages, oldest first."""
        return tuple(self._history)

    def start_delivery(self) -> None:
        """A window listens now: tell what was kept, and from here on everything at once."""
        self._delivering = True
        kept, self._kept = self._kept, []
        for message in kept:
            self.posted.emit(message)

    def install_hooks(self) -> None:
        """Take sys.excepthook, threading.excepthook and sys.unraisablehook. The former ones are still called."""
        if self._hooks is None:
            self._hooks = _Hooks(self)

    def remove_hooks(self) -> None:
        """Give the hooks back."""
        if self._hooks is not None:
            self._hooks.give_back()
            self._hooks = None

    def _take(self, message: Message) -> None:
        last, when = self._last
        now = time.monotonic()
        if message == last and now - when < REPEAT_SECONDS:
            return
        self._last = (message, now)
        self._history.append(message)
        if self._delivering:
            self.posted.emit(message)
        else:
            self._kept.append(message)


class _Hooks:
    """The three hooks while they are ours. Guards against itself: an error while telling an error is only printed."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._telling = threading.local()
        self._before = (sys.excepthook, threading.excepthook, sys.unraisablehook)
        self._ours = (self._on_exception, self._on_thread_exception, self._on_unraisable)
        sys.excepthook, threading.excepthook, sys.unraisablehook = self._ours

    def give_back(self) -> None:
        """Restore each hook, unless somebody else has put theirs on top."""
        if sys.excepthook is self._ours[0]:
            sys.excepthook = self._before[0]
        if threading.excepthook is self._ours[1]:
            threading.excepthook = self._before[1]
        if sys.unraisablehook is self._ours[2]:
            sys.unraisablehook = self._before[2]

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self._before[0](kind, error, trace)
        if isinstance(error, Exception):  # KeyboardInterrupt and SystemExit are wishes, not errors
            self._tell(error.with_traceback(trace))

    def _on_thread_exception(self, told: threading.ExceptHookArgs) -> None:
        self._before[1](told)
        if isinstance(told.exc_value, Exception):
            self._tell(told.exc_value)

    def _on_unraisable(self, told: sys.UnraisableHookArgs) -> None:
        self._before[2](told)
        if isinstance(told.exc_value, Exception):
            self._tell(told.exc_value)

    def _tell(self, error: Exception) -> None:
        if getattr(self._telling, "now", False):
            return
        self._telling.now = True
        try:
            self._messages.error(in_words(error))
        except Exception:
            traceback.print_exc()
        finally:
            self._telling.now = False
