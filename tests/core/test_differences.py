"""What differs between two recipes, in words: every field is seen, layers are matched, nothing is said twice."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from studio.core.choices import ControlKind, ControlMode, ResizeMode, Spacing
from studio.core.differences import NONE, Difference, differences
from studio.core.recipe import ControlUse, FileRef, ImageRef, ModelRef, PluginRef, PluginUse, Recipe, Size

BASE = Recipe(prompt="a red house", seed=7)
SKETCH, OTHER = ImageRef(digest="ab" * 32), ImageRef(digest="cd" * 32)
CANNY = ControlUse(kind=ControlKind.CANNY, image=SKETCH)
SCRIBBLE = ControlUse(kind=ControlKind.SCRIBBLE, image=SKETCH)


def lora(name: str = "ink", weight: float = 0.8, version: str = "1.0.0") -> PluginUse:
    return PluginUse(
        plugin=PluginRef(id="lora", version=version, digest="ef" * 32),
        type="adapter",
        part="lora",
        values=(("weight", weight),),
        files=(("file", FileRef(name=name, sha256="12" * 32)),),
    )


def said(a: Recipe, b: Recipe) -> list[tuple[str, str, str]]:
    return [(found.title, found.before, found.after) for found in differences(a, b)]


CHANGED: dict[str, Any] = {
    "prompt": "a blue house",
    "seed": 8,
    "negative_prompt": "blurry",
    "steps": 30,
    "scheduler": "ddim",
    "spacing": Spacing.KARRAS,
    "guidance_scale": 7.5,
    "size": Size(width=512, height=256),
    "model": ModelRef(name="other"),
    "controls": (CANNY,),
    "exact": True,
    "plugins": (lora(),),
    "raw_prompt": "a {red|blue} house",
}


@pytest.mark.parametrize("field", fields(Recipe), ids=lambda field: field.name)
def test_every_field_of_a_recipe_is_seen(field: Any) -> None:
    if field.name not in CHANGED:
        pytest.skip("a newer field, whose values this test does not know")
    found = differences(BASE, replace(BASE, **{field.name: CHANGED[field.name]}))
    assert len(found) == 1
    assert found[0].before != found[0].after


def test_equal_recipes_differ_in_nothing() -> None:
    whole = replace(BASE, controls=(CANNY,), plugins=(lora(),))
    assert differences(whole, replace(whole)) == ()


def test_the_words() -> None:
    changed = replace(BASE, seed=9, scheduler="dpmpp_2m", spacing=Spacing.KARRAS, size=Size(width=512, height=320))
    assert differences(BASE, changed) == (
        Difference(field="seed", title="Seed", before="7", after="9"),
        Difference(field="scheduler", title="Scheduler", before="DPM++ 2M", after="DPM++ 2M Karras"),
        Difference(field="size", title="Size", before="256 × 256", after="512 × 320"),
    )
    assert said(BASE, replace(BASE, negative_prompt="fog")) == [("Negative prompt", "–", "fog")]


def test_a_changed_layer_is_not_one_gone_and_one_come() -> None:
    before = replace(BASE, controls=(CANNY, SCRIBBLE))
    after = replace(BASE, controls=(CANNY, replace(SCRIBBLE, weight=0.6, end=0.5, resize=ResizeMode.PAD)))
    assert said(before, after) == [
        ("Control scribble: weight", "1", "0.6"),
        ("Control scribble: end", "100%", "50%"),
        ("Control scribble: resize", "crop", "pad"),
    ]
    assert differences(before, after)[0].field == "controls[1].weight"


def test_a_layer_that_came_or_went() -> None:
    with_it = replace(BASE, controls=(replace(CANNY, invert=True),))
    words = "picture abababab, weight 1, 0% to 100%, inverted"
    assert said(BASE, with_it) == [("Control canny", "–", words)]
    assert said(with_it, BASE) == [("Control canny", words, "–")]


def test_layers_of_one_kind_are_matched_by_their_picture() -> None:
    first, second = CANNY, replace(CANNY, image=OTHER, weight=0.5)
    before, after = replace(BASE, controls=(first, second)), replace(BASE, controls=(replace(second, weight=0.7),))
    assert said(before, after) == [
        ("Control canny 1", "picture abababab, weight 1, 0% to 100%", "–"),
        ("Control canny 2: weight", "0.5", "0.7"),
    ]


def test_a_changed_picture_of_a_layer() -> None:
    before, after = replace(BASE, controls=(CANNY,)), replace(BASE, controls=(replace(CANNY, image=OTHER),))
    assert said(before, after) == [("Control canny: picture", "picture abababab", "picture cdcdcdcd")]


def test_another_order_is_a_difference() -> None:
    before, after = replace(BASE, controls=(CANNY, SCRIBBLE)), replace(BASE, controls=(SCRIBBLE, CANNY))
    assert said(before, after) == [("Order of the control layers", "canny, scribble", "scribble, canny")]


def test_loras() -> None:
    before = replace(BASE, plugins=(lora("ink"), lora("wood")))
    assert said(BASE, replace(BASE, plugins=(lora(),))) == [("LoRA ink", "–", "file ink, weight 0.8")]
    assert said(before, replace(BASE, plugins=(lora("ink"), lora("wood", 0.3)))) == [
        ("LoRA wood: weight", "0.8", "0.3")
    ]


def test_a_plugin_of_another_version_or_of_other_bytes() -> None:
    before = replace(BASE, plugins=(lora(),))
    assert said(before, replace(BASE, plugins=(lora(version="2.0.0"),))) == [
        ("LoRA ink: version", "lora 1.0.0", "lora 2.0.0")
    ]
    changed = replace(lora(), plugin=PluginRef(id="lora", version="1.0.0", digest="99" * 32))
    assert said(before, replace(BASE, plugins=(changed,))) == [
        ("LoRA ink: version", "lora 1.0.0 (efefefef)", "lora 1.0.0 (99999999)")
    ]


def test_texts_that_differ_only_in_white_space_do_not_look_the_same() -> None:
    found = differences(BASE, replace(BASE, prompt="a red  house"))
    assert found[0].before != found[0].after


def test_there_and_back_says_the_opposite() -> None:
    a = replace(BASE, controls=(CANNY,), plugins=(lora(),), steps=9)
    b = replace(BASE, controls=(replace(CANNY, weight=0.1),), plugins=(lora(weight=1.5),), exact=True)
    there = {(d.field, d.before, d.after) for d in differences(a, b)}
    back = {(d.field, d.after, d.before) for d in differences(b, a)}
    assert there == back
    assert len(there) == 4


def test_a_digest_that_was_not_written_down_is_no_difference() -> None:
    old, new = (Recipe(prompt="", seed=1, model=ModelRef(name="river", sha256=sha)) for sha in ("", "ab" * 32))
    assert differences(old, new) == differences(new, old) == ()
    other = Recipe(prompt="", seed=1, model=ModelRef(name="river", sha256="cd" * 32))
    assert [one.field for one in differences(new, other)] == ["model"]


def test_a_strength_counts_only_where_a_picture_is_begun_with() -> None:
    plain, other = Recipe(prompt="x", seed=1, strength=0.6), Recipe(prompt="x", seed=1, strength=0.3)
    assert differences(plain, other) == ()
    begun = replace(other, init=ImageRef(digest="ab" * 32))
    assert [(d.title, d.before, d.after) for d in differences(plain, begun)] == [
        ("Begins with", NONE, "picture abababab"),
        ("Strength", NONE, "0.3"),
    ]


def test_the_mode_of_a_layer_in_words() -> None:
    led = replace(CANNY, mode=ControlMode.UNBALANCED)
    found = said(replace(BASE, controls=(CANNY,)), replace(BASE, controls=(led,)))
    assert found == [("Control canny: mode", "balanced", "most control")]
    assert said(BASE, replace(BASE, controls=(led,)))[0][2].endswith("most control")
