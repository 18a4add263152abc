"""The library's own folder while it is in use: known again when it comes back, never made a second time.

A stick is pulled out, a network drive goes, the folder is moved away: whatever were written then would begin a new and
empty library at that place, which hides the old one. So who makes a folder or a file below a root that is watched over
asks here first. Standard library only.
"""

from __future__ import annotations

import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path

from studio.core.errors import RootGone

TOKEN = "library.id"  # so that a stick is known again although the system gives its files other numbers
_TOKEN_MAX = 200
_GONE, _OTHER = "the library's folder is gone", "another folder lies where the library was"


class _Root:
    """One root. State, under the lock: who it is, None until it was first seen, and what its token says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._identity: tuple[int, int] | None = None
        self._token = ""
        self.returns = 0  # how often it came back with other numbers

    def check(self) -> bool:
        """Whether it is there, and the one that was first seen; False before there is one. Raises RootGone, OSError."""
        with self._lock:
            try:
                status = os.stat(self.path)
            except (FileNotFoundError, NotADirectoryError):
                if self._identity is None:
                    return False
                raise RootGone(self.path, _GONE) from None
            identity = (status.st_dev, status.st_ino)
            if self._identity is None:
                self._token = _token_in(self.path) or _new_token(self.path)
            elif identity != self._identity:
                if not self._token or _token_in(self.path) != self._token:
                    raise RootGone(self.path, _OTHER)
                self.returns += 1
            self._identity = identity
            return True


_roots: dict[Path, _Root] = {}


def watch_over(root: Path) -> None:
    """From now on this is the root of a library: as it is when something is first written to it. Reads no disk."""
    _roots[root] = _Root(root)


def check(path: Path) -> None:
    """Raise RootGone when `path` lies below a root that is not there any more, or is another folder than it was.

    Says nothing of a path that lies elsewhere, and of a root that never was there. May raise OSError.
    """
    root = _root_of(path)
    if root is not None:
        root.check()


def returns(root: Path) -> int:
    """How often a root was found to have come back on another device: what was open before leads nowhere now."""
    return _roots[root].returns if root in _roots else 0


def make_folders(folder: Path) -> None:
    """Create a folder with its parents, but a root only the first time. Raises RootGone, OSError."""
    root = _root_of(folder)
    if root is None:
        folder.mkdir(parents=True, exist_ok=True)
        return
    if not root.check():
        root.path.mkdir(parents=True, exist_ok=True)
        root.check()
    missing = []
    while folder != root.path and not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):  # one by one, so that a root that goes at this moment is not made either
        folder.mkdir(exist_ok=True)


def _root_of(path: Path) -> _Root | None:
    return next((_roots[above] for above in (path, *path.parents) if above in _roots), None)


def _token_in(root: Path) -> str:
    try:
        with (root / TOKEN).open("rb") as stream:
            return stream.read(_TOKEN_MAX).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _new_token(root: Path) -> str:
    token = secrets.token_hex(16)
    part = root / f"{TOKEN}.{secrets.token_hex(4)}.part"
    try:
        part.write_text(token + "\n", "ascii")
        os.replace(part, root / TOKEN)
    except OSError:  # it is known by its numbers alone
        with suppress(OSError):
            part.unlink()
        return ""
    return token
