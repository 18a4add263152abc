"""The well-known things to begin with, read from resources/models.json."""

from __future__ import annotations

import json
from pathlib import Path

from studio.core.hub import Starter
from studio.core.model_files import Family, Kind
from studio.core.paths import RESOURCES

FILE = RESOURCES / "models.json"


def load_starters(file: Path = FILE) -> tuple[Starter, ...]:
    """All starters in the file's order. Raises OSError, ValueError, KeyError or TypeError for a damaged installation."""
    return tuple(
        Starter(
            **{
                **entry,
                "kind": Kind(entry["kind"]),
                "family": Family(entry["family"]),
                "files": tuple(entry["files"]),
            }
        )
        for entry in json.loads(file.read_text("utf-8"))["starters"]
    )
