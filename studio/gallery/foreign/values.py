"""Foreign values made safe: text without surrogates, numbers that are numbers, JSON within limits. Standard library only."""

from __future__ import annotations

import json
import math
import re
from typing import Any

JSON_MAX = 8_000_000  # characters, as much as one text chunk of a PNG may hold
_WHOLE = re.compile(r"[+-]?[0-9]{1,24}(?:\.0{1,12})?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,24}(?:\.[0-9]{0,24})?|\.[0-9]{1,24})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)

Json = dict[str, Any]  # Any: what json gives; every value is looked at before it is used


def plain(text: str) -> str:
    """Text that every file and window can hold: no NUL, lone surrogates become U+FFFD, line ends are newlines."""
    whole = text.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return whole.replace("\r\n", "\n").replace("\r", "\n")


def text_of(value: object) -> str:
    """A text, or "" for anything else."""
    return plain(value) if isinstance(value, str) else ""


def whole_of(value: object) -> int | None:
    """A whole number given as number or text, else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if math.isfinite(value) and value == int(value) else None
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    return None


def number_of(value: object) -> float | None:
    """A finite number given as number or text, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def json_of(text: str) -> Any:  # Any: what json gives
    """The value of a JSON text; NaN and Infinity are let in, as Python programs write them. None when it is none."""
    if len(text) > JSON_MAX:
        return None
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def object_of(text: str) -> Json | None:
    """The JSON object in a text, else None."""
    if text.lstrip()[:1] != "{":
        return None
    value = json_of(text)
    return value if isinstance(value, dict) else None


def shown_value(value: object, limit: int = 200) -> str:
    """A value for a list that people read: one line, at most `limit` characters."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        text = "…"
    text = " ".join(plain(text[: 4 * limit]).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
