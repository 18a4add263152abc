"""What a search finds is what one finds by looking at every picture: random libraries, random searches."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from studio.core.choices import ControlKind
from studio.core.library import Query
from studio.core.picture import Picture
from studio.core.recipe import ControlUse, ImageRef, ModelRef, Recipe
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in

WORDS = ("red", "Redwood", "house", "boat", "café", "sea-side", "w_1", "红房", "房子")
SKETCH = ControlUse(kind=ControlKind.SCRIBBLE, image=ImageRef(digest="ab" * 32))


def random_recipe(rng: random.Random) -> Recipe:
    made = recipe(" ".join(rng.choices(WORDS, k=rng.randrange(1, 5))), seed=rng.randrange(6))
    return replace(
        made,
        negative_prompt=rng.choice(("", "ugly", "red")),
        steps=rng.choice((4, 20, 30)),
        guidance_scale=rng.choice((1.0, 5.0, 7.5)),
        model=ModelRef(name=rng.choice(("mini", "Mini-lcm", "sd15"))),
        controls=rng.choice(((), (SKETCH,))),
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[GalleryStore, list[Picture]]]:
    rng = random.Random(4)
    store = store_in(tmp_path_factory.mktemp("truth") / "data")
    for number in range(50):
        picture = store.add(noise(8, number), random_recipe(rng), MADE_WITH)
        store.mark(
            [picture.id],
            rating=rng.choice((0, 0, 3, 5)),
            note=rng.choice(("", "a red note")),
            add_tags=rng.choice(((), ("sea side",), ("Boat", "x"))),
            add_boards=rng.choice(((), ("My board",))),
        )
    yield store, list(store.page(0, 99))
    store.close()


def words_of(text: str) -> list[str]:
    """As FTS5's unicode61 sees it: lower case without accents, split at all else, Chinese taken apart."""
    plain = text.lower().replace("é", "e")
    return re.findall(r"[一-鿿]|[^\W_一-鿿]+", plain)


def has_phrase(texts: list[str], phrase: str, prefix: bool) -> bool:
    wanted = words_of(phrase)
    for text in texts:
        words = words_of(text)
        for at in range(len(words) - len(wanted) + 1):
            part = words[at : at + len(wanted)]
            if part[:-1] == wanted[:-1] and (part[-1].startswith(wanted[-1]) if prefix else part[-1] == wanted[-1]):
                return True
    return False


def texts_of(picture: Picture) -> list[str]:
    return [picture.recipe.prompt, picture.marks.note, "\n".join((*picture.marks.tags, *picture.marks.boards))]


TERMS = {
    **{f"{w} ": (lambda p, w=w: has_phrase(texts_of(p), w, False)) for w in (*WORDS, "note", "board", "房", "nothing")},
    **{f"{w}*": (lambda p, w=w: has_phrase(texts_of(p), w, True)) for w in ("re", "hou", "sea-s", "红", "r")},
    '"red house"': lambda p: has_phrase(texts_of(p), "red house", False),
    '"sea side"': lambda p: has_phrase(texts_of(p), "sea side", False),
    "negative:red": lambda p: p.recipe.negative_prompt == "red",
    "note:red": lambda p: "red" in p.marks.note,
    "seed:3": lambda p: p.recipe.seed == 3,
    "seed:2..4": lambda p: 2 <= p.recipe.seed <= 4,
    "steps:>20": lambda p: p.recipe.steps > 20,
    "steps:<=20": lambda p: p.recipe.steps <= 20,
    "guidance:>5": lambda p: p.recipe.guidance_scale > 5,
    "rating:>=4": lambda p: p.marks.rating >= 4,
    "rating:0": lambda p: p.marks.rating == 0,
    "model:mini": lambda p: "mini" in p.recipe.model.name.lower(),
    'model:"mini"': lambda p: p.recipe.model.name == "mini",
    "tag:sea": lambda p: "sea side" in p.marks.tags,
    "tag:boat": lambda p: "Boat" in p.marks.tags,
    'board:"my board"': lambda p: bool(p.marks.boards),
    "has:sketch": lambda p: bool(p.recipe.controls),
    "has:tag": lambda p: bool(p.marks.tags),
    "has:note": lambda p: bool(p.marks.note),
    "has:negative": lambda p: bool(p.recipe.negative_prompt),
    "shape:square": lambda p: True,
    "date:>=2000": lambda p: True,
    "is:trash": lambda p: False,
}
_asked = st.lists(st.tuples(st.booleans(), st.sampled_from(sorted(TERMS))), min_size=1, max_size=4)


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(asked=_asked)
def test_search_is_looking_at_every_picture(
    library: tuple[GalleryStore, list[Picture]], asked: list[tuple[bool, str]]
) -> None:
    store, pictures = library
    text = " ".join(("-" if negated else "") + term for negated, term in asked) + " "
    expected = [p.id for p in pictures if all(TERMS[term](p) != negated for negated, term in asked)]
    found = [p.id for p in store.pictures(store.listing(Query(text=text)).keys) if p is not None]
    assert found == expected, text
