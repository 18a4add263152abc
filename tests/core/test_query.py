"""The language of the search field, as an artist types it."""

from __future__ import annotations

import math
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.core.library import BadQuery
from studio.core.query import FIELDS, Condition, parse
from studio.core.query_complete import complete
from studio.core.query_values import Box, Choice, Days, Part, Span, Term, Word, symbols

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # others may work on this machine
TODAY = date(2026, 11, 25)


def terms(text: str) -> list[Term]:
    return [condition.term for condition in parse(text, TODAY)]


def understood(text: str) -> tuple[tuple[Condition, ...], BadQuery | None]:
    try:
        return parse(text, TODAY), None
    except BadQuery as error:
        return (), error


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("red hou", [Word("red"), Word("hou", True)]),
        ("red house ", [Word("red"), Word("house")]),
        ("re* house ", [Word("re", True), Word("house")]),
        ('"red house" boat ', [Word("red house"), Word("boat")]),
        ('"red house"', [Word("red house")]),
        ('"red hou', [Word("red hou", True)]),
        ("红色房子 ", [Word("红色房子")]),
        ("(red:1.3) !!! , ", [Word("(red:1.3)")]),
        ("(blue sea:1.3), ", [Word("(blue"), Word("sea:1.3),")]),
        ("seed:42", [Span("seed", 42, 42)]),
        ("steps:>20", [Span("steps", 21, math.inf)]),
        ("steps:<20", [Span("steps", -math.inf, 19)]),
        ("guidance:5..8", [Span("guidance", 5, 8)]),
        ("cfg:7.5", [Span("guidance", 7.5, 7.5)]),
        ("rating:>=4", [Span("rating", 4, math.inf)]),
        ("width:..512", [Span("width", -math.inf, 512)]),
        ("size:512x768", [Box(512, 768)]),
        ("SIZE:512×768", [Box(512, 768)]),
        ("model:mini", [Part("model", "mini")]),
        ('board:"My board"', [Part("board", "My board", True)]),
        ("sampler:ddim", [Part("scheduler", "ddim")]),
        ("has:sketch", [Choice("has", "sketch")]),
        ("is:tra", [Choice("is", "trash")]),
        ("color:gray", [Choice("colour", "grey")]),
        ("negative:blur", [Word("blur", True, "negative")]),
        ('negative:"very blurry"', [Word("very blurry", False, "negative")]),
        ("date:2026-11", [Days(date(2026, 11, 1), date(2026, 12, 1))]),
        ("date:2026-12", [Days(date(2026, 12, 1), date(2027, 1, 1))]),
        ("date:2026", [Days(date(2026, 1, 1), date(2027, 1, 1))]),
        ("date:today", [Days(TODAY, date(2026, 11, 26))]),
        ("date:>=2026-11-01", [Days(date(2026, 11, 1), None)]),
        ("date:>2026-11", [Days(date(2026, 12, 1), None)]),
        ("date:<2026", [Days(None, date(2026, 1, 1))]),
        ("date:2026-11-01..2026-11-03", [Days(date(2026, 11, 1), date(2026, 11, 4))]),
        ("seed:", []),
        ("steps:>", []),
        ("size:512x", []),
        ("date:20", []),
        ("date:>=2026-1", [Days(date(2026, 1, 1), None)]),
        ("date:2026-11-", [Days(date(2026, 11, 1), date(2026, 12, 1))]),
        ("date:to", []),
        ("date:2026-0", []),
        ("date:2026-12-0", []),
        ("date:2026-02-3", [Days(date(2026, 2, 3), date(2026, 2, 4))]),
        ("date:2025..20", []),
        ("colour:b", []),
        ("red -", [Word("red")]),
        ("🐱", [Word("🐱", True)]),
        ("♥ … “” + ", [Word("♥")]),
    ],
)
def test_what_is_understood(text: str, expected: list[Term]) -> None:
    assert terms(text) == expected


def test_not() -> None:
    plain, not_cat, not_mini, dash = parse("house -cat -model:mini half-timbered", TODAY)
    assert (plain.negated, not_cat.negated, not_mini.negated, dash.negated) == (False, True, True, False)
    assert not_mini.term == Part("model", "mini")
    assert (not_cat.start, not_cat.end) == (6, 10)
    assert dash.term == Word("half-timbered", True)


@pytest.mark.parametrize(
    ("text", "words", "marked"),
    [
        ("red sede:42", "There is no field “sede”. Did you mean “seed:”?", "sede:"),
        ("see http://x.org now", "There is no field “http”. Put it into quotes", "http:"),
        ("steps:many", "“many” is not a number or a range of numbers. Write for example steps:>20", "many"),
        ("a steps:8..5 b", "“8..5” ends before it begins", "8..5"),
        ("seed: red", "“seed:” says nothing to look for. Write for example seed:42", "seed:"),
        ("date:2026-13 ", "is not a day, a month or a year of the calendar", "2026-13"),
        ("date:2026-13", "“2026-13” is not a day, a month or a year of the calendar", "2026-13"),
        ("date:2026-13..", "“2026-13..” is not a day, a month or a year of the calendar", "2026-13.."),
        ("red -date:>=2026-02-30", "is not a day, a month or a year of the calendar", ">=2026-02-30"),
        ("date:0000", "is not a day, a month or a year of the calendar", "0000"),
        ("date:2026-0-", "is not a day", "2026-0-"),
        ("date:2026-12-32", "is not a day", "2026-12-32"),
        ("date:2026-13-1", "is not a day", "2026-13-1"),
        ("date:soon", "is not a day, a month or a year", "soon"),
        ("date:20 x", "is not a day, a month or a year", "20"),
        ("-size:big x", "is not a width x height", "big"),
        ("is:gone", "Choose one of: trash, missing, imported, sheet", "gone"),
        ("colour:b red", "is not one of the words", "b"),
    ],
)
def test_errors_are_sentences_that_point(text: str, words: str, marked: str) -> None:
    with pytest.raises(BadQuery) as caught:
        parse(text, TODAY)
    error = caught.value
    assert words in str(error)
    assert text[error.position : error.position + error.length] == marked


def test_symbols() -> None:
    assert symbols("a🐱🐶 cat❤\ufe0f, 👩🏽\u200d🎨\u200d ½ + $ €") == ("🐱🐶", "❤", "👩🏽\u200d🎨", "€")
    assert symbols("\u200d\ufe0f\U0001f3fb") == ("\U0001f3fb",)


@CALM
@given(st.text(st.sampled_from('ab红 -":*.<>=19x{}()\n') | st.characters(), max_size=60))
def test_any_text_is_understood_or_refused_in_words(text: str) -> None:
    conditions, error = understood(text)
    assert all(text[c.start : c.end].strip() for c in conditions)
    if error is not None:
        assert error.headline.endswith(".")
        assert 0 <= error.position <= error.position + error.length <= len(text)


@CALM
@given(st.sampled_from(sorted(FIELDS)), st.text(st.sampled_from("0123456789-.<>=xabtodayred"), max_size=12))
def test_any_value_is_understood_or_refused_in_words(name: str, value: str) -> None:
    error = understood(f"{name}:{value} x")[1]
    assert error is None or error.headline.endswith(".")


_words = st.text("abcdef红", min_size=1, max_size=6)
_terms = st.one_of(
    st.builds(Word, _words, st.booleans(), st.sampled_from(["", "note", "negative"])),
    st.builds(Word, st.lists(_words, min_size=2, max_size=3).map(" ".join), st.just(False)),
    st.builds(lambda f, n: Span(f, n, n), st.sampled_from(["seed", "steps", "width"]), st.integers(0, 10**9)),
    st.builds(lambda n: Span("steps", n, math.inf), st.integers(0, 999)),
    st.builds(Box, st.integers(1, 9999), st.integers(1, 9999)),
    st.builds(Part, st.sampled_from(["model", "tag", "board", "plugin"]), _words, st.booleans()),
    st.builds(lambda d: Days(d, None), st.dates(date(1900, 1, 1))),
)


def written(term: Term) -> str:
    match term:
        case Word(text, prefix, field):
            return (f"{field}:" if field else "") + (f'"{text}"' if " " in text else text + "*" * prefix)
        case Span(field, low, high):
            return f"{field}:{low:.0f}" if low == high else f"{field}:>={low:.0f}"
        case Days(first, _):
            return f"date:>={first}"
        case Box(width, height):
            return f"size:{width}x{height}"
        case Part(field, text, whole):
            return f'{field}:"{text}"' if whole else f"{field}:{text}"
        case Choice(field, value):
            return f"{field}:{value}"


@CALM
@given(st.lists(st.tuples(st.booleans(), _terms), max_size=8))
def test_what_is_written_is_read_back(asked: list[tuple[bool, Term]]) -> None:
    text = " ".join("-" * negated + written(term) for negated, term in asked) + " "
    assert [(c.negated, c.term) for c in parse(text, TODAY)] == asked


VALUES = {"model": [("mini", 9), ("dreamy mini", 3), ("sd15", 7)], "board": [("My board", 2)]}


def offered(text: str, cursor: int | None = None) -> list[str]:
    cursor = len(text) if cursor is None else cursor
    found = complete(text, cursor, lambda field: VALUES.get(field, []))
    return [text[: item.start] + item.text + text[item.end :] for item in found]


def test_names_of_fields_are_offered() -> None:
    assert offered("se") == ["seed:"]
    assert offered("red -se") == ["red -seed:"]
    assert offered("se house", 2) == ["seed: house"]
    assert offered("s") == ["seed:", "steps:", "size:", "shape:", "scheduler:"]
    assert offered("") == offered("red ") == offered('"se') == []


def test_known_values_are_offered() -> None:
    assert offered("model:mi") == ["model:mini", 'model:"dreamy mini"']
    assert offered("red model:") == ["red model:mini", "red model:sd15", 'red model:"dreamy mini"']
    assert offered('board:"m') == ['board:"My board"']
    assert offered("colour:b") == ["colour:blue", "colour:brown", "colour:black"]
    assert offered("date:t") == ["date:today"]
    assert offered("seed:4") == offered("sede:4") == []
    assert offered("model:mini") == ['model:"dreamy mini"']


@CALM
@given(st.text(max_size=40), st.integers(0, 40))
def test_completing_never_fails_and_stays_inside(text: str, cursor: int) -> None:
    for item in complete(text, min(cursor, len(text)), lambda field: VALUES.get(field, [])):
        assert 0 <= item.start <= item.end <= len(text)
