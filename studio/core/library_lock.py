"""One studio per library: a lock that ends with the process, and the name of who holds it. Standard library only."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from studio.core.safe_files import hold

_PATIENCE_SECONDS = 0.3  # between taking the lock and having written one's name
_CARD_MAX = 4096
NEW_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has the library open: process id, machine, since when (UTC); 0 and "" where that is not known."""

    pid: int = 0
    host: str = ""
    since: str = ""

    @property
    def is_new(self) -> bool:
        """Whether it took the library within the last half minute: it may not answer yet."""
        try:
            age = datetime.now(UTC) - datetime.fromisoformat(self.since)
        except (ValueError, TypeError):
            return False
        return abs(age.total_seconds()) < NEW_SECONDS

    def __str__(self) -> str:
        where = f" on {self.host}" if self.host and self.host != socket.gethostname() else ""
        return f"process {self.pid}{where}" if self.pid else "another process"


class LibraryLock:
    """The lock of one library. A process that dies, however it dies, lets go of it."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor = -1

    def take(self) -> Holder | None:
        """None: it is ours until `release`. Otherwise who has it.

        A folder that cannot be written, and a file system without locks, let everybody in: there the store itself has
        to keep two writers apart, and does.
        """
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
            descriptor = os.open(self._file, flags, 0o600)
        except OSError:
            return None
        if not hold(descriptor):
            os.close(descriptor)
            return self._holder()
        self._descriptor = descriptor
        card = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, json.dumps(card).encode())
        return None

    def release(self) -> None:
        """Let others in. The file stays: removing it could take the lock of somebody else away."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
            os.close(descriptor)

    def _holder(self) -> Holder:
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                with self._file.open("rb") as stream:
                    card = json.loads(stream.read(_CARD_MAX))
                return Holder(pid=int(card["pid"]), host=str(card["host"]), since=str(card["since"]))
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                if time.monotonic() > until:
                    return Holder()
                time.sleep(0.02)
