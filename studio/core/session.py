"""How the studio ended last time: a mark while it runs, a log for crashes in native code, and the place it had come to.

Marks and logs are held by a lock, so that one without a holder was left by a studio that died. Standard library only.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from studio.core.safe_files import hold, is_held

SAFE_AFTER = 2  # starts in a row that did not come as far as an open window
MARK_BYTES = 1024  # of one size, so that a mark is overwritten in place
LOG_MAX = 20_000
LAST_LOG = "last-crash.log"
_MARK, _LOG = ".mark", ".log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What the last studio left. `crashed`: it did not end by itself; `at`: what it was doing; `log`: its crash log.

    `failed_starts` counts the starts in a row that never came as far as `Session.ready`.
    """

    crashed: bool = False
    at: str = ""
    log: str = ""
    failed_starts: int = 0

    @property
    def safe_mode(self) -> bool:
        """Whether the next start should do without everything that can be left out."""
        return self.failed_starts >= SAFE_AFTER


NOTHING_BEFORE = Before()


class Session:
    """The mark of this studio in `folder`. Never raises: a folder that cannot be written costs the report, not the start.

    `watch`: let Python's faulthandler write the stacks of all threads into the log when native code crashes.
    """

    def __init__(self, folder: Path, watch: bool = True) -> None:
        self._folder, self._watch = folder, watch
        self._stem = f"{datetime.now(UTC).strftime('%Y%m%d-%H%M%S-%f')}-{secrets.token_hex(3)}"
        self._lock = threading.Lock()
        self._descriptor = -1
        self._log: BinaryIO | None = None
        self._failed_starts, self._ready, self._at = 0, False, ""
        self._started = datetime.now(UTC).isoformat(timespec="seconds")

    def begin(self) -> Before:
        """Read and clear away what dead studios left, then set our own mark."""
        before = Before()
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            before = self._read_left()
        self._failed_starts = before.failed_starts
        with contextlib.suppress(OSError):
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(self._file(_MARK), flags, 0o600)
            hold(self._descriptor)
            self._log = self._file(_LOG).open("xb")
            if self._watch:
                faulthandler.enable(self._log)
        self._write()
        return before

    def at(self, words: str) -> None:
        """What begins now, in a few words ("decoding with mini"); "" for nothing risky. Any thread."""
        with self._lock:
            self._at = words
        self._write()

    def ready(self) -> None:
        """The window is open and works: whatever happens now is not a failed start."""
        if not self._ready:
            self._ready = True
            self._write()

    def end(self) -> None:
        """The studio ends by itself. Safe to call twice."""
        if self._log is not None:
            if self._watch:
                faulthandler.disable()
            self._log.close()
            self._log = None
            with contextlib.suppress(OSError):
                self._file(_LOG).unlink()
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                self._file(_MARK).unlink()  # before it is let go, so that nobody finds it without a holder
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _file(self, ending: str) -> Path:
        return self._folder / f"{self._stem}{ending}"

    def _write(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._descriptor < 0:
                return
            mark = {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "started": self._started,
                "ready": self._ready,
                "failed_starts": self._failed_starts,
                "at": self._at[:200],
            }
            data = json.dumps(mark).encode()[:MARK_BYTES].ljust(MARK_BYTES)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, data)

    def _read_left(self) -> Before:
        """The newest mark without a holder counts; all of them go, the newest log with words in it is kept."""
        before, log = Before(), ""
        for mark in _left(self._folder):
            logs = mark.with_suffix(_LOG)
            before = _before(mark)
            log = _text(logs) or log
            if log and logs.exists() and logs.stat().st_size:
                os.replace(logs, self._folder / LAST_LOG)
            for file in (logs, mark):
                with contextlib.suppress(OSError):
                    file.unlink()
        return Before(crashed=before.crashed, at=before.at, log=log, failed_starts=before.failed_starts)


def _left(folder: Path) -> Iterator[Path]:
    for mark in sorted(folder.glob(f"*{_MARK}")):
        if not is_held(mark):
            yield mark


def _before(mark: Path) -> Before:
    try:
        with mark.open("rb") as stream:
            card = json.loads(stream.read(MARK_BYTES))
        failed = 0 if card["ready"] is True else int(card["failed_starts"]) + 1
        return Before(crashed=True, at=str(card["at"]), failed_starts=failed)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Before(crashed=True)  # killed between making the mark and writing it, or damaged


def _text(log: Path) -> str:
    """The log with the home folder shortened, "" for none."""
    try:
        with log.open("rb") as stream:
            text = stream.read(LOG_MAX).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    home = str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text
