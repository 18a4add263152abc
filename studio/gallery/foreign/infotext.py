"""The grammar of A1111's infotext: prompt, "Negative prompt:", one line of "Key: value". Knows no meaning of a key.

Written by create_infotext of stable-diffusion-webui and its family: a value with comma, colon or newline stands as a
JSON string in quotes; some programs put bare JSON or tuples there. Everything is scanned once, from left to right.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

TEXT_MAX = 1_000_000
_LINE_MAX = 200_000
_PAIRS_MAX = 500
_LINES_TRIED = 60
_KEY = re.compile(r"\s{0,100}(\w[\w \-/]{0,60}):[ \t]{0,100}")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_ROUND = re.compile(r"\([^()]{0,200}\)")
_NEGATIVE = "Negative prompt:"
_KNOWN = {"Steps", "Sampler", "CFG scale", "Seed", "Size", "Model", "Model hash", "Schedule type", "Version"}
_DECODER = json.JSONDecoder(strict=False)

Pairs = list[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Infotext:
    """The parts of one infotext. `rest` is what stands behind the settings, where nothing should."""

    prompt: str
    negative: str
    pairs: Pairs
    rest: str = ""
    negatives: int = 0  # how many lines begin with “Negative prompt:”


def split_infotext(text: str) -> Infotext:
    """The parts of an infotext; `pairs` is empty where no line of settings stands.

    A line counts as settings when it has three pairs of which one is known, or two known ones: the last such line
    is taken. So three bracketed marks at the end of a prompt are not mistaken for settings.
    """
    lines = text[:TEXT_MAX].strip().split("\n")
    for at in range(len(lines) - 1, max(-1, len(lines) - 1 - _LINES_TRIED), -1):
        pairs = pairs_of(lines[at]) if ":" in lines[at] else []
        known = sum(key in _KNOWN for key, _ in pairs)
        if (len(pairs) >= 3 and known) or known >= 2:
            return _parts(lines[:at], pairs, "\n".join(lines[at + 1 :]).strip())
    return _parts(lines, [], "")


def _parts(lines: list[str], pairs: Pairs, rest: str) -> Infotext:
    starts = [i for i, line in enumerate(lines) if line.lstrip().startswith(_NEGATIVE)]
    first = starts[0] if starts else len(lines)
    negative = "\n".join(lines[first:]).lstrip().removeprefix(_NEGATIVE)
    return Infotext(
        prompt="\n".join(lines[:first]).strip(),
        negative=negative.strip(),
        pairs=pairs,
        rest=rest,
        negatives=len(starts),
    )


def pairs_of(line: str) -> Pairs:
    """The "Key: value" pairs of a line, quotes and JSON escapes undone; pieces without a key are left out."""
    line = line[:_LINE_MAX]
    found: Pairs = []
    at = 0
    while at < len(line) and len(found) < _PAIRS_MAX:
        key = _KEY.match(line, at)
        if key is None:
            at = _comma(line, at) + 1
            continue
        value, at = _value(line, key.end())
        found.append((key[1].strip(), value))
    return found


def _value(line: str, at: int) -> tuple[str, int]:
    """The value that starts at `at`, and where the next pair starts."""
    opening = line[at : at + 1]
    end = None
    if opening == '"' and (quoted := _QUOTED.match(line, at)):
        end = quoted.end()
    elif opening and opening in "{[":
        end = _json_end(line, at)
    elif opening == "(" and (round_ := _ROUND.match(line, at)):
        end = round_.end()
    if end is not None and line[end:].lstrip()[:1] in ("", ","):
        return _unquoted(line[at:end]), _comma(line, end) + 1
    end = _comma(line, at)
    return line[at:end].strip(), end + 1


def _json_end(line: str, at: int) -> int | None:
    try:
        return _DECODER.raw_decode(line, at)[1]
    except (ValueError, RecursionError):
        return None


def _unquoted(value: str) -> str:
    if not value.startswith('"'):
        return value
    try:
        text = json.loads(value, strict=False)
    except ValueError:
        return value[1:-1]
    return str(text)


def _comma(line: str, at: int) -> int:
    end = line.find(",", at)
    return len(line) if end < 0 else end
