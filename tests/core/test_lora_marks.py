"""Marks like <lora:name:0.8> in a prompt: found, read and taken out whole."""

from __future__ import annotations

import pytest

from studio.core.lora_marks import LoraMark, first_mark, without_mark


@pytest.mark.parametrize(
    ("prompt", "kind", "name", "weight", "rest"),
    [
        ("a house, <lora:ink wash:0.8>, misty", "lora", "ink wash", 0.8, "a house, misty"),
        ("<lora:ink:1> a house", "lora", "ink", 1.0, "a house"),
        ("a house <lyco:ink:-.5:1>", "lyco", "ink", -0.5, "a house"),
        ("a house<lora:ink>", "lora", "ink", None, "a house"),
        ("a house, <hypernet:old:0.3>", "hypernet", "old", 0.3, "a house"),
    ],
)
def test_a_mark_is_read_and_taken_out(prompt: str, kind: str, name: str, weight: float | None, rest: str) -> None:
    mark = first_mark(prompt)
    assert mark is not None
    assert (mark.kind, mark.name, mark.weight) == (kind, name, weight)
    assert without_mark(prompt, mark) == rest


@pytest.mark.parametrize("prompt", ["", "a < b > c", "<lora:half", "<lora::1>", "<b>house</b>", "(house:1.2) [x]"])
def test_other_words_are_none(prompt: str) -> None:
    assert first_mark(prompt) is None


def test_the_rest_of_a_prompt_stays_as_it_was_typed() -> None:
    assert without_mark("a house,\n\n  trees ,", LoraMark("<lora:x:1>", "lora", "x", 1.0)) == "a house,\n\n  trees ,"
