"""A new picture knows its parents: remade, varied, steered by."""

import random
from dataclasses import replace

import pytest

from studio.core.choices import ControlKind
from studio.core.draft import ControlLayer, Draft, draft_of, expand
from studio.core.family import SOURCES_MAX, begins_anew, origin_of, parents_of, with_source
from studio.core.library import Link, LinkKind
from studio.core.recipe import ControlUse, ImageRef, Recipe
from studio.core.recipe_text import draft_from_text, draft_to_text

RECIPE = Recipe(prompt="a cat", seed=7)
PARENT = "20261125-101500-000000-aaaa"
SKETCH = ImageRef(digest="ab" * 32)


def restored(**changes: object) -> Draft:
    return replace(draft_of(RECIPE), origin=origin_of(PARENT, RECIPE), **changes)


def links(draft: Draft) -> tuple[Link, ...]:
    return parents_of(draft, expand(draft, random.Random(1))[0])


def test_what_was_restored_and_not_touched_is_remade() -> None:
    assert links(restored()) == (Link(kind=LinkKind.REMADE, parent=PARENT),)


@pytest.mark.parametrize("changes", [{"seed": None}, {"steps": 21}, {"prompt": "a cat "}, {"exact": True}])
def test_any_change_makes_it_varied(changes: dict[str, object]) -> None:
    assert links(restored(**changes)) == (Link(kind=LinkKind.VARIED, parent=PARENT),)


def test_of_a_batch_only_the_picture_with_the_first_seed_is_remade() -> None:
    draft = restored(count=2)
    kinds = [parents_of(draft, recipe)[0].kind for recipe in expand(draft, random.Random(1))]
    assert kinds == [LinkKind.REMADE, LinkKind.VARIED]


def test_a_draft_of_its_own_has_no_parents() -> None:
    assert links(Draft(prompt="a cat")) == ()


def test_a_library_picture_that_steers_is_a_parent_while_its_layer_is_on() -> None:
    layer = ControlLayer(use=ControlUse(kind=ControlKind.CANNY, image=SKETCH))
    draft = Draft(prompt="a cat", controls=(layer,), sources=((SKETCH.digest, PARENT),))
    assert links(draft) == (Link(kind=LinkKind.CONTROL, parent=PARENT),)
    assert links(replace(draft, controls=(replace(layer, enabled=False),))) == ()


def test_the_sources_are_bounded_and_the_last_word_counts() -> None:
    sources: tuple[tuple[str, str], ...] = ()
    for number in range(SOURCES_MAX + 5):
        sources = with_source(sources, f"{number:064d}", str(number))
    sources = with_source(sources, f"{SOURCES_MAX:064d}", "again")
    assert len(sources) == SOURCES_MAX
    assert sources[-1] == (f"{SOURCES_MAX:064d}", "again")
    assert dict(sources).get(f"{0:064d}") is None


@pytest.mark.parametrize(
    ("before", "after", "anew"),
    [
        ("a cat", "", True),
        ("a cat", "   ", True),
        ("a cat", "the dog", True),
        ("a cat", "a cat on a mat", False),
        ("a cat", "one more cat", False),
        ("", "a cat", False),
        ("猫在草地上", "狗", True),
        ("猫在草地上", "猫", False),
    ],
)
def test_a_prompt_replaced_altogether_begins_anew(before: str, after: str, anew: bool) -> None:
    assert begins_anew(before, after) is anew


def test_origin_and_sources_survive_the_next_start() -> None:
    draft = restored(sources=((SKETCH.digest, PARENT),))
    assert draft_from_text(draft_to_text(draft)) == draft
    assert draft_from_text(draft_to_text(Draft(prompt="a cat"))).origin is None
