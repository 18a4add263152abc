"""Identical, close or different, and what has changed since."""

import math
import random
from dataclasses import replace

import pytest

from studio.core.installed import Installed
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.recipe import ModelRef, PluginRef, PluginUse, Recipe
from studio.core.verify import CLOSE_PSNR, Change, Verdict, circumstances, distance, verify, with_model_here

RECIPE = Recipe(prompt="a cat", seed=7)
DATA = random.Random(1).randbytes(16 * 16 * 3)
STORED = Pixels(width=16, height=16, data=DATA)
MADE = MadeWith(
    studio="0.1.0",
    device="cpu",
    dtype="float32",
    seconds=1.0,
    model_digest="ab" * 32,
    versions=(("torch", "2.15.0"), ("diffusers", "0.42.1")),
    pixel_sha256=STORED.sha256,
)


def moved(by: int, every: int = 1) -> Pixels:
    data = bytes(min(255, b + by) if i % every == 0 else b for i, b in enumerate(DATA))
    return Pixels(width=16, height=16, data=data)


def test_equal_pixels_are_identical_whatever_has_changed() -> None:
    now = replace(MADE, device="cuda:0", versions=(("torch", "2.16.0"),), seconds=9.0, notes=("x",))
    found = verify(STORED, RECIPE, MADE, STORED, RECIPE, now)
    assert found.verdict is Verdict.IDENTICAL
    assert found.distance is not None
    assert (found.distance.psnr, found.distance.largest, found.distance.share) == (math.inf, 0, 0.0)
    assert found.changes == (
        Change(name="device", before="cpu", after="cuda:0"),
        Change(name="torch", before="2.15.0", after="2.16.0"),
        Change(name="diffusers", before="0.42.1", after="not here"),
    )


def test_a_compiled_model_is_named_in_both_directions() -> None:
    compiled = replace(MADE, versions=(*MADE.versions, ("compiled", "inductor")))
    there = verify(STORED, RECIPE, MADE, STORED, RECIPE, compiled)
    back = verify(STORED, RECIPE, compiled, STORED, RECIPE, MADE)
    assert there.changes == (Change(name="compiled", before="not", after="inductor"),)
    assert back.changes == (Change(name="compiled", before="inductor", after="not here"),)


def test_one_step_of_brightness_is_close_and_measured() -> None:
    apart = distance(STORED, moved(1))
    assert apart is not None
    assert apart.largest == 1
    assert apart.psnr == pytest.approx(20 * math.log10(255), abs=0.1)  # a mean square of 1, save where 255 stayed 255
    assert verify(STORED, RECIPE, MADE, moved(1), RECIPE, MADE).verdict is Verdict.CLOSE


def test_the_share_counts_what_differs() -> None:
    apart = distance(STORED, moved(200, every=4))
    assert apart is not None
    assert 0.2 < apart.share <= 0.25


def test_another_picture_is_different() -> None:
    other = Pixels(width=16, height=16, data=random.Random(2).randbytes(16 * 16 * 3))
    found = verify(STORED, RECIPE, MADE, other, RECIPE, MADE)
    assert found.verdict is Verdict.DIFFERENT
    assert not found.holds
    assert found.distance is not None
    assert found.distance.psnr < CLOSE_PSNR


def test_another_size_is_different_without_a_distance() -> None:
    found = verify(STORED, RECIPE, MADE, Pixels(width=8, height=32, data=DATA), RECIPE, MADE)
    assert (found.verdict, found.distance) == (Verdict.DIFFERENT, None)


def test_a_file_that_somebody_edited_is_told_and_the_digest_decides() -> None:
    found = verify(moved(60), RECIPE, MADE, STORED, RECIPE, MADE)
    assert found.retouched
    assert found.verdict is Verdict.IDENTICAL
    assert found.distance is not None
    assert found.distance.largest == 60


def test_without_a_record_the_files_pixels_count() -> None:
    found = verify(STORED, RECIPE, None, STORED, RECIPE, MADE)
    assert (found.verdict, found.changes, found.retouched) == (Verdict.IDENTICAL, (), False)


def test_a_changed_plugin_is_named_by_version_and_digest() -> None:
    def with_plugin(version: str, digest: str) -> Recipe:
        ref = PluginRef(id="lora", version=version, digest=digest)
        return replace(RECIPE, plugins=(PluginUse(plugin=ref, type="adapter", part="lora"),))

    old, new = with_plugin("1.0", "a" * 64), with_plugin("1.0", "b" * 64)
    assert verify(STORED, old, MADE, STORED, old, MADE).changes == ()
    assert verify(STORED, old, MADE, STORED, new, MADE).changes == (
        Change(name="plugin lora", before="1.0 aaaaaaaaaaaa", after="1.0 bbbbbbbbbbbb"),
    )
    assert verify(STORED, old, MADE, STORED, RECIPE, MADE).changes[0].after == "left out"
    assert verify(STORED, with_plugin("", ""), MADE, STORED, new, MADE).changes == ()


def test_what_was_not_recorded_is_not_compared() -> None:
    assert circumstances(MadeWith(studio="", device="", dtype="", seconds=0.0), MADE) == ()


def test_a_model_that_was_renamed_is_found_by_its_weights() -> None:
    away = replace(RECIPE, model=ModelRef(name="old name"))
    here = (Installed(name="mini"), Installed(name="new name", digests=("ab" * 32,)))
    assert with_model_here(away, MADE, here).model == ModelRef(name="new name")
    assert with_model_here(away, None, here) == away
    assert with_model_here(RECIPE, MADE, (Installed(name="mini", digests=("cd" * 32,)),)) == RECIPE
