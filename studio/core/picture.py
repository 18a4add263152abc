"""A finished picture: its recipe, where it lies, and what it was made on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from studio.core.library import NO_MARKS, Link, Marks
from studio.core.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeWith:
    """The circumstances of a picture: they do not decide what is asked for, but may decide the last bits."""

    studio: str
    device: str  # "cpu", "cuda:0 NVIDIA ...", "mps"
    dtype: str  # "float32", "bfloat16", "float16"
    seconds: float  # wall time from the start of the job to the decoded picture
    model_digest: str = ""  # SHA-256 over the weight files
    versions: tuple[tuple[str, str], ...] = ()  # ("torch", "2.15.0"), ...
    pixel_sha256: str = ""  # `Pixels.sha256` of the picture
    scores: tuple[tuple[str, float], ...] = ()  # what scorers said, in their order: ("plugin_id:part", 0.31), ...
    notes: tuple[str, ...] = ()  # sentences for the artist: a plugin was left out, or has another version than asked
    sheet: str = ""  # of a sheet drawn from other pictures: what it shows, in words; no model made it. Else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One picture of the gallery. `id` is unique and sorts by time of making; `created` is UTC.

    `parents` are the pictures it came from, the closest first; `marks` is what the artist said about it. `partly`: a
    newer studio wrote the recipe, and this is what can be understood of it.
    """

    id: str
    recipe: Recipe
    made_with: MadeWith
    file: Path
    width: int
    height: int
    created: datetime
    parents: tuple[Link, ...] = ()
    marks: Marks = NO_MARKS
    partly: bool = False
