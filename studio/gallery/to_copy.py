"""Files that were given to be copied into the library, on disk until they are: a window may close in the middle.

One list a drop, written before the first file is copied. What a closed or killed studio left of it goes on at the next
start.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from studio.core.library import Brought
from studio.core.paths import Folders
from studio.core.safe_files import write_whole
from studio.gallery import brought
from studio.gallery.shelf import Shelf

LIST_MAX = 64_000_000
_WENT_ON = "What was to be copied into the history when the studio closed:"


def bring(shelf: Shelf, files: Iterable[Path], on_change: Callable[[], None], stopped: Callable[[], bool]) -> Brought:
    """As `brought.bring`; when it is stopped, the rest is kept for `go_on`. Raises StorageProblem."""
    shelf.check_writable()
    given = [Path(os.path.abspath(file)) for file in files]
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    kept = shelf.folders.to_copy / f"{stamp}-{secrets.token_hex(4)}.json"
    if given:
        with suppress(OSError):  # a disk that refuses even this refuses the copies too, and that is told
            _write(kept, given)
    return _bring(shelf, kept, given, on_change, stopped)


def go_on(shelf: Shelf, on_change: Callable[[], None], stopped: Callable[[], bool]) -> None:
    """Copy what was left, and say so by the shelf's notices. Raises StorageProblem, OSError."""
    for kept in _lists(shelf.folders):
        if stopped():
            return
        found = _bring(shelf, kept, _read(kept), on_change, stopped)
        trouble = str(found.trouble) if found.trouble is not None else ""
        if found.added or found.refused or trouble:
            shelf.notice(" ".join(filter(None, (_WENT_ON, found.sentence(), found.not_taken(), trouble))))


def _bring(
    shelf: Shelf, kept: Path, files: Iterable[Path], on_change: Callable[[], None], stopped: Callable[[], bool]
) -> Brought:
    rest, cut_off = deque(files), False
    try:
        found = brought.bring(shelf, _one_by_one(rest), on_change, stopped)
        cut_off = bool(rest) and found.trouble is None
    finally:
        with suppress(OSError):
            if cut_off:
                _write(kept, rest)
            else:
                kept.unlink(missing_ok=True)
    return found


def _one_by_one(rest: deque[Path]) -> Iterator[Path]:
    """Each of them; it is out of `rest` once the next is asked for."""
    while rest:
        yield rest[0]
        rest.popleft()


def _write(kept: Path, files: Iterable[Path]) -> None:
    write_whole(kept, json.dumps([str(file) for file in files]).encode("ascii"))


def _lists(folders: Folders) -> list[Path]:
    with suppress(OSError):
        return sorted(file for file in folders.to_copy.iterdir() if file.suffix == ".json")
    return []


def _read(kept: Path) -> list[Path]:
    with suppress(OSError, ValueError, RecursionError):
        if kept.stat().st_size <= LIST_MAX:
            files = json.loads(kept.read_bytes())
            if isinstance(files, list):
                return [Path(file) for file in files if isinstance(file, str) and "\x00" not in file]
    return []
