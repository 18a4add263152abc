"""The little language of wildcards: a prompt to a tree. Chooses nothing and opens nothing.

text    = { letter | "\\" sign | "{" choice "}" | "__" name "__" }
choice  = [ count [ "-" count ] "$$" [ joint "$$" ] ] option { "|" option }
option  = [ weight "::" ] text
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from studio.api import BadRecipe

ESCAPED = "{}|\\_$:#"
"""Signs that mean themselves behind a backslash. Before any other sign the backslash stays: “\\(” is for the model."""
NESTING_MAX = 64
_NAME = re.compile(r"__(?![_ ])([\w*?./ -]+?)__")
_COUNT = re.compile(r"\s*(\d{1,4})(?:\s*-\s*(\d{1,4}))?\s*\$\$")
_JOINT = re.compile(r"([^{}|$]*)\$\$")
_WEIGHT = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?)::")


@dataclass(frozen=True, slots=True)
class Text:
    """Letters as they are."""

    text: str


@dataclass(frozen=True, slots=True)
class ListName:
    """A line of the list of this name; the name may hold folders and the signs * and ?."""

    name: str


@dataclass(frozen=True, slots=True)
class Option:
    """One thing to choose; `weight` 0 is never chosen."""

    weight: float
    tree: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """`least` ... `most` of the options, with `joint` between them; `source` is what was written, for messages."""

    options: tuple[Option, ...]
    least: int
    most: int
    joint: str
    source: str


Node = Text | ListName | Choice


def read(text: str) -> tuple[Node, ...]:
    """The tree of a prompt. Raises `BadRecipe` that shows the brace that has no partner."""
    reader = _Reader(text)
    tree = reader.text(0)
    if reader.at < len(text):
        raise BadRecipe(
            f"A “}}” in the prompt closes nothing: “{_around(text, reader.at)}”.",
            "Remove it, or write \\} for a plain one.",
        )
    return tree


def read_option(line: str) -> Option:
    """A line of a list: a text with a weight before it, or without. Raises `BadRecipe`."""
    found = _WEIGHT.match(line)
    weight = float(found[1]) if found else 1.0
    return Option(weight, read(line[found.end() :] if found else line))


class _Reader:
    """Recursive descent; `at` is where it stands."""

    def __init__(self, source: str) -> None:
        self.source, self.at = source, 0

    def text(self, depth: int) -> tuple[Node, ...]:
        """Up to the end, or to a sign that ends an option: "}" anywhere, "|" within braces."""
        nodes: list[Node] = []
        letters: list[str] = []
        while self.at < len(self.source):
            sign = self.source[self.at]
            if sign == "}" or (sign == "|" and depth):
                break
            name = _NAME.match(self.source, self.at) if sign == "_" else None
            if sign != "{" and name is None:
                letters.append(self._letter())
                continue
            _flush(letters, nodes)
            nodes.append(self._name(name) if name else self._choice(depth + 1))
        _flush(letters, nodes)
        return tuple(nodes)

    def _letter(self) -> str:
        escaped = self.source[self.at] == "\\" and self.source[self.at + 1 : self.at + 2]
        self.at += 1
        if escaped and escaped in ESCAPED:
            self.at += 1
            return escaped
        return self.source[self.at - 1]

    def _name(self, found: re.Match[str]) -> ListName:
        self.at = found.end()
        return ListName(found[1])

    def _choice(self, depth: int) -> Choice:
        start = self.at
        if depth > NESTING_MAX:
            raise BadRecipe(f"The braces in the prompt are nested more than {NESTING_MAX} deep.", "Use a list file.")
        self.at += 1
        least, most, joint = self._count()
        options = [self._option(depth)]
        while self.source[self.at : self.at + 1] == "|":
            self.at += 1
            options.append(self._option(depth))
        if self.at == len(self.source):
            raise BadRecipe(
                f"A “{{” in the prompt is never closed: “{_around(self.source, start)}”.",
                "Close it, or write \\{ for a plain one.",
            )
        self.at += 1
        source = self.source[start : self.at]
        if not any(option.weight > 0 for option in options):
            raise BadRecipe(f"All options of “{_short(source)}” have the weight 0.", "Give one of them more.")
        if least > most:
            raise BadRecipe(f"“{_short(source)}” asks for {least} to {most} options.", "Put the smaller one first.")
        return Choice(tuple(options), least, most, joint, _short(source))

    def _count(self) -> tuple[int, int, str]:
        found = _COUNT.match(self.source, self.at)
        if not found:
            return 1, 1, ", "
        self.at = found.end()
        joint = _JOINT.match(self.source, self.at)
        if joint:
            self.at = joint.end()
        return int(found[1]), int(found[2] or found[1]), joint[1] if joint else ", "

    def _option(self, depth: int) -> Option:
        found = _WEIGHT.match(self.source, self.at)
        if found:
            self.at = found.end()
        return Option(float(found[1]) if found else 1.0, self.text(depth))


def _flush(letters: list[str], nodes: list[Node]) -> None:
    if letters:
        nodes.append(Text("".join(letters)))
        letters.clear()


def _around(text: str, at: int) -> str:
    """A few letters before and behind a place."""
    before, behind = text[max(0, at - 12) : at], text[at : at + 20]
    return ("…" if at > 12 else "") + before + behind + ("…" if at + 20 < len(text) else "")


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "…"
