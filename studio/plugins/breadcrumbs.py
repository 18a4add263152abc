"""What was running when the studio died: written before a risky call into a plugin, taken away after it.

Each process has a file of its own and holds a lock on it; a file without a lock was left by one that died.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
import threading
from pathlib import Path

from studio.core.own_root import make_folders

if sys.platform != "win32":
    import fcntl

_BYTES_MAX = 64 * 1024


class Breadcrumbs:
    """The risky calls of this process, innermost last. Never raises: a full disk must not stop a picture. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        self._descriptor: int | None = None
        self._running: list[tuple[str, str]] = []
        self._lock = threading.Lock()

    def drop(self, id: str, hook: str) -> None:
        """A risky call begins."""
        with self._lock:
            self._running.append((id, hook))
            self._write()

    def take(self, id: str, hook: str) -> None:
        """It is over, however it ended."""
        with self._lock:
            if (id, hook) in self._running:
                self._running.remove((id, hook))
            self._write()

    def left(self) -> tuple[tuple[str, str], ...]:
        """(plugin id, hook) of calls during which an earlier process died."""
        found: list[tuple[str, str]] = []
        with contextlib.suppress(OSError):
            for file in sorted(self._folder.glob("*.json")):
                if file != self._file and not _is_held(file):
                    found += _read(file)
        return tuple(found)

    def sweep(self) -> None:
        """Take the files of dead processes away, once what they say is kept."""
        with contextlib.suppress(OSError):
            for file in self._folder.glob("*.json"):
                if file != self._file and not _is_held(file):
                    file.unlink(missing_ok=True)

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            if not self._running:
                self._close()
                return
            if self._descriptor is None:
                make_folders(self._folder)
                self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
                if sys.platform != "win32":
                    fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            data = json.dumps([list(call) for call in self._running]).encode()
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, data)
            os.truncate(self._descriptor, len(data))

    def _close(self) -> None:
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        if sys.platform != "win32":
            self._file.unlink(missing_ok=True)
        os.close(descriptor)
        if sys.platform == "win32":  # an open file cannot be removed there
            self._file.unlink(missing_ok=True)


def _is_held(file: Path) -> bool:
    """Whether the process that wrote a file still lives."""
    if sys.platform == "win32":  # a file that is open there cannot be renamed
        try:
            file.rename(file)
        except OSError:
            return True
        return False
    try:
        descriptor = os.open(file, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _read(file: Path) -> list[tuple[str, str]]:
    try:
        with file.open("rb") as stream:
            calls = json.loads(stream.read(_BYTES_MAX))
        return [(str(id), str(hook)) for id, hook in calls]
    except (OSError, ValueError, TypeError, RecursionError):
        return []
