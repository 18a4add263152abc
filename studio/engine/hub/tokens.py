"""The artist's hub token: in the system's keyring where one is there, else in a file only they can read. Never logged."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from studio.core.own_root import make_folders

SERVICE, USER = "Diffusion Studio", "hub token"


class TokenSafe:
    """Keeps one token. `file` is used where there is no keyring. Works in any thread; may block."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> str:
        """The token, or ""."""
        ring = _keyring()
        if ring is not None:
            with contextlib.suppress(Exception):  # a locked or broken keyring is none
                kept = ring.get_password(SERVICE, USER)
                if kept:
                    return str(kept)
        try:
            return self._file.read_text("utf-8").strip()[:500]
        except (OSError, ValueError):
            return ""

    def keep(self, token: str) -> str:
        """Keep a token, or forget it if it is empty. Returns where it is now: "keyring", "file" or "". Raises OSError."""
        ring = _keyring()
        if not token:
            if ring is not None:
                with contextlib.suppress(Exception):
                    ring.delete_password(SERVICE, USER)
            self._file.unlink(missing_ok=True)
            return ""
        if ring is not None:
            with contextlib.suppress(Exception):
                ring.set_password(SERVICE, USER, token)
                self._file.unlink(missing_ok=True)
                return "keyring"
        make_folders(self._file.parent)
        part = self._file.with_name(f"{self._file.name}.{os.getpid()}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(token)
        os.chmod(part, 0o600)
        os.replace(part, self._file)
        return "file"


def _keyring() -> Any:  # Any: a library that need not be there
    try:
        import keyring  # type: ignore[import-not-found, unused-ignore]  # need not be there
    except ImportError:
        return None
    return keyring
