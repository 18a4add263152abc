"""Weight files that are here, and how one that a picture names is found among them: by hash, then by name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

HASH_MIN = 8  # hex digits; A1111 writes 10 (8 in old pictures), which is enough for the few files of one artist
_HASH = re.compile(r"[0-9a-f]{8,64}")
_ENDINGS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A model or file that is here. `name` is what a recipe says; `digests` are SHA-256 in hex, empty if not computed
    yet: of the single file, and of a folder what `MadeWith.model_digest` says of it. `is_base`: it paints by itself; a
    VAE does not."""

    name: str
    digests: tuple[str, ...] = ()
    is_base: bool = True


def bases(installed: Iterable[Installed]) -> tuple[Installed, ...]:
    """What paints by itself."""
    return tuple(one for one in installed if one.is_base)


class How(StrEnum):
    """By what something was found."""

    HASH = "hash"
    NAME = "name"
    NAME_ONLY = "name only"  # the name is the same, the bytes are known to be others


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What was found, and by what."""

    found: Installed
    how: How


def match_installed(name: str, hashes: Iterable[str], installed: Iterable[Installed]) -> Match | None:
    """What a picture names, found by hash (whole or its first 8 or more digits), then by name; None if it is not here.

    Names are compared without folder, ending, case and punctuation, as the programs write them differently.
    """
    wanted = [mark for mark in (text.strip().lower() for text in hashes) if _HASH.fullmatch(mark)]
    here = tuple(installed)
    for one in here:
        if any(digest.startswith(mark) for mark in wanted for digest in one.digests):
            return Match(found=one, how=How.HASH)
    folded = fold(name)
    named = [one for one in here if folded and fold(one.name) == folded]
    if not named:
        return None
    exact = next((one for one in named if one.name == name), named[0])
    # A digest that was computed in full and does not begin like the wanted one says that the bytes are others.
    # Old A1111 hashes of 8 digits are over a part of the file and say nothing here.
    known_other = any(len(mark) > HASH_MIN for mark in wanted) and bool(exact.digests)
    return Match(found=exact, how=How.NAME_ONLY if known_other else How.NAME)


def fold(name: str) -> str:
    """A name as it is compared: letters and digits of its last part, without the ending of a weight file."""
    last = re.split(r"[/\\]", name.strip().rstrip("/\\ "))[-1].lower()
    for ending in _ENDINGS:
        last = last.removesuffix(ending)
    return "".join(letter for letter in last if letter.isalnum())
