"""SHA-256 of weight files, read in pieces so that it can be stopped at any moment."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

PIECE = 4 * 1024 * 1024


class Stopped(Exception):
    """The reading was stopped; carries nothing."""


def digest_file(file: Path, stop: Callable[[], bool] = lambda: False, told: Callable[[int], None] | None = None) -> str:
    """SHA-256 in hex. `told(bytes)` after each piece. Raises OSError, and `Stopped` once `stop()` says so."""
    return _digest(file, stop, told).hex()


def digest_folder(
    files: Sequence[Path], stop: Callable[[], bool] = lambda: False, told: Callable[[int], None] | None = None
) -> str:
    """SHA-256 over the digests of a folder's weight files, in the order of `weight_files`."""
    return hashlib.sha256(b"".join(_digest(file, stop, told) for file in files)).hexdigest()


def _digest(file: Path, stop: Callable[[], bool], told: Callable[[int], None] | None) -> bytes:
    total = hashlib.sha256()
    with file.open("rb", buffering=0) as stream:
        while piece := stream.read(PIECE):
            if stop():
                raise Stopped
            total.update(piece)
            if told is not None:
                told(len(piece))
    return total.digest()
