"""What plugins leave in a picture: scores, notes, their pictures, and schedulers of their own."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.plugins import PartType
from studio.core.recipe import ImageRef, PluginRef, PluginUse, Recipe
from studio.gallery.png import encode, made_with_from_text, made_with_text, read_imprint, recipe_of

PIXELS = Pixels(width=8, height=8, data=bytes(192))
MADE = MadeWith(studio="1", device="cpu", dtype="float32", seconds=1.0)
REFERENCE = b"any bytes"
DIGEST = hashlib.sha256(REFERENCE).hexdigest()
USE = PluginUse(
    plugin=PluginRef(id="guidance", version="1.0.0", digest="0" * 64),
    type=PartType.GUIDE.value,
    part="clip",
    images=(("picture", ImageRef(digest=DIGEST)),),
)
RECIPE = Recipe(prompt="x", seed=1, plugins=(USE,), scheduler="toy:mine", raw_prompt="{x|y}")


def png(made_with: MadeWith = MADE, **inputs: bytes) -> bytes:
    return encode(PIXELS, RECIPE, made_with, "", datetime.now(UTC), inputs)


def test_scores_and_notes_come_back() -> None:
    made = replace(MADE, scores=(("clip_rank:clip", 0.25), ("clip_rank:clip", -1.0)), notes=("Made without “x”.",))
    assert read_imprint(png(made)).made_with == made
    assert read_imprint(png()).made_with == MADE


def test_a_plugins_picture_travels_inside_and_its_scheduler_has_a_name() -> None:
    recipe, _, inputs = recipe_of(png(**{DIGEST: REFERENCE}))
    assert recipe == RECIPE
    assert inputs == {DIGEST: REFERENCE}
    assert b'Sampler: "toy:mine"' in png()


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ([["a:b", 1]], (("a:b", 1.0),)),
        ([["a:b", "1"], ["a:b"], [1, 1], "x", None, ["c:d", True], ["e:f", 2.5]], (("e:f", 2.5),)),
        ([["a:b", 1e999]], ()),
        ({"a:b": 1}, ()),
        ("nothing", ()),
        ([["a:b", 0.5]] * 1000, (("a:b", 0.5),) * 64),
    ],
)
def test_strange_scores_are_left_out(scores: Any, kept: Any) -> None:
    card = json.loads(made_with_text(MADE)) | {"scores": scores, "notes": ["a", 1, None]}
    found = made_with_from_text(json.dumps(card))
    assert found == replace(MADE, scores=kept, notes=("a",))


def test_without_plugins_nothing_is_added() -> None:
    assert not {"scores", "notes"} & json.loads(made_with_text(MADE)).keys()
