"""The fence around every call into a plugin: what is raised inside becomes a sentence that names plugin and hook."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from types import TracebackType

from studio.core.errors import PluginProblem, StudioError, WrongAnswer
from studio.plugins.watch import GivenUp

DETAIL_MAX = 8000


class Fence:
    """A context manager for one call. `StudioError`, a cancel and a lack of memory pass; all else is the plugin's fault.

    `begin` and `end` are told around the call, `fault` what was raised; `fault` gives the problem to raise instead.
    `end` is told whether all was well, and says whether the artist gave the call up, which is a fault, too.
    """

    def __init__(
        self,
        begin: Callable[[], None],
        end: Callable[[bool], bool],
        fault: Callable[[BaseException], PluginProblem],
    ) -> None:
        self._begin, self._end, self._fault = begin, end, fault

    def __enter__(self) -> None:
        self._begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            given_up = self._end(error is None)
        except GivenUp:  # it arrived only now
            given_up = self._end(False) or True
        if given_up:
            error = GivenUp() if error is None else error
        if isinstance(error, WrongAnswer):
            self._fault(error)  # counted; the sentence is the engine's
        if error is None or passes(error):
            return
        problem = self._fault(error)
        traceback.clear_frames(error.__traceback__)  # they hold tensors, and the problem lives on in a message
        raise problem from None


def passes(error: BaseException) -> bool:
    """Whether an exception is none of the plugin's: words for the artist, a cancel, Ctrl+C, no memory.

    The engine's cancel is known by the module of its class, as this room may not import the engine.
    """
    if isinstance(error, StudioError | MemoryError):
        return True
    if isinstance(error, KeyboardInterrupt):  # only the main thread is ever really interrupted
        return threading.current_thread() is threading.main_thread()
    module, name = type(error).__module__, type(error).__name__
    return module.startswith("studio.engine") or (name == "OutOfMemoryError" and module.startswith("torch"))


def said_by(id: str, hook: str, error: BaseException) -> PluginProblem:
    """What a plugin raised, as a sentence."""
    failed = f"failed ({type(error).__name__}{_first_line(error)})"
    what = "tried to end the studio" if isinstance(error, SystemExit) else failed
    if isinstance(error, GivenUp):
        what = "was given up, as it did not answer,"
    return PluginProblem(
        f"The plugin {id} {what} in “{hook}”.",
        "Your work is kept. Try without it, or tell its author the details.",
        _trace(error),
    )


def _first_line(error: BaseException) -> str:
    try:
        text = str(error).strip().splitlines()[0][:160]
    except Exception:  # nothing said, or an exception that cannot even be printed
        return ""
    return f": {''.join(sign for sign in text if sign.isprintable())}"


def _trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))[-DETAIL_MAX:]
    except Exception:
        return type(error).__name__
