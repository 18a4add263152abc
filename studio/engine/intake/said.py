"""What the artist said of weight files that nothing in them tells, by their digest: it outlives every cache and move."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path

from studio.core.safe_files import write_whole

Answers = tuple[tuple[str, str], ...]  # (question, answer), sorted by question
NAME = "model_answers.json"  # in the data folder
_BYTES_MAX = 4_000_000
_QUESTIONS = ("prediction", "zero_snr", "family")


class Said:
    """Thread-safe. `file` None: nothing is kept. Mutable state, guarded by `_lock`: `_known`, read at first use."""

    def __init__(self, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._file = file
        self._known: dict[str, Answers] | None = None

    def of(self, sha256: str) -> Answers:
        """What was said of the file of this digest."""
        with self._lock:
            return self._read().get(sha256, ())

    @property
    def anything(self) -> bool:
        """Whether anything was ever said."""
        with self._lock:
            return bool(self._read())

    def put(self, sha256: str, answers: Answers) -> None:
        """Remember it; what a full disk refuses is asked again."""
        if not sha256 or not answers:
            return
        with self._lock:
            known = self._read()
            if known.get(sha256) == answers:
                return
            known[sha256] = answers
            if self._file is not None:
                text = json.dumps({name: dict(said) for name, said in sorted(known.items())}, indent=1)
                with contextlib.suppress(OSError):
                    write_whole(self._file, text.encode())

    def _read(self) -> dict[str, Answers]:
        if self._known is None:
            self._known = {} if self._file is None else _load(self._file)
        return self._known


def _load(file: Path) -> dict[str, Answers]:
    """An absent or damaged file says nothing."""
    try:
        if file.stat().st_size > _BYTES_MAX:
            return {}
        table = json.loads(file.read_bytes())
        return {
            str(sha256): tuple(sorted((q, str(said[q])) for q in _QUESTIONS if q in said))
            for sha256, said in table.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
