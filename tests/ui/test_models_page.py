"""The page Models … and the row of the settings panel, through the real window."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.core.model_files import Kind
from studio.ui.models.page import ModelsPage
from tests.engine.intake.layouts import write_weights
from tests.engine.intake.test_library import LORA, TINY_WHOLE


@pytest.fixture
def page(make_studio, data: Path, qtbot: QtBot) -> ModelsPage:
    models = data / "0" / "models"
    write_weights(models / "sub" / "house.safetensors", TINY_WHOLE)
    write_weights(models / "ink.safetensors", LORA, modelspec__trigger_phrase="inkwash")
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


def test_a_lora_becomes_a_layer_without_being_copied(page: ModelsPage, data: Path, qtbot: QtBot) -> None:
    studio = page.studio
    qtbot.waitUntil(lambda: studio.state.plugins.find("lora") is not None, timeout=8000)
    page.use_wished.emit(studio.state.model_files.find("ink", Kind.LORA))
    qtbot.waitUntil(lambda: len(studio.draft.draft.plugins) == 1, timeout=5000)
    ((parameter, ref),) = studio.draft.draft.plugins[0].use.files
    assert (parameter, ref.name, len(ref.sha256)) == ("file", "ink.safetensors", 64)


def test_trigger_words_go_into_the_prompt(page: ModelsPage) -> None:
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
    qtbot.waitUntil(lambda: page.list.model().rowCount() == 1, timeout=3000)
    page.search.setText("nothing of the kind")
    qtbot.waitUntil(lambda: page.list.model().rowCount() == 0, timeout=3000)
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
