"""Prompt weights, `(word:1.2)`: a text to pieces with weights. Standard library only.

The notation of AUTOMATIC1111's web UI, which most prompts in circulation are written in: `(a)` is 1.1, `((a))` 1.21,
`[a]` 1 / 1.1, `(a:1.3)` exactly 1.3; `\\(` is a bracket to be read. What is not closed is closed at the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

STEP = 1.1
WEIGHT_MAX = 10.0
_TOKEN = re.compile(r"\\[()\[\]\\]|[(\[]|:\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\)|[)\]]|[^\\()\[\]:]+|:|\\")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text and its weight: 1 as it is, 0 not at all."""

    text: str
    weight: float = 1.0


def pieces_of(prompt: str) -> tuple[Piece, ...]:
    """The text without its marks, cut where the weight changes. Never raises: odd brackets are read as well as can be."""
    found: list[tuple[str, float]] = []
    round_, square = list[int](), list[int]()  # where each open bracket began in `found`
    for match in _TOKEN.finditer(prompt):
        token = match[0]
        if token == "(":
            round_.append(len(found))
        elif token == "[":
            square.append(len(found))
        elif match["weight"] is not None and round_:
            _scale(found, round_.pop(), min(abs(float(match["weight"])), WEIGHT_MAX))
        elif token == ")" and round_:
            _scale(found, round_.pop(), STEP)
        elif token == "]" and square:
            _scale(found, square.pop(), 1 / STEP)
        else:
            found.append((token[1:] if len(token) == 2 and token[0] == "\\" else token, 1.0))
    for start in round_:
        _scale(found, start, STEP)
    for start in square:
        _scale(found, start, 1 / STEP)
    return _joined(found)


def is_plain(prompt: str) -> bool:
    """Whether a prompt has no marks, so that it is read exactly as it stands."""
    return not set(prompt) & set("()[]\\")


def _scale(found: list[tuple[str, float]], start: int, factor: float) -> None:
    found[start:] = [(text, weight * factor) for text, weight in found[start:]]


def _joined(found: list[tuple[str, float]]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    for text, weight in found:
        if pieces and pieces[-1].weight == weight:
            pieces[-1] = Piece(pieces[-1].text + text, weight)
        elif text:
            pieces.append(Piece(text, weight))
    return tuple(pieces) or (Piece(""),)
