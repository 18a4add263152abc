"""`verify`: identical, close or different, from the file alone; a picture that moved house restores and verifies there."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from studio.cli import main
from studio.core.paths import RESOURCES, Folders
from studio.core.pixels import Pixels
from studio.core.recipe import ImageRef, Recipe
from studio.engine.fake import FakeEngine
from studio.gallery import png
from studio.gallery.inputs import Inputs
from studio.gallery.store import GalleryStore
from tests.gallery.foreign.pictures import png_with
from tests.gallery.makers import control, sketch

LATER = "20261125-101500-000000-0123abcd"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "studio.engine.make_engine",
        lambda _folders, read_image, _device, plugins, library: FakeEngine(read_image=read_image, plugins=plugins),
    )


def made(data: Path, recipe: Recipe, add: int = 0, **circumstances: object) -> Path:
    """A picture as the studio saves it; `add` brightens what was saved, as another machine might have."""
    store = GalleryStore(Folders(root=data))
    rendered = FakeEngine().render(recipe, lambda _: True)
    pixels = rendered.pixels
    pixels = replace(pixels, data=bytes(min(255, value + add) for value in pixels.data))
    made_with = replace(rendered.made_with, pixel_sha256=pixels.sha256, **circumstances)
    picture = store.add(pixels, recipe, made_with)
    store.close()
    return picture.file


def outcome(capsys: pytest.CaptureFixture[str], *files: Path, data: Path) -> tuple[int, list[dict[str, object]]]:
    status = main(["verify", "--json", "--data", str(data), *map(str, files)])
    return status, json.loads(capsys.readouterr().out)


RECIPE = Recipe(prompt="a cat", seed=7, steps=2)


@pytest.mark.usefixtures("fake")
def test_three_verdicts_and_their_statuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = made(tmp_path / "a", RECIPE)
    near = made(tmp_path / "a", replace(RECIPE, seed=8), add=1, versions=(("torch", "1.0"),))
    other = made(tmp_path / "a", replace(RECIPE, seed=9), add=120)
    status, told = outcome(capsys, same, near, data=tmp_path / "b")
    assert status == 0
    assert [one["verdict"] for one in told] == ["identical", "close"]
    assert told[0]["psnr"] is None
    assert told[1]["largest_difference"] == 1
    assert told[1]["changed_since"] == [{"what": "torch", "then": "1.0", "now": "not here"}]
    assert outcome(capsys, same, other, data=tmp_path / "b")[0] == 1
    assert not (tmp_path / "b" / "pictures").exists()  # nothing is kept


@pytest.mark.usefixtures("fake")
def test_what_cannot_be_verified_is_told_and_the_others_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = made(tmp_path / "a", RECIPE)
    foreign = tmp_path / "foreign.png"
    foreign.write_bytes(png_with(parameters="a cat\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1"))
    sheet = made(tmp_path / "a", RECIPE, sheet="Steps 10, 20")
    bare = tmp_path / "bare.png"
    Image.new("RGB", (8, 8)).save(bare)
    status, told = outcome(capsys, foreign, sheet, bare, tmp_path / "missing.png", same, data=tmp_path / "b")
    assert status == 2
    assert [one["verdict"] for one in told] == [None, None, None, None, "identical"]
    assert "A1111" in str(told[0]["problem"])
    assert "sheet" in str(told[1]["problem"])


@pytest.mark.usefixtures("fake")
def test_a_file_that_was_edited_is_told_apart_from_one_that_cannot_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = made(tmp_path / "a", RECIPE)
    recipe, made_with, _ = png.recipe_of(file)
    assert made_with is not None
    grey = Pixels(width=256, height=256, data=bytes(256 * 256 * 3))
    edited = tmp_path / "edited.png"
    imprint = png.read_imprint(file)
    assert imprint.created is not None
    edited.write_bytes(png.encode(grey, recipe, made_with, LATER, imprint.created, {}))
    status, told = outcome(capsys, edited, data=tmp_path / "b")
    assert status == 0
    assert told[0]["verdict"] == "identical"
    assert told[0]["retouched"] is True


@pytest.mark.usefixtures("fake")
def test_words_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    near = made(tmp_path / "a", RECIPE, add=1, device="cuda:0")
    assert main(["verify", str(near), "--data", str(tmp_path / "b")]) == 0
    said = capsys.readouterr().out
    assert "close: PSNR" in said
    assert "device: cuda:0 then, fake now" in said


def test_a_sketch_that_two_pictures_use_is_kept_once_and_travels_in_both(tmp_path: Path) -> None:
    home, abroad = GalleryStore(Folders(root=tmp_path / "a")), GalleryStore(Folders(root=tmp_path / "b"))
    ref = home.inputs.add(sketch())
    files = []
    for seed in (1, 2):
        rendered = FakeEngine().render(RECIPE, lambda _: True)
        recipe = replace(RECIPE, seed=seed, controls=(control(ref),))
        files.append(home.add(rendered.pixels, recipe, rendered.made_with).file)
    for file in files:
        assert abroad.recipe_of(file).controls[0].image == ref
    assert abroad.inputs.read(ref) == home.inputs.read(ref)
    assert len(list((tmp_path / "b" / "inputs").iterdir())) == 1
    home.close()
    abroad.close()


@pytest.mark.skipif(not (RESOURCES / "mini" / "model_index.json").is_file(), reason="Studio Mini is not there")
def test_a_picture_of_mini_moves_house_whole_and_is_made_again_to_the_last_pixel(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a sketch, a plugin's reference picture and a plugin: all that the other house has is the file."""
    drawing, reference = tmp_path / "sketch.png", tmp_path / "reference.png"
    drawing.write_bytes(sketch(96))
    Image.new("RGB", (64, 64), (200, 40, 40)).save(reference)
    mailed = tmp_path / "mailed.png"
    options = [
        "--steps",
        "3",
        "--size",
        "128x128",
        "--seed",
        "11",
        "--guidance",
        "3",
        "--control",
        f"scribble={drawing}",
    ]
    plugin = ["--plugin", f"guidance:picture={reference},scale=2"]
    home = ["--data", str(tmp_path / "home"), "--out", str(mailed)]
    assert main(["render", "--prompt", "a red house on green hills", *options, *plugin, *home]) == 0
    shutil.rmtree(tmp_path / "home")
    drawing.unlink()
    reference.unlink()
    capsys.readouterr()

    abroad = GalleryStore(Folders(root=tmp_path / "abroad"))
    recipe = abroad.recipe_of(mailed)
    assert len(recipe.pictures) == 2
    for ref in recipe.pictures:
        assert Image.open(io.BytesIO(abroad.inputs.read(ref))).mode == "RGB"
    abroad.close()

    status, told = outcome(capsys, mailed, data=tmp_path / "elsewhere")
    assert (status, told[0]["verdict"], told[0]["changed_since"]) == (0, "identical", [])

    changed = tmp_path / "changed.png"
    _, made_with, inputs = png.recipe_of(mailed)
    imprint = png.read_imprint(mailed)
    assert made_with is not None
    assert imprint.created is not None
    other = replace(recipe, seed=12)
    changed.write_bytes(png.encode(png.pixels_of(mailed), other, made_with, LATER, imprint.created, inputs))
    assert outcome(capsys, changed, data=tmp_path / "elsewhere")[0] == 1


def test_a_control_picture_that_is_nowhere_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = replace(RECIPE, controls=(control(ImageRef(digest="ab" * 32)),))
    file = made(tmp_path / "a", recipe)

    class Reads(FakeEngine):
        def render(self, recipe, on_progress):  # type: ignore[no-untyped-def]
            self._read_image(recipe.controls[0].image)
            return super().render(recipe, on_progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studio.engine.make_engine", lambda _f, read, _d, _p, library: Reads(read_image=read))
        status, told = outcome(capsys, file, data=tmp_path / "b")
    assert status == 2
    assert "neither in the file nor here" in str(told[0]["problem"])
    assert not Inputs(tmp_path / "b" / "inputs")._file("ab" * 32).exists()
