"""Names of exported files: readable, safe everywhere, refused where a pattern means nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from studio.core.export import STEM_BYTES, BadName, ExportWish, check_wish, file_stem
from studio.core.recipe import ModelRef, Recipe

MOMENT = datetime(2026, 11, 25, 12, 30, 5, tzinfo=UTC)


def stem(pattern: str, prompt: str = "a red house", model: str = "mini") -> str:
    return file_stem(pattern, "20261125-1", Recipe(prompt=prompt, seed=7, model=ModelRef(name=model)), MOMENT, 3)


def test_the_placeholders() -> None:
    assert stem("{n} {prompt} {seed}") == "003 a red house 7"
    assert stem("{id}_{steps}_{size}") == "20261125-1_20_256x256"
    assert stem("{date}").startswith("2026-11-2")


@pytest.mark.parametrize(
    ("prompt", "made"),
    [
        ("../../etc/passwd", "etc passwd 7"),
        ("a\\b:c*d?\"e<f>g|h", "a b c d e f g h 7"),
        ("line\nbreak\x00\u202e\ttab", "line break tab 7"),
        ("一只橙色的猫，草地", "一只橙色的猫 草地 7"),
        ("...", "7"),
        ("/home/alice/secret/idea.png", "idea.png 7"),
        ("🏠", "7"),
    ],
)  # fmt: skip
def test_any_prompt_gives_a_safe_name(prompt: str, made: str) -> None:
    assert stem("{prompt} {seed}", prompt) == made


def test_long_prompts_are_cut_at_a_word_and_names_fit_every_disk() -> None:
    name = stem("{prompt}", "a red house with a blue door and many flowers before it, on green hills under a sky")
    assert name == "a red house with a blue door and many flowers"
    assert len(stem("{prompt}" * 9, "猫" * 500).encode()) <= STEM_BYTES


@pytest.mark.parametrize("word", ["con", "NUL", "com1", "lpt9.x"])
def test_names_that_windows_keeps_for_itself(word: str) -> None:
    assert stem("{prompt}", word).startswith("_")


def test_a_name_is_never_empty_or_hidden() -> None:
    assert stem("{prompt}", "???") == "20261125-1"
    assert file_stem("{prompt}", "", None, None, 4) == "picture 004"
    assert not stem(".{seed}").startswith(".")


def test_unknown_placeholders_are_refused_in_words() -> None:
    with pytest.raises(BadName) as caught:
        check_wish(ExportWish(pattern="{promt}"))
    assert "“{promt}”" in caught.value.headline and "{prompt}" in caught.value.hint
    with pytest.raises(BadName):
        check_wish(ExportWish(pattern="  "))
    check_wish(ExportWish(pattern="{date} {prompt}"))


def test_the_name_of_a_sheet_says_so() -> None:
    """Its recipe is that of its cells, so that it would be called as one of them."""
    recipe = Recipe(prompt="a red house", seed=7)
    assert file_stem("{prompt} {seed}", "id", recipe, None, 1, is_sheet=True) == "a red house 7 sheet"
    assert file_stem("{prompt} {seed}", "id", recipe, None, 1) == "a red house 7"
