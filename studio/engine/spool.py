"""Latents on disk while a picture is decoded and saved: what a crash, NaN or lack of memory there cannot take.

One file a job: a line of JSON, then the raw numbers. Written without waiting for the disk: it has to outlive the
process, and a power cut within the second between the last step and the saved picture costs the steps, not the recipe.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from studio.core.errors import NewerRecipe, StorageProblem, StudioError
from studio.core.job import Kept
from studio.core.library import Link, LinkKind
from studio.core.recipe_text import from_text, to_text
from studio.core.safe_files import PART, write_whole
from studio.engine.protocol import Undecoded

SCHEMA = 1
HEAD_MAX = 1_000_000
DATA_MAX = 256_000_000
_ENDING = ".latents"
_KEY = re.compile(r"[0-9a-zA-Z-]{1,64}")
_LOST = "The picture cannot be decoded again: what was kept of it {}."
_HINT = "Its settings are still in the queue: run it again from there."


class Spool:
    """The files of one folder. Any method may be called from any thread, for different jobs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, undecoded: Undecoded, parents: Sequence[Link] = ()) -> bool:
        """Keep latents under a job's key. False, and nothing kept, where the disk refuses: the picture goes on."""
        head = {
            "studio_spool": SCHEMA,
            "job": key,
            "recipe": to_text(undecoded.recipe),
            "parents": [[link.kind.value, link.parent] for link in parents],
            "shape": list(undecoded.shape),
            "dtype": undecoded.dtype,
            "seconds": undecoded.seconds,
            "since": time.time() - undecoded.seconds,
            "sha256": hashlib.sha256(undecoded.data).hexdigest(),
        }
        try:
            data = json.dumps(head, ensure_ascii=False).encode() + b"\n" + undecoded.data
            write_whole(self._file(key), data, sync=False)
        except (OSError, ValueError, MemoryError):
            return False
        return True

    def has(self, key: str) -> bool:
        """Whether latents are kept under this key."""
        return self._file(key).is_file()

    def read(self, key: str) -> Undecoded:
        """What is kept under this key. Raises `StorageProblem`."""
        try:
            with self._file(key).open("rb") as stream:
                head = _head(stream)
                data = stream.read(DATA_MAX + 1)
            if len(data) > DATA_MAX or hashlib.sha256(data).hexdigest() != head["sha256"]:
                raise ValueError("the numbers are not those that were written")
            return Undecoded(
                recipe=from_text(head["recipe"]),
                shape=tuple(int(side) for side in head["shape"]),
                dtype=str(head["dtype"]),
                data=data,
                seconds=float(head["seconds"]),
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError, StudioError) as error:
            what = "is gone" if isinstance(error, FileNotFoundError) else "is damaged"
            raise StorageProblem(_LOST.format(what), _HINT, f"{type(error).__name__}: {error}") from None

    def remove(self, key: str) -> None:
        """The picture is saved, or not wanted any more."""
        with contextlib.suppress(OSError):
            self._file(key).unlink()

    def left(self) -> tuple[Kept, ...]:
        """The jobs whose latents lie here, oldest first. Unfinished and damaged files are cleared away.

        Those of a newer studio stay as they are, for it.
        """
        found: list[tuple[float, Kept]] = []
        with contextlib.suppress(OSError):
            for file in self._folder.iterdir():
                if file.name.endswith(PART):
                    file.unlink()
                elif file.name.endswith(_ENDING):
                    kept = _kept(file)
                    if kept is not None:
                        found.append((file.stat().st_mtime, kept))
                    elif not _is_newer(file):
                        file.rename(file.with_name(file.name + ".damaged"))
        return tuple(kept for _, kept in sorted(found, key=lambda pair: pair[0]))

    def _file(self, key: str) -> Path:
        if _KEY.fullmatch(key) is None:
            raise ValueError(f"{key!r} is no key of a job")
        return self._folder / f"{key}{_ENDING}"


def parents_in(value: object) -> tuple[Link, ...]:
    """Links as the spool and the journal keep them: [[kind, picture id], ...]; what is not one is left out."""
    kinds = set(LinkKind)
    pairs = [pair for pair in value if isinstance(pair, list) and len(pair) == 2] if isinstance(value, list) else []
    return tuple(Link(kind=LinkKind(kind), parent=str(parent)) for kind, parent in pairs if kind in kinds)


def _kept(file: Path) -> Kept | None:
    """The job of a file whose size fits what its head says; None for a damaged one. Raises OSError."""
    try:
        with file.open("rb") as stream:
            head = _head(stream)
            start = stream.tell()
        width = {"float32": 4, "float16": 2, "bfloat16": 2}[head["dtype"]]
        count = 1
        for side in head["shape"]:
            count *= int(side)
        if os.stat(file).st_size != start + count * width or f"{head['job']}{_ENDING}" != file.name:
            return None
        return Kept(
            key=head["job"],
            recipe=from_text(head["recipe"]),
            parents=parents_in(head["parents"]),
            started=True,
            since=float(head["since"]),
            undecoded=True,
        )
    except (ValueError, KeyError, TypeError, RecursionError, StudioError):
        return None


def _is_newer(file: Path) -> bool:
    """Whether a newer studio wrote this. Raises OSError."""
    try:
        with file.open("rb") as stream:
            head = json.loads(stream.readline(HEAD_MAX))
        if int(head["studio_spool"]) > SCHEMA:
            return True
        from_text(head["recipe"])
    except NewerRecipe:
        return True
    except (ValueError, KeyError, TypeError, RecursionError, StudioError):
        pass
    return False


def _head(stream: BinaryIO) -> dict[str, Any]:  # Any: what json gives; every value is checked where it is used
    line = stream.readline(HEAD_MAX)
    head = json.loads(line)
    if not isinstance(head, dict) or head.get("studio_spool") != SCHEMA:
        raise ValueError("not a file of the spool")
    return head
