"""Every family from a file and from a folder, through the real window and without it.

The models have all their blocks and true key names but few channels; the one thing that the intake is told for them is
which narrow text widths stand for which family (true widths: tests/engine/intake, and full_size.py beside the benches).

What a stranger does: point the studio at a folder, choose a model from the list, press Generate. What must come out:
the same pixels from both layouts and from `render --model PATH`, and a recipe that names the very bytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.choices import ControlKind
from studio.core.job import Job
from studio.core.model_files import Family, Kind, Prediction
from studio.core.picture import Picture
from studio.core.recipe import Size
from studio.engine import checkpoints
from studio.engine.intake.families import BY_CONTEXT
from studio.gallery.png import recipe_of
from studio.ui.models.page import ModelsPage
from tests.journeys.conftest import Start, child, drop_file, press, type_into

FAMILIES = {"sd1": Family.SD1, "sd2": Family.SD2, "sdxl": Family.SDXL, "sdxl_refiner": Family.REFINER}


@dataclass(frozen=True)
class Shelf:
    """A folder as an artist has it: `files` by the name of their family, `folders` in diffusers' layout, `nets`."""

    root: Path

    def file(self, base: str) -> Path:
        return self.root / "checkpoints" / f"{base}_file.safetensors"

    def folder(self, base: str) -> Path:
        return self.root / "diffusers" / f"{base}_folder"

    def net(self, layout: str) -> Path:
        name = "scribble_original.safetensors" if layout == "original" else "scribble_diffusers"
        return self.root / "controlnet" / name


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """All families twice with the same random weights, and the shipped configs narrowed to fit while this module runs."""
    import studio.engine.diffusion  # noqa: F401  (the libraries quietly, before models are built with them)
    from tests.engine import full_layouts
    from tests.engine.test_single_file import narrow

    work = tmp_path_factory.mktemp("families")
    shutil.copytree(checkpoints.CONFIGS, work / "configs")
    narrow(work / "configs")
    _tell_apart(work / "configs")
    made = Shelf(work / "my models")
    for folder in ("checkpoints", "controlnet"):
        (made.root / folder).mkdir(parents=True)
    for base in FAMILIES:
        folder, file = made.folder(base), made.file(base)
        full_layouts.write(work / "configs" / base, folder, file, base)
        if base == "sd1":
            shutil.copytree(folder / "controlnet", made.net("diffusers"))
            shutil.copy(file.with_name(f"{file.stem}.controlnet.safetensors"), made.net("original"))
        shutil.rmtree(folder / "controlnet", ignore_errors=True)
        file.with_name(f"{file.stem}.controlnet.safetensors").unlink(missing_ok=True)
    kept, widths = checkpoints.CONFIGS, dict(BY_CONTEXT)
    checkpoints.CONFIGS = work / "configs"
    BY_CONTEXT.update({16: Family.SD1, 24: Family.SD2, 40: Family.SDXL})
    yield made
    checkpoints.CONFIGS = kept
    BY_CONTEXT.clear()
    BY_CONTEXT.update(widths)


def _tell_apart(configs: Path) -> None:
    """Give SD 2.x a text width of its own, and SDXL and its refiner their true sizes of what is told beside the text."""
    for part in ("unet", "controlnet"):
        _change(configs / "sd2" / part / "config.json", cross_attention_dim=24)
    _change(configs / "sd2" / "text_encoder" / "config.json", hidden_size=24)
    for base, told, times in (("sdxl", 2816, 6), ("sdxl_refiner", 2560, 5)):
        pooled = told - 8 * times
        _change(configs / base / "text_encoder_2" / "config.json", projection_dim=pooled)
        for part in ("unet", "controlnet"):
            _change(configs / base / part / "config.json", projection_class_embeddings_input_dim=told)
    _change(configs / "sdxl_refiner" / "unet" / "config.json", block_out_channels=[384, 16, 24, 24])


def _change(file: Path, **changes: object) -> None:
    if file.is_file():
        file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changes), encoding="utf-8")


@pytest.fixture
def studio(start: Start, shelf: Shelf, qtbot: QtBot) -> Studio:
    """The window over the real engine, pointed at the folder by the page Models … as an artist does it."""
    opened = start(fake=False)
    page = show_page(opened, qtbot)
    page._on_add()
    dialog = page.findChild(QFileDialog)
    dialog.fileSelected.emit(str(shelf.root))
    dialog.reject()
    files = opened.state.model_files
    qtbot.waitUntil(lambda: files.find("sd1_file") is not None and not files.busy, timeout=30_000)
    page.accept()
    type_into(opened, "promptEdit", "a red house")
    type_into(opened, "seedEdit", "7")
    return opened


def show_page(studio: Studio, qtbot: QtBot) -> ModelsPage:
    studio.window.commands["models"].trigger()
    page = studio.window.models.page
    assert page is not None
    qtbot.waitUntil(lambda: not studio.state.model_files.busy, timeout=30_000)
    return page


def use(studio: Studio, qtbot: QtBot, name: str, kind: Kind = Kind.CHECKPOINT) -> None:
    """Choose a row of the page and press its button."""
    page, file = show_page(studio, qtbot), studio.state.model_files.find(name, kind)
    assert file is not None, name
    page.select(file.path)
    assert page.details.file == file and page.details.use.isEnabled()
    QApplication.processEvents()
    qtbot.mouseClick(page.details.use, Qt.MouseButton.LeftButton)
    assert studio.window.models.page is None


def choose_in_the_list(studio: Studio, name: str) -> None:
    """Choose a model in the settings panel's list."""
    combo: Any = child(studio, "modelCombo")
    row = combo.findData(name)
    assert row >= 0, name
    combo.setCurrentIndex(row)
    combo.activated.emit(row)


def small(studio: Studio) -> None:
    """As quick as a picture can be, in 32-bit floats."""
    studio.draft.set_size(Size(width=64, height=64))
    studio.draft.set_steps(2)
    studio.draft.set_exact(True)


def made(studio: Studio, qtbot: QtBot, name: str) -> Picture:
    """A picture of the model of this name, saved; its PNG says which bytes made it."""
    assert studio.draft.draft.model.name == name
    small(studio)
    came: list[Picture] = []
    failed: list[Job] = []
    studio.queue.picture_added.connect(came.append)
    studio.queue.job_failed.connect(failed.append)
    press(studio, "generateButton")
    qtbot.waitUntil(lambda: bool(came or failed), timeout=240_000)
    assert not failed, (failed[0].error, failed[0].error and failed[0].error.detail)
    (picture,) = came
    recipe, made_with, _ = recipe_of(picture.file)
    assert recipe == picture.recipe and recipe.model.name == name
    assert recipe.model.sha256 == made_with.model_digest and len(recipe.model.sha256) == 64
    return picture


def rendered(path: Path, data: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """The pixels of `render --model PATH`, in a library of its own."""
    from studio.cli import main

    capsys.readouterr()
    assert main(["render", "--prompt", "a red house", "--seed", "7", "--steps", "2", "--size", "64x64", "--exact", "--json",
                 "--model", str(path), "--data", str(data / "other"), *more]) == 0  # fmt: skip
    return str(json.loads(capsys.readouterr().out)["pixel_sha256"])


@pytest.mark.parametrize("base", ["sd1", "sd2", "sdxl"])
def test_a_family_from_file_and_folder(
    studio: Studio, shelf: Shelf, base: str, qtbot: QtBot, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = studio.state.model_files.find(f"{base}_file")
    assert found is not None and found.family is FAMILIES[base]
    if base == "sd2":  # nothing in the file tells it: asked once, on the page
        page = show_page(studio, qtbot)
        page.select(found.path)
        combo = page.details.prediction
        assert combo.isVisible()
        combo.setCurrentIndex(combo.findData("v_prediction"))
        combo.activated.emit(combo.currentIndex())
        qtbot.waitUntil(lambda: studio.state.model_files.find(f"{base}_file").asked == (), timeout=5000)
        assert studio.state.model_files.find(f"{base}_file").traits.prediction is Prediction.V
        page.accept()
    use(studio, qtbot, f"{base}_file")
    from_file = made(studio, qtbot, f"{base}_file")
    assert from_file.recipe.model.sha256 == hashlib.sha256(shelf.file(base).read_bytes()).hexdigest()
    choose_in_the_list(studio, f"{base}_folder")
    from_folder = made(studio, qtbot, f"{base}_folder")
    pixels = from_file.made_with.pixel_sha256
    assert from_folder.made_with.pixel_sha256 == pixels
    assert from_folder.recipe.model.sha256 != from_file.recipe.model.sha256
    studio.close()
    scheduler = ["--scheduler", from_file.recipe.scheduler, "--guidance", str(from_file.recipe.guidance_scale)]
    assert rendered(shelf.file(base), data, capsys, *scheduler) == pixels
    assert rendered(shelf.folder(base), data, capsys, *scheduler) == pixels


def test_a_refiner_takes_over(
    studio: Studio, shelf: Shelf, qtbot: QtBot, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    use(studio, qtbot, "sdxl_file")
    plain = made(studio, qtbot, "sdxl_file")
    use(studio, qtbot, "sdxl_refiner_file")
    studio.draft.change(replace(studio.draft.draft, refine_at=0.5), "earlier")
    picture = made(studio, qtbot, "sdxl_file")
    digest = hashlib.sha256(shelf.file("sdxl_refiner").read_bytes()).hexdigest()
    assert picture.recipe.refiner is not None and picture.recipe.refiner.sha256 == digest
    assert picture.made_with.pixel_sha256 != plain.made_with.pixel_sha256
    studio.close()
    more = ["--refiner", str(shelf.file("sdxl_refiner")), "--refine-at", "0.5"]
    more += ["--scheduler", picture.recipe.scheduler, "--guidance", str(picture.recipe.guidance_scale)]
    assert rendered(shelf.file("sdxl"), data, capsys, *more) == picture.made_with.pixel_sha256


def test_a_controlnet_in_both_layouts(studio: Studio, shelf: Shelf, sketch: Path, qtbot: QtBot) -> None:
    use(studio, qtbot, "sd1_file")
    plain = made(studio, qtbot, "sd1_file")
    with qtbot.waitSignal(studio.draft.changed, timeout=10_000):
        assert drop_file(child(studio, "controlPanel"), sketch)
    assert studio.draft.draft.controls[0].use.kind is ControlKind.SCRIBBLE
    pictures = []
    for name in ("scribble_original", "scribble_diffusers"):
        use(studio, qtbot, name, Kind.CONTROLNET)
        pictures.append(made(studio, qtbot, "sd1_file"))
        net = pictures[-1].recipe.controls[0].net
        assert net is not None and net.name == name and len(net.sha256) == 64
    original, diffusers = (picture.made_with.pixel_sha256 for picture in pictures)
    assert original == diffusers != plain.made_with.pixel_sha256
    whole = hashlib.sha256(shelf.net("original").read_bytes()).hexdigest()
    assert pictures[0].recipe.controls[0].net.sha256 == whole


def test_a_moved_model_is_found_again_by_its_digest(
    studio: Studio, shelf: Shelf, start: Start, qtbot: QtBot, tmp_path: Path
) -> None:
    """A picture is dropped back after its model was moved into another folder and renamed."""
    mine = tmp_path / "mine"
    mine.mkdir()
    shutil.copy(shelf.file("sd1"), mine / "river.safetensors")
    studio.state.look_for_models((mine,))
    files = studio.state.model_files
    qtbot.waitUntil(lambda: files.find("river") is not None, timeout=10_000)
    choose_in_the_list(studio, "river")
    picture = made(studio, qtbot, "river")
    (mine / "deep").mkdir()
    (mine / "river.safetensors").rename(mine / "deep" / "brook.safetensors")
    studio = start(fake=False)
    qtbot.waitUntil(lambda: studio.state.model_files.find("brook") is not None, timeout=10_000)
    choose_in_the_list(studio, "mini")
    with qtbot.waitSignal(studio.draft.changed, timeout=10_000):
        assert drop_file(child(studio, "pictureView"), picture.file)
    assert studio.draft.draft.model.name == "brook"
    again = made(studio, qtbot, "brook")
    assert again.made_with.pixel_sha256 == picture.made_with.pixel_sha256
    assert again.recipe.model.sha256 == picture.recipe.model.sha256
