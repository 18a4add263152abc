"""What may stand behind a field's colon: numbers and ranges, days, sizes, choices. Errors are ends of a sentence."""

from __future__ import annotations

import math
import re
import unicodedata
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True, slots=True)
class Word:
    """Words in a row, the last one a beginning with `prefix`; in prompt, note and tags, or in one `field`."""

    text: str
    prefix: bool = False
    field: str = ""  # "negative", "note" or "" for everywhere


@dataclass(frozen=True, slots=True)
class Span:
    """A number from `low` to `high`, both included."""

    field: str
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Days:
    """Made on a local day from `first` (included) to `until` (not included); None is open."""

    first: date | None
    until: date | None


@dataclass(frozen=True, slots=True)
class Box:
    """Exactly this width and height in pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Part:
    """A value that contains `text`, or is it with `whole`; upper and lower case are the same."""

    field: str
    text: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a field's fixed words: has:sketch, is:trash, colour:red, shape:wide."""

    field: str
    value: str


Term = Word | Span | Days | Box | Part | Choice

NAMED_DAYS = ("today", "yesterday", "week", "month")
_NUMBER = r"\d{1,18}(?:\.\d{0,18})?|\.\d{1,18}"
_COMPARED = re.compile(rf"(?P<op>>=|<=|>|<|=)?(?P<n>{_NUMBER})")
_RANGE = re.compile(rf"(?P<low>{_NUMBER})?\.\.(?P<high>{_NUMBER})?")
_TINY = 1e-9
_SYMBOLS = {"So", "Sm", "Sc"}
_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"  # of skin, behind an emoji
_JOINER, _STYLES = "\u200d", "\ufe0e\ufe0f"


def symbols(text: str) -> tuple[str, ...]:
    """The runs of emoji and other symbols in a text, which are no words; signs of ASCII are punctuation.

    Whether one is to be drawn in colour or as text is left out: the same emoji is typed both ways.
    """
    runs = [""]
    for c in text:
        if (not c.isascii() and unicodedata.category(c) in _SYMBOLS) or c in _TONES or (c == _JOINER and runs[-1]):
            runs[-1] += c
        elif c not in _STYLES and runs[-1]:
            runs.append("")
    return tuple(run.rstrip(_JOINER) for run in runs if run)


def number(text: str, whole: bool) -> tuple[float, float]:
    """Least and greatest number that "20", ">20", "<=5", "5..8", "5.." allow. Raises ValueError."""
    between = _RANGE.fullmatch(text)
    if between is not None and (between["low"] or between["high"]):
        low = float(between["low"]) if between["low"] else -math.inf
        high = float(between["high"]) if between["high"] else math.inf
        if low > high:
            raise ValueError("ends before it begins")
        return low, high
    found = _COMPARED.fullmatch(text)
    if found is None:
        raise ValueError("is not a number or a range of numbers")
    value, step = float(found["n"]), (1.0 if whole else _TINY)
    if whole and found["op"] in (">", "<") and not value.is_integer():
        step = 0.0
    return {
        ">": (value + step, math.inf),
        ">=": (value, math.inf),
        "<": (-math.inf, value - step),
        "<=": (-math.inf, value),
    }.get(found["op"] or "=", (value, value))


def size(text: str, typing: bool) -> Box | None:
    """ "512x512" or "512×768". None while `typing` what may become one. Raises ValueError."""
    found = re.fullmatch(r"(\d{1,6})[xX×*](\d{1,6})", text)
    if found is not None:
        return Box(int(found[1]), int(found[2]))
    if typing and re.fullmatch(r"\d{1,6}[xX×*]?", text):
        return None
    raise ValueError("is not a width x height")


def choice(text: str, choices: tuple[str, ...], typing: bool) -> str | None:
    """The choice itself, or the only one that begins so; None while `typing` one. Raises ValueError."""
    if text in choices:
        return text
    begun = [word for word in choices if word.startswith(text)]
    if len(begun) == 1:
        return begun[0]
    if begun and typing:
        return None
    raise ValueError("is not one of the words that can stand here")


def days(text: str, today: date) -> Days | None:
    """ "2026", "2026-11", "2026-11-25", "today", "yesterday", "week", "month"; ">=", ">", "<", "<=", "a..b".

    Raises ValueError.
    """
    first, dots, last = text.partition("..")
    if dots:
        begin = _period(first, today)[0] if first else None
        end = _period(last, today)[1] if last else None
        if (begin is None and end is None) or (begin and end and begin >= end):
            raise ValueError("ends before it begins")
        return Days(begin, end)
    found = re.match(r">=|<=|>|<|=", text)
    begin, end = _period(text[len(found[0]) :] if found else text, today)
    kinds = {">": Days(end, None), ">=": Days(begin, None), "<": Days(None, begin), "<=": Days(None, end)}
    return kinds.get(found[0] if found else "=", Days(begin, end))


def is_unfinished_day(text: str, today: date) -> bool:
    """Whether more typing can make a day of a text that is none."""
    first, dots, rest = text.lower().partition("..")
    if dots and first:
        try:
            _period(first, today)
        except ValueError:
            return False
    if not dots:
        rest = re.sub(r"^(>=|<=|>|<|=)", "", first)
    if re.fullmatch(r"\d{0,3}", rest) or any(name.startswith(rest) for name in NAMED_DAYS):
        return True
    return any(day.startswith(rest) for day in _days_of(rest[:4]))


def _days_of(year: str) -> Iterator[str]:
    """All days of a year, in every way to write them; none for what is no year."""
    if re.fullmatch(r"(?!0000)[0-9]{4}", year):
        for month in range(1, 13):
            for day in range(1, monthrange(int(year), month)[1] + 1):
                for month_text in {str(month), f"{month:02}"}:
                    yield from (f"{year}-{month_text}-{day_text}" for day_text in {str(day), f"{day:02}"})


def _period(text: str, today: date) -> tuple[date, date]:
    """First day, and the day after the last one."""
    day = timedelta(days=1)
    named = {
        "today": (today, today),
        "yesterday": (today - day, today - day),
        "week": (today - 6 * day, today),
        "month": (today - 29 * day, today),
    }.get(text.lower())
    if named is not None:
        return named[0], named[1] + day
    found = re.fullmatch(r"(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?-?", text)
    if found is None:
        raise ValueError("is not a day, a month or a year")
    year, month, number_of_day = (None if part is None else int(part) for part in found.groups())
    assert year is not None  # it is no optional part
    try:
        if month is not None and number_of_day is not None:
            first = date(year, month, number_of_day)
            return first, first + day
        if month is not None:
            return date(year, month, 1), date(year + month // 12, month % 12 + 1, 1)
        return date(year, 1, 1), date(year + 1, 1, 1)
    except (ValueError, OverflowError):
        raise ValueError("is not a day, a month or a year of the calendar") from None
