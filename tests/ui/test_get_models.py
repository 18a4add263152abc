"""The page Get models … through the real window, against a hub on loopback."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.core.hub import TransferState
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
    qtbot.mouseClick(page.card.get, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: studio.state.model_files.has("fetched/ink_wash.safetensors"), timeout=10_000)
    (row,) = page._rows.values()
    assert row.transfer.state is TransferState.DONE and row.facts.text().startswith("All there")


def test_a_refusal_is_said_on_the_page(hub: Hub, studio, qtbot: QtBot) -> None:
    studio.window.commands["get_models"].trigger()
    page = studio.window.models.get_page
    page.name.setText("no name at all")
    qtbot.keyClick(page.name, Qt.Key.Key_Return)
    assert page.problem.isVisible() and "is not the name of a repository" in page.problem.text()


def test_offline_switches_everything_off(hub: Hub, studio, qtbot: QtBot) -> None:
    studio.window.commands["get_models"].trigger()
    page = studio.window.models.get_page
    qtbot.mouseClick(page.offline, Qt.MouseButton.LeftButton)
    assert studio.state.settings.get("offline") is True
    assert not page.name.isEnabled() and not any(row.get.isEnabled() for row in page.starters)
    studio.state.downloads.get(page.starters[0].starter)
    assert "stay offline" in page.problem.text() and hub.requests == []
