"""The language of the search field: text to a plan of conditions, all of which must hold. Pure; knows no storage.

    red hou              words in prompt, note and tags; the last one, still being typed, is a beginning
    hou*  "red house"    a beginning, words in a row
    -cat  -model:mini    not that
    steps:>20            a field and what it must be; see `FIELDS`
    tag:"night sky"      a value with spaces; in quotes it is the whole value, else a part of it is enough

Fields that are still being typed at the end of the text ("seed:", "steps:>") ask for nothing yet.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from studio.core.library import BadQuery
from studio.core.query_values import (
    Choice,
    Part,
    Span,
    Term,
    Word,
    choice,
    days,
    is_unfinished_day,
    number,
    size,
    symbols,
)

TEXT_MAX = 2000
TERMS_MAX = 100


@dataclass(frozen=True, slots=True)
class Field:
    """A name before a colon: what kind of value it takes, what it means and how it is used, in words."""

    kind: str  # "number", "days", "size", "text", "choice"
    meaning: str
    example: str
    choices: tuple[str, ...] = ()


COLOURS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "brown", "black", "grey", "white")
HAS = (
    "sketch", "control", "plugin", "note", "tag", "board", "rating", "negative", "start", "parent", "tiling", "freeu",
)  # fmt: skip
IS = ("trash", "missing", "imported", "sheet")
SHAPES = ("square", "wide", "tall")
FIELDS: dict[str, Field] = {
    "seed": Field("number", "the seed", "seed:42"),
    "steps": Field("number", "how many steps", "steps:>20"),
    "guidance": Field("number", "guidance scale", "guidance:5..8"),
    "size": Field("size", "width x height", "size:512x512"),
    "width": Field("number", "width in pixels", "width:>=512"),
    "height": Field("number", "height in pixels", "height:512"),
    "shape": Field("choice", "wider, taller or square", "shape:wide", SHAPES),
    "model": Field("text", "the model's name", "model:mini"),
    "scheduler": Field("text", "the scheduler", "scheduler:ddim"),
    "date": Field("days", "when it was made", "date:2026-11"),
    "rating": Field("number", "your stars, 0 to 5", "rating:>=4"),
    "tag": Field("text", "one of your tags", "tag:blue"),
    "board": Field("text", "one of your boards", 'board:"My board"'),
    "folder": Field("text", "an imported folder", "folder:renders"),
    "note": Field("text", "a word of your note", "note:print"),
    "control": Field("text", "a kind of control layer", "control:scribble"),
    "plugin": Field("text", "a plugin that took part", "plugin:lora"),
    "negative": Field("text", "a word of the negative prompt", "negative:blurry"),
    "has": Field("choice", "whether it has one at all", "has:sketch", HAS),
    "is": Field("choice", "where or what it is", "is:trash", IS),
    "colour": Field("choice", "a colour that stands out", "colour:red", COLOURS),
}
ALIASES = {"color": "colour", "sampler": "scheduler", "cfg": "guidance", "stars": "rating", "tags": "tag"}
_WORDS = {"grey": ("gray",), "cyan": ("turquoise", "teal"), "purple": ("violet",)}  # other names of a choice


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that must hold, or with `negated` must not; `start` and `end` are its characters in the text."""

    term: Term
    negated: bool = False
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text between spaces: `[-][name:]value`, cut apart but not yet understood."""

    start: int
    end: int
    negated: bool
    name: str  # as typed, "" for words
    value: str  # without quotes
    value_start: int
    quoted: bool
    closed: bool  # the quotes were closed


def parse(text: str, today: date) -> tuple[Condition, ...]:
    """The conditions in a text, in its order. `today` is the artist's day, for "date:today".

    Raises BadQuery with a sentence and the characters it is about.
    """
    if len(text) > TEXT_MAX:
        raise BadQuery(f"The search is longer than {TEXT_MAX:,} characters.", "Shorten it.", "", TEXT_MAX, 0)
    conditions = []
    for token in tokens(text):
        term = _term(token, token.end == len(text), today)
        if term is not None:
            conditions.append(Condition(term=term, negated=token.negated, start=token.start, end=token.end))
    if len(conditions) > TERMS_MAX:
        late = conditions[TERMS_MAX].start
        raise BadQuery(f"More than {TERMS_MAX} things to look for are too many.", "Shorten it.", "", late, 0)
    return tuple(conditions)


_WEIGHT = re.compile(r"-?[\d.]*[)\]][\W\d]*")
_HEAD = re.compile(r"(?P<minus>-(?=\S))?(?:(?P<name>[^\W\d_]{1,20}):)?")


def tokens(text: str) -> Iterator[Token]:
    """The pieces of a text; quotes hold spaces together, an unclosed one goes to the end."""
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        head = _HEAD.match(text, at)
        assert head is not None  # every part of it is optional
        start, value_start, quoted, closed = at, head.end(), False, False
        if text[value_start : value_start + 1] == '"':
            close = text.find('"', value_start + 1)
            quoted, closed = True, close >= 0
            value = text[value_start + 1 : close if closed else len(text)]
            at = close + 1 if closed else len(text)
        else:
            while at < len(text) and not text[at].isspace():
                at += 1
            value = text[value_start:at]
        yield Token(start, at, head["minus"] is not None, head["name"] or "", value, value_start, quoted, closed)


def field_of(name: str) -> str:
    """The field that a name means, whatever its case; "" for none."""
    lower = name.lower()
    found = ALIASES.get(lower, lower)
    return found if found in FIELDS else ""


def _term(token: Token, last: bool, today: date) -> Term | None:
    if not token.name:
        return _word(token, last)
    name = field_of(token.name)
    if not name and _WEIGHT.fullmatch(token.value):  # "sea:1.3)", from a prompt
        return _word(replace(token, value=f"{token.name}:{token.value}"), last)
    if not name:
        raise _unknown_field(token)
    value = token.value.strip()
    if not value or (last and not token.quoted and set(value) <= set("<>=.-")):
        if last:
            return None
        example = FIELDS[name].example
        raise _bad(token, f"“{token.name}:” says nothing to look for.", f"Write for example {example}")
    try:
        return _value(name, value, token, last, today)
    except ValueError as error:
        if last and FIELDS[name].kind == "days" and is_unfinished_day(value, today):
            return None
        hint = f"Write for example {FIELDS[name].example}"
        if FIELDS[name].choices:
            hint = "Choose one of: " + ", ".join(FIELDS[name].choices)
        raise _bad(token, f"“{value:.40}” {error}.", hint) from None


def _word(token: Token, last: bool) -> Word | None:
    text, prefix = token.value, last and not token.closed
    if not token.quoted and text.endswith("*"):
        text, prefix = text.rstrip("*"), True
    says = any(c.isalnum() for c in text) or symbols(text)
    return Word(text, prefix) if says else None  # mere punctuation is passed over


def _value(name: str, value: str, token: Token, last: bool, today: date) -> Term | None:
    field = FIELDS[name]
    if field.kind == "number":
        low, high = number(value, whole=name != "guidance")
        return Span(name, low, high)
    if field.kind == "days":
        return days(value, today)
    if field.kind == "size":
        return size(value, last)
    if field.kind == "choice":
        return _choice(name, value, last)
    if name in ("negative", "note"):
        word = _word(token, last)
        return None if word is None else Word(word.text, word.prefix, name)
    return Part(name, value, whole=token.closed)


def _choice(name: str, value: str, last: bool) -> Choice | None:
    typed = value.lower()
    typed = next((word for word, others in _WORDS.items() if typed in others), typed)
    found = choice(typed, FIELDS[name].choices, last)
    return None if found is None else Choice(name, found)


def _unknown_field(token: Token) -> BadQuery:
    close = difflib.get_close_matches(token.name.lower(), [*FIELDS, *ALIASES], 1)
    meant = f"Did you mean “{close[0]}:”?" if close else "Put it into quotes to look for it as words."
    at = token.start + int(token.negated)
    return BadQuery(f"There is no field “{token.name}”.", meant, "", at, len(token.name) + 1)


def _bad(token: Token, headline: str, hint: str) -> BadQuery:
    start = token.value_start if token.value else token.start
    return BadQuery(headline, hint, "", start, token.end - start)
