"""The page Models … and the row of the settings panel, through the real window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from studio.core.choices import ControlKind
from studio.core.model_files import Kind, Traits
from studio.engine.fake import FakeEngine
from studio.state.plugin_room import PluginRoom
from studio.ui.models.page import ModelsPage
from tests.engine.intake.layouts import SD1_INPAINT, checkpoint, vae, write_weights
from tests.engine.intake.test_library import CONTROL, LORA, TINY_WHOLE


@pytest.fixture
def page(make_studio, data: Path, qtbot: QtBot) -> ModelsPage:
    models = data / "0" / "models"
    write_weights(models / "sub" / "house.safetensors", TINY_WHOLE)
    write_weights(models / "ink.safetensors", LORA, modelspec__trigger_phrase="inkwash")
    write_weights(models / "control_canny.safetensors", CONTROL)
    write_weights(models / "mask.safetensors", checkpoint(SD1_INPAINT))
    write_weights(models / "inner.safetensors", vae(), modelspec__architecture="stable-diffusion-xl-v1-base/vae")
    (models / "<b>old.ckpt").write_bytes(b"\x80\x02}q\0.")
    studio = make_studio()
    studio.window.commands["models"].trigger()
    found = studio.window.models.page
    found.studio = studio
    qtbot.waitUntil(lambda: studio.state.model_files.known and not studio.state.model_files.busy, timeout=8000)
    return found


def test_a_model_is_chosen_from_the_page(page: ModelsPage, qtbot: QtBot) -> None:
    studio = page.studio
    page.select(studio.state.model_files.find("house").path)
    assert page.details.file.name == "house" and page.details.use.isVisible()
    qtbot.mouseClick(page.details.use, Qt.MouseButton.LeftButton)
    assert studio.draft.draft.model.name == "house"
    assert studio.window.settings.model.currentText() == "house"
    assert studio.window.models.page is None


def test_enter_in_the_list_uses_the_model(page: ModelsPage, qtbot: QtBot) -> None:
    studio = page.studio
    page.select(studio.state.model_files.find("house").path)
    page.activateWindow()
    page.list.setFocus()
    qtbot.waitUntil(page.list.hasFocus, timeout=5000)
    qtbot.keyClick(page.list, Qt.Key.Key_Return)
    assert studio.draft.draft.model.name == "house"
    assert studio.window.models.page is None


def test_a_lora_becomes_a_layer_without_being_copied(page: ModelsPage, data: Path, qtbot: QtBot) -> None:
    studio = page.studio
    qtbot.waitUntil(lambda: studio.state.plugins.find("lora") is not None, timeout=8000)
    studio.window.models.choose("house")
    page.use_wished.emit(studio.state.model_files.find("ink", Kind.LORA))
    qtbot.waitUntil(lambda: len(studio.draft.draft.plugins) == 1, timeout=5000)
    ((parameter, ref),) = studio.draft.draft.plugins[0].use.files
    assert (parameter, ref.name, len(ref.sha256)) == ("file", "ink.safetensors", 64)


def test_what_needs_more_than_a_prompt_is_not_offered_to_paint_with(page: ModelsPage) -> None:
    (file,) = [file for file in page.studio.state.model_files.files if file.name == "mask"]
    page.select(file.path)
    assert not page.details.use.isVisible() and "needs more than a prompt" in page.details.purpose.text()
    assert page.studio.window.settings.model.findData("mask") < 0


def test_what_does_not_go_with_the_model_that_paints_is_refused_in_words(page: ModelsPage, qtbot: QtBot) -> None:
    studio, files = page.studio, page.studio.state.model_files
    ink = files.find("ink", Kind.LORA)
    page.select(ink.path)  # Studio Mini paints
    assert page.details.use.isVisible() and not page.details.use.isEnabled()
    words = "It goes with SD 1.x models, and “mini” is Studio Mini. Choose one of those first."
    assert page.details.misfit.text() == words
    page.use_wished.emit(ink)
    assert studio.draft.draft.plugins == () and studio.state.messages.history()[-1].headline == words
    studio.window.models.choose("house")
    page.use_wished.emit(files.find("inner", Kind.VAE))  # of SDXL
    assert studio.draft.draft.vae is None


def test_a_controlnet_reads_the_layer_that_is_there_or_asks_for_a_picture(
    page: ModelsPage, sketch: Path, qtbot: QtBot
) -> None:
    studio = page.studio
    studio.window.models.choose("house")
    net = studio.state.model_files.find("control_canny", Kind.CONTROLNET)
    page.use_wished.emit(net)
    dialog = page.findChild(QFileDialog, "followedPicture")
    assert studio.draft.draft.controls == () and "control_canny" in dialog.windowTitle()
    dialog.fileSelected.emit(str(sketch))
    dialog.reject()
    qtbot.waitUntil(lambda: len(studio.draft.draft.controls) == 1, timeout=5000)
    (layer,) = studio.draft.draft.controls
    assert (layer.use.kind, layer.use.net.name) == (ControlKind.CANNY, "control_canny")
    studio.draft.undo_stack.undo()
    assert studio.draft.draft.controls == ()  # one step
    studio.draft.add_control(layer.use.image, ControlKind.CANNY)
    studio.window.models.uses.use(net)
    assert studio.draft.draft.controls[0].use.net.name == "control_canny"


def test_a_t2i_adapter_becomes_a_control_layer_of_its_kind(page: ModelsPage, sketch: Path, qtbot: QtBot) -> None:
    studio = page.studio
    qtbot.waitUntil(lambda: studio.state.plugins.find("t2i_adapter") is not None, timeout=8000)
    found = studio.state.model_files.find("house")
    adapter = replace(found, name="t2iadapter_sketch_sd15v2", traits=Traits(kind=Kind.T2I_ADAPTER))
    page.use_wished.emit(adapter)
    page.findChild(QFileDialog, "followedPicture").fileSelected.emit(str(sketch))
    qtbot.waitUntil(lambda: len(studio.draft.draft.controls) == 1, timeout=5000)
    use = studio.draft.draft.controls[0].use
    assert (use.kind, use.plugin.id, use.invert) == ("t2i-sketch", "t2i_adapter", True)
    assert studio.window.models.page is None  # what is used closes the page
    studio.window.models.uses.use(replace(adapter, name="model"))
    assert "does not say which maps" in studio.state.messages.history()[-1].headline


def test_trigger_words_go_into_the_prompt(page: ModelsPage, qtbot: QtBot) -> None:
    page.select(page.studio.state.model_files.find("ink", Kind.LORA).path)
    (chip,) = page.details.words.chips
    qtbot.mouseClick(chip, Qt.MouseButton.LeftButton)
    assert page.studio.draft.draft.prompt == "inkwash" and not page.details.add_words.isVisible()
    page.studio.draft.set_prompt("a house")
    page.words_wished.emit("inkwash, misty")
    assert page.studio.draft.draft.prompt == "a house, inkwash, misty"


def test_what_cannot_be_used_says_why_and_offers_nothing(page: ModelsPage) -> None:
    rows = [page.kinds.item(row).data(Qt.ItemDataRole.UserRole) for row in range(page.kinds.count())]
    page.kinds.setCurrentRow(rows.index(Kind.UNKNOWN.value))
    assert page.details.file.name == "<b>old"
    assert "pickle" in page.details.problem.text() and not page.details.use.isVisible()
    assert page.details.problem.textFormat() == Qt.TextFormat.PlainText


def test_search_narrows_the_list(page: ModelsPage, qtbot: QtBot) -> None:
    page.search.setText("inkwash")
    qtbot.waitUntil(lambda: page.list.model().rowCount() == 1, timeout=8000)
    page.search.setText("nothing of the kind")
    qtbot.waitUntil(lambda: page.list.model().rowCount() == 0, timeout=8000)
    assert "Nothing here matches" in page.list.empty_words


def test_a_folder_of_the_artists_is_looked_into_and_kept(page: ModelsPage, tmp_path: Path, qtbot: QtBot) -> None:
    studio, elsewhere = page.studio, tmp_path / "elsewhere"
    write_weights(elsewhere / "far.safetensors", TINY_WHOLE)
    page.folders_wished.emit((elsewhere,))
    qtbot.waitUntil(lambda: studio.state.model_files.find("far") is not None, timeout=5000)
    assert studio.state.own_model_folders() == (elsewhere,)
    combo = studio.window.settings.model
    assert combo.findData("far") >= 0 and combo.findData("mini") >= 0
    page.folders_wished.emit(())
    qtbot.waitUntil(lambda: studio.state.model_files.find("far") is None, timeout=5000)


def test_a_new_folder_reaches_plugins_without_a_restart(make_studio, tmp_path: Path, qtbot: QtBot) -> None:
    rooms: list[PluginRoom] = []

    def make_engine(room: PluginRoom, _read: object) -> FakeEngine:
        rooms.append(room)
        return FakeEngine()

    studio, elsewhere = make_studio(engine=make_engine), tmp_path / "elsewhere"
    ink = write_weights(elsewhere / "sub" / "far_ink.safetensors", LORA)
    write_weights(elsewhere / "house.safetensors", TINY_WHOLE)
    files = studio.state.model_files
    qtbot.waitUntil(lambda: files.known and studio.state.plugins.find("lora") is not None, timeout=8000)
    rooms[0].shelf()  # what the engine asks is made by now
    studio.window.models.show_page()
    page = studio.window.models.page
    page.folders_wished.emit((elsewhere,))
    qtbot.waitUntil(lambda: files.find("far_ink", Kind.LORA) is not None, timeout=5000)
    studio.window.models.choose("house")
    page.use_wished.emit(files.find("far_ink", Kind.LORA))
    qtbot.waitUntil(lambda: len(studio.draft.draft.plugins) == 1, timeout=5000)
    assert not list(studio.store.folders.files.rglob("*.safetensors"))  # it stays where it is
    use = studio.draft.draft.plugins[0].use
    assert dict(rooms[0].use(use, lambda ref: b"").files) == {"file": ink}
    offered: list[tuple[Path, ...]] = []
    studio.state.own_files.offered("", (".safetensors",), offered.append)
    qtbot.waitUntil(lambda: bool(offered), timeout=5000)
    assert ink in offered[0]
