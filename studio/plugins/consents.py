"""What the artist allowed, pinned to digests: one JSON file outside every plugin's folder, whole or absent.

Format: {"version": 1, "plugins": {id: {"digest": hex, "state": ..., "problem": text, "probed": bool}}}.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from studio.core.errors import StorageProblem
from studio.core.own_root import make_folders
from studio.core.plugins import PluginState

_KEPT = (PluginState.ENABLED, PluginState.DISABLED, PluginState.FAULTY, PluginState.QUARANTINED)
FILE_BYTES_MAX = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """What stands about one plugin. `digest`: of the bytes that were allowed, "" for none; `probed`: its import
    survived in a throw-away process once."""

    digest: str
    state: PluginState
    problem: str = ""
    probed: bool = False


class Consents:
    """Reads at every question and writes atomically: command line and window may run side by side.

    A damaged file is no consent. Thread-safe.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()

    def all(self) -> dict[str, Consent]:
        """By plugin id."""
        with self._lock:
            return self._read()

    def put(self, id: str, consent: Consent | None) -> None:
        """Keep one, or forget it (None). Raises `StorageProblem` if the disk refuses."""
        with self._lock:
            known = self._read()
            known.pop(id, None)
            if consent is not None:
                known[id] = consent
            self._write(known)

    def _read(self) -> dict[str, Consent]:
        try:
            with self._file.open("rb") as stream:
                fields = json.loads(stream.read(FILE_BYTES_MAX))
            entries = fields["plugins"] if fields["version"] == 1 else {}
            return {str(id): _consent(entry) for id, entry in entries.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}

    def _write(self, known: dict[str, Consent]) -> None:
        text = json.dumps({"version": 1, "plugins": {id: asdict(known[id]) for id in sorted(known)}}, indent=1)
        try:
            write_whole(self._file, text.encode())
        except OSError as error:
            raise StorageProblem(
                "What you allowed could not be kept.", "Check that the disk has room; nothing was changed.", str(error)
            ) from error


def _consent(entry: Any) -> Consent:  # Any: what json gave
    state, digest = PluginState(entry["state"]), entry["digest"]
    if state not in _KEPT or not isinstance(digest, str):
        raise ValueError("not a consent")
    return Consent(digest=digest, state=state, problem=str(entry["problem"]), probed=entry["probed"] is True)


def write_whole(file: Path, data: bytes) -> None:
    """Replace a file so that it is the old or the new one, never half of it. Raises OSError."""
    make_folders(file.parent)
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, file)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
