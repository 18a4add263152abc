"""Prompt weights in the notation most prompts in circulation use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.engine.emphasis import Piece, is_plain, pieces_of


@pytest.mark.parametrize(
    ("prompt", "pieces"),
    [
        ("a red house", [("a red house", 1)]),
        ("", [("", 1)]),
        ("a (red) house", [("a ", 1), ("red", 1.1), (" house", 1)]),
        ("((red))", [("red", 1.21)]),
        ("[red] house", [("red", 1 / 1.1), (" house", 1)]),
        ("(red:1.3) house", [("red", 1.3), (" house", 1)]),
        ("(red : .5 )", [("red ", 0.5)]),
        ("(a (b:2) c:0.5)", [("a ", 0.5), ("b", 1.0), (" c", 0.5)]),
        (r"a \(red\) house", [("a (red) house", 1)]),
        ("time 12:30, a house", [("time 12:30, a house", 1)]),
        ("(time: noon)", [("time: noon", 1.1)]),
        ("a ) house ]", [("a ) house ]", 1)]),
        ("a (red house", [("a ", 1), ("red house", 1.1)]),
        ("red:1.3)", [("red:1.3)", 1)]),
        ("(red:99)", [("red", 10)]),
    ],
)
def test_reads(prompt: str, pieces: list[tuple[str, float]]) -> None:
    found = pieces_of(prompt)
    assert [piece.text for piece in found] == [text for text, _ in pieces]
    assert [piece.weight for piece in found] == pytest.approx([weight for _, weight in pieces])


@given(st.text(st.sampled_from("ab ()[]:\\1.5é"), max_size=40))
def test_reads_anything_and_loses_no_word(prompt: str) -> None:
    pieces = pieces_of(prompt)
    assert pieces
    letters = [sign for piece in pieces for sign in piece.text if sign in "abé"]
    assert letters == [sign for sign in prompt if sign in "abé"]
    if is_plain(prompt):
        assert pieces == (Piece(prompt),)
