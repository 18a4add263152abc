"""What is remembered of weight files between two starts: traits, digests, and what the artist answered. One JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from studio.core.model_files import Family, Kind, Prediction, Traits
from studio.core.safe_files import write_whole

VERSION = 2  # raised when what a header tells is read differently: traits are then read again, digests and answers stay
_BYTES_MAX = 64_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One thing: the files that it is made of, its size and time of change when it was looked into, and `mark_of` them."""

    size: int
    mtime_ns: int
    mark: str
    traits: Traits
    files: tuple[str, ...] = ()
    sha256: str = ""
    answers: tuple[tuple[str, str], ...] = ()


def load(file: Path) -> dict[str, Remembered]:
    """By path. An absent or damaged file is an empty memory: everything in it can be read again."""
    try:
        if file.stat().st_size > _BYTES_MAX:
            return {}
        table = json.loads(file.read_bytes())
        known = table["version"] == VERSION
        return {path: _entry(entry, known) for path, entry in table["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def save(file: Path, memory: Mapping[str, Remembered]) -> None:
    """Raises OSError."""
    table = {"version": VERSION, "files": {path: asdict(entry) for path, entry in memory.items()}}
    write_whole(file, json.dumps(table, separators=(",", ":")).encode(), sync=False)


def answered(traits: Traits, answers: tuple[tuple[str, str], ...]) -> Traits:
    """The traits with what the artist answered in place of what was read."""
    said = dict(answers)
    if said.get("prediction") in set(Prediction):
        traits = replace(traits, prediction=Prediction(said["prediction"]))
    if said.get("family") in set(Family):
        traits = replace(traits, family=Family(said["family"]))
    if "zero_snr" in said:
        traits = replace(traits, zero_snr=said["zero_snr"] == "yes")
    return traits


def _entry(entry: Any, known: bool) -> Remembered:  # Any: what json gave
    raw = entry["traits"]
    named = {field.name for field in fields(Traits)}
    read: dict[str, Any] = {  # Any: the fields of Traits
        name: tuple(value) if isinstance(value, list) else value for name, value in raw.items() if name in named
    }
    traits = Traits(**read)
    traits = replace(
        traits, kind=Kind(traits.kind), family=Family(traits.family), prediction=Prediction(traits.prediction)
    )
    return Remembered(
        size=int(entry["size"]) if known else -1,
        mtime_ns=int(entry["mtime_ns"]),
        mark=str(entry["mark"]),
        traits=traits,
        files=tuple(str(file) for file in entry["files"]),
        sha256=str(entry["sha256"]),
        answers=tuple((str(question), str(answer)) for question, answer in entry["answers"]),
    )
