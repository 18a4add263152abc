"""A recipe survives its text form, whatever stands in it; anything else is refused in words."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.core.choices import ControlKind, ControlMode, ResizeMode, Tiling
from studio.core.detectors import FITTING, named
from studio.core.draft import ControlLayer, draft_of, expand
from studio.core.errors import BadRecipe
from studio.core.recipe import SEED_MAX, ControlUse, FreeU, ImageRef, ModelRef, Recipe, Size
from studio.core.recipe_text import SCHEMA, draft_from_text, draft_to_text, from_text, to_text
from studio.core.schedulers import SCHEDULERS

unit = st.floats(0, 1, allow_nan=False)
sides = st.integers(8, 256).map(lambda n: n * 8)
prompts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=300)
digests = st.binary(min_size=32, max_size=32).map(bytes.hex)
models = st.builds(
    lambda name, sha256: ModelRef(name=name, sha256=sha256),
    st.sampled_from(["mini", "Träume v1.5", "模型"]), st.one_of(st.just(""), digests),
)  # fmt: skip
names = st.one_of(st.none(), models)
controls = st.builds(
    lambda kind, digest, weight, ends, resize, invert, low, high, net, mode: ControlUse(
        kind=kind[0], image=ImageRef(digest=digest), weight=weight, start=min(ends), end=max(ends), resize=resize,
        invert=invert, low=low, high=high, net=net, detector=kind[1], mode=mode,
    ),
    st.sampled_from([(kind, named(kind, one)) for kind, fit in FITTING.items() for one in fit]), digests,
    st.floats(0, 4), st.tuples(unit, unit), st.sampled_from(ResizeMode),
    st.booleans(), st.integers(0, 255), st.integers(0, 255), names, st.sampled_from(ControlMode),
)  # fmt: skip
schedules = st.sampled_from([(info.id, spacing) for info in SCHEDULERS.values() for spacing in info.spacings])
factors = st.floats(0.05, 2)
more = st.fixed_dictionaries({
    "init": st.one_of(st.none(), digests.map(lambda digest: ImageRef(digest=digest))), "strength": unit,
    "clip_skip": st.integers(0, 11), "guidance_rescale": unit, "refiner": names, "refine_at": unit, "vae": names,
    "weights": st.booleans(), "tiling": st.sampled_from(Tiling),
    "freeu": st.one_of(st.none(), st.builds(lambda s1, s2, b1, b2: FreeU(s1=s1, s2=s2, b1=b1, b2=b2), *[factors] * 4)),
})  # fmt: skip
recipes = st.builds(
    lambda prompt, negative, seed, steps, schedule, guidance, width, height, model, uses, exact, more: Recipe(
        prompt=prompt, negative_prompt=negative, seed=seed, steps=steps, scheduler=schedule[0], spacing=schedule[1],
        guidance_scale=guidance, size=Size(width=width, height=height), model=model, controls=tuple(uses),
        exact=exact, **more,
    ),
    prompts, prompts, st.integers(0, SEED_MAX), st.integers(1, 1000), schedules, st.floats(0, 50), sides, sides,
    models, st.lists(controls, max_size=4), st.booleans(), more,
)  # fmt: skip


@given(recipes)
def test_round_trip(recipe: Recipe) -> None:
    assert from_text(to_text(recipe)) == recipe


@given(recipes, st.booleans(), st.one_of(st.none(), st.integers(0, SEED_MAX)))
def test_draft_round_trip(recipe: Recipe, enabled: bool, seed: int | None) -> None:
    layers = tuple(ControlLayer(use=use, enabled=enabled) for use in recipe.controls)
    draft = replace(draft_of(recipe), seed=seed, controls=layers, count=3)
    assert draft_from_text(draft_to_text(draft)) == draft


@given(recipes)
def test_a_draft_says_all_that_its_recipe_says(recipe: Recipe) -> None:
    assert expand(draft_of(recipe), random.Random(0)) == (recipe,)


def test_what_is_left_alone_is_not_written() -> None:
    """So most recipes read as before."""
    written = json.loads(to_text(Recipe(prompt="p", seed=1)))
    rare = {"init", "strength", "clip_skip", "guidance_rescale", "refiner", "refine_at", "vae", "freeu", "tiling"}
    assert not rare & written.keys()
    assert written["studio_recipe"] == 3, "also a studio of before can read it"


def test_what_an_older_studio_does_not_know_is_marked_as_newer() -> None:
    for recipe in (Recipe(prompt="p", seed=1, freeu=FreeU()), Recipe(prompt="p", seed=1, tiling=Tiling.X)):
        assert json.loads(to_text(recipe))["studio_recipe"] == 4


@pytest.mark.parametrize(
    "wrong", [{"freeu": 1}, {"freeu": {"s1": "x"}}, {"freeu": {"s9": 1}}, {"freeu": {"b1": 9}}, {"tiling": "round"}]
)
def test_wrong_extras_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRecipe):
        from_text(json.dumps(GOOD | wrong))


def test_surrogates_and_nul_do_not_reach_a_file() -> None:
    text = to_text(Recipe(prompt="a\ud800b\x00c", seed=1))
    text.encode("utf-8")
    assert from_text(text).prompt == "a\ufffdbc"


GOOD = json.loads(to_text(Recipe(prompt="p", seed=1)))


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "3", '"x"', "{}", '{"studio_recipe": "1"}', '{"studio_recipe": true}', "[" * 100_000,
        '{"studio_recipe": 1}', json.dumps(GOOD | {"studio_recipe": SCHEMA + 1}), json.dumps(GOOD | {"extra": 1}),
        json.dumps(GOOD | {"seed": "1"}), json.dumps(GOOD | {"seed": -1}), json.dumps(GOOD | {"seed": 1e300}),
        json.dumps(GOOD | {"steps": None}), json.dumps(GOOD | {"prompt": 5}), json.dumps(GOOD | {"prompt": ["a"]}),
        json.dumps(GOOD | {"width": "256"}), json.dumps(GOOD | {"width": 10**9}), json.dumps(GOOD | {"spacing": "odd"}),
        json.dumps(GOOD | {"controls": {}}), json.dumps(GOOD | {"controls": [1]}), json.dumps(GOOD | {"controls": [{}]}),
        json.dumps(GOOD | {"controls": [{"kind": "scribble", "image": "../etc"}]}), json.dumps(GOOD | {"exact": "yes"}),
        json.dumps(GOOD | {"guidance_scale": True}), json.dumps(GOOD | {"model": 7}), json.dumps(GOOD | {"model": ""}),
        to_text(Recipe(prompt="p", seed=1)).replace("5.0", "NaN"), to_text(Recipe(prompt="p", seed=1)).replace("5.0", "-Infinity"),
        json.dumps(GOOD | {"prompt": "x" * 300_000}), json.dumps(GOOD | {"guidance_scale": 10**400}),
        json.dumps(GOOD | {"controls": [{"kind": "scribble", "image": "ab" * 32, "weight": 10**400}]}),
        json.dumps(GOOD | {"plugins": [{"plugin": {"id": "a"}, "type": "guide", "part": "b", "values": {"v": 10**400}}]}),
        json.dumps(GOOD | {"controls": [{"kind": "scribble", "image": "ab" * 32, "invert": 3}]}),
        json.dumps(GOOD | {"controls": [{"kind": "scribble", "image": "ab" * 32, "weight": "1"}]}),
        json.dumps(GOOD | {"controls": [{"kind": "scribble", "image": "ab" * 32, "__class__": 1}]}),
        json.dumps(GOOD | {"init": None}), json.dumps(GOOD | {"init": "../x"}), json.dumps(GOOD | {"strength": "1"}),
        json.dumps(GOOD | {"strength": 1.1}), json.dumps(GOOD | {"clip_skip": 1.5}), json.dumps(GOOD | {"clip_skip": True}),
        json.dumps(GOOD | {"weights": 1}), json.dumps(GOOD | {"vae": 3}), json.dumps(GOOD | {"refiner": ""}),
        json.dumps(GOOD | {"refine_at": -1}),
    ],
)  # fmt: skip
def test_foreign_text_is_refused_in_words(text: str) -> None:
    with pytest.raises(BadRecipe) as error:
        from_text(text)
    assert error.value.headline
    assert len(error.value.headline) < 400


@pytest.mark.parametrize("field", ["model", "refiner", "vae"])
def test_a_model_named_by_nothing_that_can_be_written_is_refused(field: str) -> None:
    """What is read can be written and read again: a draft that could not be was lost at the next start."""
    fields = json.loads(to_text(Recipe(prompt="x", seed=1)))
    with pytest.raises(BadRecipe, match="named"):
        from_text(json.dumps(fields | {field: "\0"}))


def test_missing_fields_take_their_defaults() -> None:
    assert from_text('{"studio_recipe": 1, "prompt": "p", "seed": 4}') == Recipe(prompt="p", seed=4)


@pytest.mark.parametrize(
    ("prompt", "weights"), [("a house", True), ("a (red) house", False), ("a house, " * 20, False)]
)
def test_older_recipes_read_brackets_and_long_prompts_as_they_did(prompt: str, weights: bool) -> None:
    old = json.dumps({"studio_recipe": 2, "prompt": prompt, "seed": 4})
    assert from_text(old) == Recipe(prompt=prompt, seed=4, weights=weights)
    assert from_text(to_text(from_text(old))) == from_text(old)


def test_text_names_no_folder() -> None:
    recipe = replace(Recipe(prompt="p", seed=1), controls=())
    assert "/" not in to_text(recipe)


def test_a_mode_asks_for_a_studio_that_knows_it_and_only_then() -> None:
    plain = ControlUse(kind=ControlKind.SCRIBBLE, image=ImageRef(digest="ab" * 32))
    texts = [
        to_text(Recipe(prompt="", seed=1, controls=(one,)))
        for one in (plain, replace(plain, mode=ControlMode.MORE_PROMPT))
    ]
    assert [json.loads(text)["studio_recipe"] for text in texts] == [3, 5]
    assert "mode" not in json.loads(texts[0])["controls"][0]
    with pytest.raises(BadRecipe, match="control layer of the recipe cannot be read"):
        from_text(texts[1].replace("more_prompt", "most_prompt"))
