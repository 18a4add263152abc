"""What an export is asked for: format, recipe or none, and how files are named. Plain values; writes nothing."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from studio.core.errors import StudioError
from studio.core.private import without_paths
from studio.core.recipe import Recipe

STEM_BYTES = 120  # of a file's name in UTF-8, without number and ending: fits every file system and every archive
PROMPT_LETTERS = 48
PLACEHOLDERS = ("date", "time", "id", "n", "prompt", "seed", "steps", "model", "size")
PATTERN = "{prompt} {seed}"
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
_PLACE = re.compile(r"\{([^{}]*)\}")


class ExportFormat(StrEnum):
    """The kinds of file. Their values are the endings of names."""

    PNG = "png"
    JPEG = "jpg"
    WEBP = "webp"


class Caption(StrEnum):
    """What stands under a picture of a contact sheet."""

    NONE = "none"
    NUMBER = "number"
    PROMPT = "prompt"
    SEED = "seed"
    SETTINGS = "settings"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportWish:
    """`quality` 1 ... 100 of JPEG and lossy WebP; `lossless` is WebP's; `pattern` see `file_stem`."""

    format: ExportFormat = ExportFormat.PNG
    quality: int = 90
    lossless: bool = False
    with_recipe: bool = True
    pattern: str = PATTERN


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetWish:
    """A contact sheet instead of single files."""

    columns: int = 4
    caption: Caption = Caption.PROMPT
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What became of an export. `problems` are sentences, one for each picture that was left out; `notes` say what a
    file that was written does not hold; `stopped`: the artist cancelled it, and what was written stays."""

    files: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stopped: bool = False


class BadName(StudioError):
    """A pattern for names that says something unknown."""


def check_wish(wish: ExportWish) -> None:
    """Raise `BadName` for a pattern that cannot name files, before anything is written."""
    for name in _PLACE.findall(wish.pattern):
        if name not in PLACEHOLDERS:
            known = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
            raise BadName(f"“{{{name[:40]}}}” is nothing that a name can hold.", f"There are: {known}.")
    if not wish.pattern.strip():
        raise BadName("The files have no names.", f"As in: {PATTERN}.")


def file_stem(
    pattern: str, picture_id: str, recipe: Recipe | None, created: datetime | None, number: int, is_sheet: bool = False
) -> str:
    """A file name without its ending: the pattern with {prompt}, {seed}, {n} ... filled in, safe on every system.

    Words of the prompt are cut to 48 letters at a space. No separators, control letters or reserved names; at most 120 bytes.
    `recipe` None (a picture of another program): what it would give is left out. That of a sheet is told by its last word.
    """
    local = created.astimezone() if created is not None else None
    values = {
        "date": f"{local:%Y-%m-%d}" if local else "",
        "time": f"{local:%H-%M-%S}" if local else "",
        "id": picture_id,
        "n": f"{number:03d}",
    }
    if recipe is not None:
        values |= {
            "prompt": _words(without_paths(recipe.prompt)),
            "seed": str(recipe.seed),
            "steps": str(recipe.steps),
            "model": recipe.model.name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1],
            "size": str(recipe.size),
        }
    stem = _safe(_PLACE.sub(lambda found: _safe(values.get(found[1], "")), pattern))
    return (stem or picture_id or f"picture {number:03d}") + (" sheet" if is_sheet else "")


def _words(prompt: str) -> str:
    line = " ".join(prompt.split())
    if len(line) <= PROMPT_LETTERS:
        return line
    cut = line[: PROMPT_LETTERS + 1]
    return cut[: cut.rfind(" ")] if " " in cut[PROMPT_LETTERS // 2 :] else cut[:PROMPT_LETTERS]


def _safe(text: str) -> str:
    """Letters and digits of any script, and what is harmless between them."""
    kept = "".join(c if unicodedata.category(c)[0] in "LNM" or c in " -_.,()+=" else " " for c in text)
    kept = unicodedata.normalize("NFC", " ".join(kept.split()).strip(" .,-"))
    kept = kept.encode()[:STEM_BYTES].decode("utf-8", "ignore").rstrip(" .,-")
    return f"_{kept}" if kept.split(".")[0].strip().lower() in _RESERVED else kept
