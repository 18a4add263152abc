"""From a file to the list: whose picture it is, what its lines are about, what travelled inside."""

from __future__ import annotations

from pathlib import Path

from studio.core.draft import Draft
from studio.core.found import Here, NamedLora
from studio.core.installed import Installed
from studio.core.recipe import ImageRef
from studio.core.restore import Outcome, plan
from studio.gallery.foreign.found import found_in
from studio.gallery.inputs import Inputs
from tests.gallery.foreign.pictures import png_with
from tests.gallery.makers import MADE_WITH, control, noise, recipe, sketch, store_in

A1111 = (
    "a castle <lora:ink:0.7>\nNegative prompt: blurry\nSteps: 28, Sampler: Heun++ 9, CFG scale: 7, "
    "Seed: 5000000000, Size: 512x768, Model hash: 879db523c3, Model: dreamshaper_8, Clip skip: 2, ENSD: 31337, Version: v1.10.1"
)


def test_a_foreign_picture_gives_rows_remarks_and_raw_text(tmp_path: Path) -> None:
    file = tmp_path / "castle.png"
    file.write_bytes(png_with(parameters=A1111))
    found = found_in(file, Inputs(tmp_path / "inputs"))
    assert (found.is_ours, found.name, found.raw) == (False, "castle.png", A1111)
    assert found.hashes == ("879db523c3",)
    assert found.loras == (NamedLora(name="ink", weight="0.7"),)
    assert dict(found.remarks).keys() >= {"seed", "scheduler"}
    assert not any("ink" in line or "Seed" in line for line in found.unknown)
    rows = {row.key: row for row in plan(found, Draft(), Here(models=(Installed(name="mini"),)))}
    assert rows["model"].why == "missing: dreamshaper_8 [879db523c3]"
    assert rows["scheduler"].outcome is Outcome.CANNOT
    assert rows["seed"].outcome is Outcome.CHANGED
    assert rows["prompt"].found == "a castle"
    assert rows["clip_skip"].found == "1"
    assert "controls" not in rows
    assert [row.title for row in rows.values() if row.key.startswith("other")] == ["ENSD"]


def test_defaults_that_stand_in_are_no_rows(tmp_path: Path) -> None:
    file = tmp_path / "bare.png"
    file.write_bytes(png_with(parameters="a castle\nSteps: 28, Seed: 5, CFG scale: 7"))
    found = found_in(file, Inputs(tmp_path / "inputs"))
    rows = {row.key for row in plan(found, Draft(), Here())}
    assert rows == {"prompt", "steps", "seed", "guidance_scale", "size"}


def test_a_picture_of_ours_brings_its_sketch_and_says_what_is_lost(tmp_path: Path) -> None:
    home = store_in(tmp_path / "a")
    kept = home.inputs.add(sketch())
    lost = ImageRef(digest="ab" * 32)
    picture = home.add(noise(), recipe(controls=(control(kept), control(lost))), MADE_WITH)
    home.close()
    inputs = Inputs(tmp_path / "b")
    found = found_in(picture.file, inputs)
    assert (found.is_ours, found.picture, found.lost) == (True, picture.id, (lost.digest,))
    assert inputs.read(kept)
    assert found.made_with == MADE_WITH
