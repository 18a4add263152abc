"""The page Get models … through the real window, against a hub on loopback."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.core.hub import TransferState
from studio.engine.hub.starters import load_starters
from tests.engine.hub.hub_emulator import Hub
from tests.engine.intake.layouts import write_weights
from tests.engine.intake.test_library import LORA

NAME = "someone/inks"


@pytest.fixture
def hub(tmp_path: Path):
    file = write_weights(tmp_path / "ink_wash.safetensors", LORA)
    with Hub({NAME: {"ink_wash.safetensors": file.read_bytes(), "w.bin": random.Random(1).randbytes(99)}}) as running:
        yield running


def test_any_name_from_the_field_to_the_list_of_models(hub: Hub, studio, data: Path, qtbot: QtBot) -> None:
    studio.window.commands["get_models"].trigger()
    page = studio.window.models.get_page
    assert hub.requests == [] and len(page.starters) >= 25
    page.mirror.setText(hub.url)
    page.mirror.editingFinished.emit()
    page.name.setText(NAME)
    qtbot.keyClick(page.name, Qt.Key.Key_Return)
    qtbot.waitUntil(page.card.isVisible, timeout=30_000)
    assert (page.card.title.text(), page.card.choice.count()) == (NAME, 1)
    assert "openrail++" in page.card.facts.text()
    opened: list[str] = []
    page.page_wished.disconnect()
    page.page_wished.connect(opened.append)
    qtbot.mouseClick(page.card.page, Qt.MouseButton.LeftButton)
    assert opened == [f"{hub.url}/{NAME}"]
    qtbot.mouseClick(page.card.get, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: studio.state.model_files.has("fetched/ink_wash.safetensors"), timeout=10_000)
    (row,) = page._rows.values()
    assert row.transfer.state is TransferState.DONE and row.facts.text().startswith("All there")


def test_a_refusal_is_said_on_the_page(hub: Hub, studio, qtbot: QtBot) -> None:
    studio.window.commands["get_models"].trigger()
    page = studio.window.models.get_page
    page.name.setText("no name at all")
    qtbot.keyClick(page.name, Qt.Key.Key_Return)
    assert not page.look_up.isEnabled() and page.nothing.isVisible()  # words are looked for among the well-known ones
    page.name.setText("no name/at all")
    qtbot.keyClick(page.name, Qt.Key.Key_Return)
    assert page.problem.isVisible() and "is not the name of a repository" in page.problem.text()
    qtbot.keyClick(page.name, Qt.Key.Key_Backspace)
    assert not page.problem.isVisible()
    page.mirror.setText("ftp:/nowhere at all")
    page.mirror.editingFinished.emit()
    assert "is not the address of a mirror" in page.problem.text()
    assert studio.state.settings.get("hub_endpoint") == ""
    page.mirror.setText("hub.example.org/ ")
    page.mirror.editingFinished.emit()
    assert studio.state.settings.get("hub_endpoint") == page.mirror.text() == "https://hub.example.org"


def test_words_search_the_well_known_ones(studio, qtbot: QtBot) -> None:
    studio.window.commands["get_models"].trigger()
    page = studio.window.models.get_page
    everything = len(page.starters)
    page.name.setText("CANNY sdxl")
    shown = [row.starter.id for row in page.starters if not row.isHidden()]
    assert "cn-canny-xl" in shown and len(shown) < 5 < everything
    page.name.setText("refiner")
    page.family.setCurrentIndex(page.family.findData("sdxl"))
    page.family.activated.emit(page.family.currentIndex())
    assert [row.starter.id for row in page.starters if not row.isHidden()] == ["sdxl-refiner"]
    page.family.setCurrentIndex(0)
    page.name.setText("someone/canny")  # the name of a repository: nothing is hidden
    assert not any(row.isHidden() for row in page.starters) and page.look_up.isEnabled()


def test_a_starter_says_that_it_is_asked_for_comes_and_is_here(hub: Hub, studio, qtbot: QtBot) -> None:
    """Two of one repository and folder do not speak for each other; what is here is shown among the models."""
    page_of = {"ink": "ink_wash.safetensors", "other": "other.safetensors"}
    data = hub.repositories[NAME]["ink_wash.safetensors"]
    hub.repositories[NAME]["other.safetensors"] = data
    hub.seconds_per_piece = 0.3
    made = [
        replace(load_starters()[0], id=key, title=key, repository=NAME, files=(file,), into="loras")
        for key, file in page_of.items()
    ]
    studio.state.downloads.starters = lambda: tuple(made)
    studio.state.settings.set("hub_endpoint", hub.url)
    studio.window.commands["get_models"].trigger()
    page = studio.window.models.get_page
    first, second = page.starters
    qtbot.mouseClick(first.get, Qt.MouseButton.LeftButton)
    assert first.get.text() == "Asking …" and second.get.text() == "Get" and second.get.isEnabled()
    qtbot.waitUntil(lambda: first.get.text() == "Show", timeout=30_000)
    assert second.get.text() == "Get"
    qtbot.mouseClick(first.get, Qt.MouseButton.LeftButton)
    models = studio.window.models
    qtbot.waitUntil(lambda: models.page is not None and models.page.details.file is not None, timeout=10_000)
    qtbot.waitUntil(lambda: models.page.details.file.name == "ink_wash", timeout=10_000)
    assert models.get_page is None


def test_offline_switches_everything_off(hub: Hub, studio, qtbot: QtBot) -> None:
    studio.window.commands["get_models"].trigger()
    page = studio.window.models.get_page
    qtbot.mouseClick(page.offline, Qt.MouseButton.LeftButton)
    assert studio.state.settings.get("offline") is True
    assert not page.look_up.isEnabled() and not any(row.get.isEnabled() for row in page.starters)
    studio.state.downloads.get(page.starters[0].starter)
    assert "stay offline" in page.problem.text() and hub.requests == []
