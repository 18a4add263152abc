"""Looks into one candidate: from a name on disk to a ModelFile, its problems in words."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from studio.core.errors import ModelMissing
from studio.core.model_files import Family, Kind, ModelFile, Prediction, Traits
from studio.core.sniff import HEAD_BYTES, foreign
from studio.core.weights import read_weight_header
from studio.engine.intake.beside import beside
from studio.engine.intake.kinds import recognise
from studio.engine.intake.pipelines import is_pipeline, read_component, read_pipeline
from studio.engine.intake.walk import Candidate

_UNCLEAR = (Kind.VAE, Kind.TINY_VAE, Kind.LORA)  # whose family the shapes may not tell


def look(candidate: Candidate, folder: Path, ships: bool = False) -> tuple[ModelFile, tuple[Path, ...]]:
    """What a candidate is, and its weight files. Raises OSError if it is gone or not readable at all."""
    if candidate.is_folder:
        read = read_pipeline if is_pipeline(candidate.path) else None
        if read is not None:
            traits, files = read(candidate.name, candidate.path)
        else:
            traits, files = read_component(candidate.name, candidate.path, candidate.stem)
    else:
        traits, files = _file_traits(candidate.path, candidate.name), (candidate.path,)
    size, mtime_ns = measure(files or (candidate.path,))
    found = ModelFile(
        path=candidate.path,
        name=candidate.name,
        size=size,
        mtime_ns=mtime_ns,
        traits=traits,
        folder=folder,
        triggers=traits.triggers,
        ships=ships,
        asked=questions(traits),
    )
    return found, files


def with_neighbours(file: ModelFile, names: frozenset[str]) -> ModelFile:
    """With the preview, notes and trigger words that lie beside it."""
    near = beside(file.path, names)
    words = tuple(dict.fromkeys((*near.triggers, *file.traits.triggers)))
    return replace(file, preview=near.preview, notes=near.notes, triggers=words)


def measure(files: tuple[Path, ...]) -> tuple[int, int]:
    """Bytes of all files together and the latest time of change. Raises OSError."""
    found = [file.stat() for file in files]
    return sum(status.st_size for status in found), max(status.st_mtime_ns for status in found)


def questions(traits: Traits) -> tuple[str, ...]:
    """What nothing in the file tells and the artist is asked once: "prediction" of SD 2.x, "family" of a VAE."""
    if traits.problem:
        return ()
    asked = []
    if traits.kind in (Kind.CHECKPOINT, Kind.UNET) and traits.prediction is Prediction.UNKNOWN:
        asked.append("prediction")
    if traits.kind in _UNCLEAR and traits.family is Family.UNKNOWN:
        asked.append("family")
    return tuple(asked)


def mark_of(files: tuple[Path, ...]) -> str:
    """A digest of how a thing's files begin: the same before and after it is moved or renamed. Raises OSError."""
    total = hashlib.sha256()
    for file in files:
        if file.is_file():
            with file.open("rb", buffering=0) as stream:
                total.update(stream.read(65536))
    return total.hexdigest()[:32]


def _file_traits(file: Path, name: str) -> Traits:
    """Content decides, not the ending: a pickle named .safetensors is said to be one, and the other way round."""
    with file.open("rb", buffering=0) as stream:
        head = stream.read(HEAD_BYTES)
    other = foreign(head, file.stat().st_size)
    if other is not None and other.is_pickle:
        return Traits(problem=f"{_sentence(other.why)} {other.hint}")
    try:
        return recognise(read_weight_header(file), name)
    except ModelMissing as error:
        if other is not None:
            return Traits(problem=f"{_sentence(other.why)} {other.hint}")
        return Traits(
            problem=f"{_sentence(error.headline.partition(' cannot be used: ')[2] or error.headline)} {error.hint}"
        )


def _sentence(why: str) -> str:
    return f"{why[:1].upper()}{why[1:].rstrip('.')}."
