"""The one path: prompt and sketch -> picture -> gallery -> restart -> drag back -> identical pixels."""

import json
from pathlib import Path

import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

from studio.core.pixels import Pixels
from studio.core.schedulers import SCHEDULERS
from studio.gallery.png import recipe_of
from studio.state.gallery_model import GalleryModel
from tests.journeys.conftest import MINI, Start, child, drop_file, generate, press, type_into


def pixels_of(file: Path) -> str:
    with Image.open(file) as image:
        rgb = image.convert("RGB")
        return Pixels(width=rgb.width, height=rgb.height, data=rgb.tobytes()).sha256


def test_typed_words_arrive_in_the_picture(start: Start, qtbot: QtBot) -> None:
    studio = start()
    type_into(studio, "promptEdit", "a red house on green hills")
    type_into(studio, "negativePromptEdit", "rain")
    type_into(studio, "seedEdit", "4294967295")
    picture = generate(studio, qtbot)
    recipe, made_with, _ = recipe_of(picture.file)
    assert (recipe.prompt, recipe.negative_prompt, recipe.seed) == ("a red house on green hills", "rain", 4294967295)
    assert recipe == picture.recipe
    assert made_with == picture.made_with
    qtbot.waitUntil(lambda: studio.state.gallery.rowCount() == 1)
    assert studio.state.gallery.data(studio.state.gallery.index(0), GalleryModel.PictureRole) == picture


def test_a_sketch_travels_with_its_picture(
    start: Start, qtbot: QtBot, sketch: Path, data: Path, tmp_path: Path
) -> None:
    studio = start()
    type_into(studio, "promptEdit", "a house")
    with qtbot.waitSignal(studio.draft.changed, timeout=10_000):
        assert drop_file(child(studio, "controlPanel"), sketch)
    assert studio.draft.draft.controls[0].use.invert, "a black-on-white sketch is recognised"
    picture = generate(studio, qtbot)
    mailed = tmp_path / "mailed.png"
    mailed.write_bytes(picture.file.read_bytes())
    studio.close()
    for file in sorted((data / "inputs").rglob("*")):  # another machine has never seen the sketch
        if file.is_file():
            file.unlink()
    studio = start()
    studio.draft.set_prompt("something else")
    with qtbot.waitSignal(studio.draft.changed, timeout=10_000):
        assert drop_file(child(studio, "pictureView"), mailed)
    assert studio.draft.draft.controls[0].use == picture.recipe.controls[0]
    assert studio.draft.draft.prompt == "a house"
    assert studio.store.inputs.read(picture.recipe.controls[0].image)
    again = generate(studio, qtbot)
    assert again.recipe == picture.recipe
    assert pixels_of(again.file) == pixels_of(picture.file)


def test_a_drop_can_be_undone(start: Start, qtbot: QtBot) -> None:
    studio = start()
    type_into(studio, "promptEdit", "first")
    picture = generate(studio, qtbot)
    studio.draft.set_prompt("unsaved words")
    with qtbot.waitSignal(studio.draft.changed, timeout=10_000):
        assert drop_file(child(studio, "pictureView"), picture.file)
    assert studio.draft.draft.prompt == "first"
    studio.draft.undo_stack.undo()
    assert studio.draft.draft.prompt == "unsaved words"


def test_the_draft_and_the_history_survive_a_restart(start: Start, qtbot: QtBot) -> None:
    studio = start()
    type_into(studio, "promptEdit", "kept words")
    picture = generate(studio, qtbot)
    type_into(studio, "promptEdit", "half a thou")
    studio = start()
    assert studio.draft.draft.prompt == "half a thou"
    qtbot.waitUntil(lambda: studio.state.gallery.rowCount() == 1, timeout=10_000)
    assert studio.store.page(0, 10)[0].id == picture.id


def test_a_batch_is_pictures_that_can_each_be_made_alone(start: Start, qtbot: QtBot) -> None:
    studio = start()
    studio.draft.set_prompt("three")
    studio.draft.set_seed(10)
    studio.draft.set_count(3)
    press(studio, "generateButton")
    qtbot.waitUntil(lambda: studio.state.gallery.rowCount() == 3, timeout=10_000)
    batch = {picture.recipe.seed: picture for picture in studio.store.page(0, 10)}
    assert sorted(batch) == [10, 11, 12]
    studio.draft.set_count(1)
    studio.draft.set_seed(11)
    assert pixels_of(generate(studio, qtbot).file) == pixels_of(batch[11].file)


@pytest.mark.skipif(not (MINI / "model_index.json").exists(), reason="Studio Mini is not there")
def test_on_mini_with_the_real_engine(
    start: Start, qtbot: QtBot, data: Path, sketch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prompt and sketch -> picture -> restart -> drag back -> identical pixels; and `render` gives the same ones."""
    studio = start(fake=False)
    type_into(studio, "promptEdit", "a red house on green hills, blue sky")
    type_into(studio, "seedEdit", "7")
    studio.draft.set_steps(4)
    studio.draft.set_exact(True)
    with qtbot.waitSignal(studio.draft.changed, timeout=10_000):
        assert drop_file(child(studio, "controlPanel"), sketch)
    picture = generate(studio, qtbot, seconds=240)
    studio = start(fake=False)
    with qtbot.waitSignal(studio.draft.changed, timeout=10_000):
        studio.draft.set_prompt("overwritten")
    with qtbot.waitSignal(studio.draft.changed, timeout=10_000):
        assert drop_file(child(studio, "pictureView"), picture.file)
    again = generate(studio, qtbot, seconds=240)
    assert again.recipe == picture.recipe
    assert pixels_of(again.file) == pixels_of(picture.file) == picture.made_with.pixel_sha256
    studio.close()
    from studio.cli import main

    title = SCHEDULERS[picture.recipe.scheduler].title
    arguments = ["render", "--prompt", picture.recipe.prompt, "--seed", "7", "--steps", "4", "--exact", "--json",
                 "--scheduler", title, "--control", f"scribble={sketch}", "--data", str(data)]  # fmt: skip
    assert main(arguments) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["pixel_sha256"] == picture.made_with.pixel_sha256
