"""Wildcards: the little language, lists in files, seeds, and every mistake in words that name it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from plugins.wildcards import enable
from plugins.wildcards.wildcards import Wildcards
from studio.api import BadRecipe, Use
from studio.core.paths import SHIPPED_PLUGINS
from studio.core.plugins import PartType
from studio.mini.drawings import COLOURS, KINDS
from studio.plugins.bundle import read_bundle
from studio.plugins.registry import PartRegistry

FOLDER = SHIPPED_PLUGINS / "wildcards"


@pytest.fixture
def use(tmp_path: Path) -> Use:
    return Use(plugin="wildcards", part="wildcards", folder=FOLDER, data=tmp_path / "own")


def write(use: Use, name: str, text: str) -> None:
    file = use.data / f"{name}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8")


def drawn(use: Use, prompt: str, seeds: int = 200) -> Counter[str]:
    tool = Wildcards()
    return Counter(tool(prompt, seed, 1, use)[0] for seed in range(seeds))


def possible(use: Use, prompt: str) -> set[str]:
    """All texts that a prompt of few can become, in one call."""
    return set(Wildcards()(prompt, 0, 64, use))


def shipped(name: str) -> list[str]:
    lines = (FOLDER / "lists" / f"{name}.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_it_registers_what_it_declares() -> None:
    registry = PartRegistry(read_bundle(FOLDER, "wildcards").manifest)
    enable(registry)
    assert set(registry.close()) == {(PartType.PROMPT_TOOL, "wildcards")}


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("a {red|blue} house", {"a red house", "a blue house"}),
        ("{a|{b|{c|d}}}", {"a", "b", "c", "d"}),
        ("{a}", {"a"}),
        ("{0::a|b}", {"b"}),
        ("a {big |}house", {"a big house", "a house"}),
        ("a {big|} house", {"a big house", "a house"}),
        ("{2$$a|b}", {"a, b", "b, a"}),
        ("{2$$ and $$a|b}", {"a and b", "b and a"}),
        ("{2$$$$a|b}", {"ab", "ba"}),
        ("{1-2$$+$$a|b}", {"a", "b", "a+b", "b+a"}),
        ("{0-1$$a|b}!", {"!", "a!", "b!"}),
        ("x|y", {"x|y"}),
        (r"\{a\|b\} \\ \(c:1.2\) {d\|e\}|d\|e\}}", {r"{a|b} \ \(c:1.2\) d|e}"}),
        (r"\__colours\__", {"__colours__"}),
        ("one  two __", {"one  two __"}),
        ("$5 a::b 2::c", {"$5 a::b 2::c"}),
        ("一{座|栋}房子", {"一座房子", "一栋房子"}),
        ("", {""}),
    ],
)
def test_the_language(use: Use, prompt: str, wanted: set[str]) -> None:
    assert possible(use, prompt) == wanted


def test_weights_are_shares(use: Use) -> None:
    counts = drawn(use, "{3::a|b}", 2000)
    assert 0.70 < counts["a"] / 2000 < 0.80
    counts = drawn(use, "{0.5::a|1.5::b}", 2000)
    assert 0.20 < counts["a"] / 2000 < 0.30


def test_several_are_different_ones_and_all_of_them_come(use: Use) -> None:
    counts = drawn(use, "{2$$+$$a|b|c}", 600)
    assert set(counts) == {"a+b", "a+c", "b+a", "b+c", "c+a", "c+b"}
    pairs = [text.split(" and ") for text in possible(use, "{2$$ and $$__colours__}")]
    assert all(first != second and {first, second} <= set(COLOURS) for first, second in pairs)


def test_lists_of_the_artist(use: Use) -> None:
    write(use, "mine", "\ufeff# a comment\n\nred\n  blue  \n\\# plain\n3::{a|b} x\n__deep/er/list__\n")
    write(use, "deep/er/list", "cat\n")
    assert possible(use, "__mine__") == {"red", "blue", "# plain", "a x", "b x", "cat"}
    assert possible(use, "__deep/er/list__.") == {"cat."}


def test_own_lists_hide_those_that_ship_and_globs_find_both(use: Use) -> None:
    write(use, "colours", "octarine\n")
    assert possible(use, "__colours__") == {"octarine"}
    write(use, "animals_of_mine/cats", "lynx\n")
    write(use, "animals_of_mine/dogs", "wolf\n")
    assert possible(use, "__animals_*/*__") == {"lynx", "wolf"}
    assert possible(use, "__*/c?ts__") == {"lynx"}
    assert possible(use, "__c*s__") == {"octarine"}, "* stays within one folder"
    assert possible(use, "__animal*__") == set(shipped("animals"))


def test_what_ships_is_minis_world(use: Use) -> None:
    assert shipped("colours") == list(COLOURS)
    assert possible(use, "__things__") == set(KINDS)
    assert len(shipped("zh/things")) == len(KINDS) and len(shipped("zh/colours")) == len(COLOURS)
    for file in (FOLDER / "lists").rglob("*.txt"):
        name = file.relative_to(FOLDER / "lists").with_suffix("").as_posix()
        assert all(text and "__" not in text for text in possible(use, f"__{name}__"))


def test_same_seed_same_text_and_another_picture_another_text(use: Use) -> None:
    prompt = "a __colours__ __things__ __settings__, __times__"
    first, again = Wildcards()(prompt, 7, 4, use), Wildcards()(prompt, 7, 4, use)
    assert first == again and len(set(first)) == 4
    assert [Wildcards()(prompt, 7 + n, 1, use)[0] for n in range(4)] == list(first)
    assert len(drawn(use, prompt, 50)) > 40
    assert sorted(Wildcards()("{a|b}", 0, 9, use)) == ["a", "b"], "never one text twice"


def test_a_fixed_seed_stays_what_it_was(use: Use) -> None:
    """Recipes name a seed: these texts must never change with a version of this plugin or of Python."""
    assert Wildcards()("{a|b|c|d|e|f|g|h} {2$$1|2|3|4}", 2026, 1, use) == ["a 3, 2"]


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("a {red|blue house", "{red|blue house"),
        ("a {red|{blue} house", "{red|{blue}"),
        ("a red|blue} house", "red|blue} house"),
        ("a __nowhere__ cat", "__nowhere__"),
        ("a __colour__ cat", "__colours__"),
        ("__../secret__", "__../secret__"),
        ("__empty__", "__empty__"),
        ("__a__", "__a__ → __b__ → __a__"),
        ("__self__", "__self__ → __self__"),
        ("{3$$a|b}", "3 of 2"),
        ("{3-2$$a|b}", "3 to 2"),
        ("{0::a|0::b}", "weight 0"),
        ("__broken__", "Line 2 of the wildcard list broken.txt"),
        ("__latin__", "latin.txt"),
        ("__long__", "20,000"),
        ("__many__", "5,000"),
        ("{" * 200 + "a" + "}" * 200, "nested"),
        ("{" * 60 + "__steps__" + "}" * 60, "deep"),
    ],
)
def test_mistakes_are_named(use: Use, prompt: str, named: str) -> None:
    write(use, "empty", "# nothing here\n\n0::never\n")
    write(use, "a", "__b__\n")
    write(use, "b", "__a__ and more\n")
    write(use, "self", "x __self__\n")
    write(use, "broken", "fine\n{not closed\n")
    write(use, "long", "{1|2} " + "x" * 19_999)
    write(use, "many", "__m1__" * 30)
    write(use, "m1", "__m2__" * 30)
    write(use, "m2", "{a|b}" * 30)
    write(use, "steps", "{" * 60 + "a" + "}" * 60)
    (use.data / "latin.txt").write_bytes("Bäume".encode("latin-1"))
    with pytest.raises(BadRecipe) as caught:
        Wildcards()(prompt, 1, 1, use)
    assert named in str(caught.value)
    assert caught.value.hint


def test_a_missing_list_says_where_it_belongs(use: Use) -> None:
    with pytest.raises(BadRecipe) as caught:
        Wildcards()("__mine__", 1, 1, use)
    assert str(use.data) in caught.value.hint and use.data.is_dir()
