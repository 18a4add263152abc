"""What the house knows of a plugin without running it: its manifest as plain values, and its state."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeGuard

Value = str | int | float | bool


def is_finite(value: object) -> TypeGuard[float]:
    """Whether this is a number, not yes or no, that a float can hold: whole numbers in JSON and TOML may be larger."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


class PartType(StrEnum):
    """What a plugin can add. Each has its Protocol in `studio.api`."""

    ADAPTER = "adapter"
    GUIDE = "guide"
    PREPROCESSOR = "preprocessor"
    PROMPT_TOOL = "prompt_tool"
    PICTURE_TOOL = "picture_tool"
    SCORER = "scorer"
    SAMPLER = "sampler"
    METADATA_READER = "metadata_reader"


class ParameterType(StrEnum):
    """How a parameter is asked for in the panel, and what its value is."""

    FLOAT = "float"
    INT = "int"
    BOOL = "bool"
    TEXT = "text"  # one line, or several with `lines` above 1
    CHOICE = "choice"  # one of `choices`
    PICTURE = "picture"  # an input picture; not among the values but among the images of a use
    FILE = "file"  # a file of the artist's, by name and digest; among the files of a use


class PluginState(StrEnum):
    """Where a plugin stands. Only an ENABLED one ever runs."""

    NEW = "new"  # found, never allowed
    CHANGED = "changed"  # allowed once, but its bytes are others now
    ENABLED = "enabled"
    DISABLED = "disabled"  # allowed, switched off by the artist
    FAULTY = "faulty"  # switched off after three faults in one session
    QUARANTINED = "quarantined"  # was running when the studio died
    BROKEN = "broken"  # its manifest cannot be used; `problem` says why


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One declared parameter. Numbers: minimum <= value <= maximum; `unit` as written behind it ("", "px", "steps")."""

    name: str
    type: ParameterType
    title: str
    default: Value = ""
    minimum: float = 0.0
    maximum: float = 1.0
    step: float = 0.0  # 0: a hundredth of the range, or 1 for whole numbers
    unit: str = ""
    help: str = ""
    choices: tuple[str, ...] = ()
    lines: int = 1
    required: bool = False  # a picture or file without which the part cannot work
    suffixes: tuple[str, ...] = ()  # of a file, lower case with dot: (".safetensors",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that a plugin adds. `control`: the kind of control layer it appears as ("t2i-sketch"), or "".

    `preprocess` says how a control layer's picture becomes the map: "" as it is, "grey" (as a scribble), "canny", or
    the `part` of a PREPROCESSOR of the same plugin.
    """

    type: PartType
    part: str
    title: str
    description: str = ""
    control: str = ""
    preprocess: str = ""
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """A weight file that belongs to the plugin: `path` below its folder, size in bytes, SHA-256 in hex."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All of a plugin.toml. `id`: lower-case letters, digits and underscores, the name of its folder."""

    id: str
    name: str
    version: str
    api: int
    author: str
    description: str
    parts: tuple[Part, ...]
    files: tuple[ModelFile, ...] = ()

    def part(self, type: PartType, name: str) -> Part | None:
        """The part of this type and name, if it is there."""
        return next((part for part in self.parts if part.type is type and part.part == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """A plugin as the window shows it. `manifest` is None when it is BROKEN; `digest` is over its code's bytes."""

    id: str
    state: PluginState
    manifest: Manifest | None = None
    digest: str = ""
    folder: str = ""
    shipped: bool = False
    problem: str = ""
    files: tuple[tuple[str, int], ...] = ()  # (name below the folder, bytes), as the consent dialog lists them
