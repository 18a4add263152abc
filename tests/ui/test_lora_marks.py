"""A mark like <lora:name:0.8> in the prompt says what it means here and becomes a layer with one click."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from studio.app import Studio
from tests.engine.intake.layouts import write_weights
from tests.engine.intake.test_library import LORA, LORA_XL, TINY_WHOLE
from tests.ui.conftest import MakeStudio


@pytest.fixture
def studio(qtbot: QtBot, make_studio: MakeStudio, tmp_path: Path) -> Studio:
    models = tmp_path / "made" / "models"
    write_weights(models / "house.safetensors", TINY_WHOLE)
    write_weights(models / "Ink_Wash.safetensors", LORA)
    write_weights(models / "large.safetensors", LORA_XL)
    studio = make_studio(folder=tmp_path / "made")
    state = studio.state
    qtbot.waitUntil(lambda: state.model_files.find("house") is not None and not state.model_files.busy, timeout=20_000)
    qtbot.waitUntil(lambda: state.plugins.find("lora") is not None, timeout=20_000)
    studio.window.models.choose("house")
    return studio


def test_a_mark_becomes_a_layer_in_one_step(studio: Studio, qtbot: QtBot) -> None:
    button, draft = studio.window.prompt.lora_mark, studio.draft
    draft.set_prompt("a house, misty")
    assert not button.isVisible()
    draft.set_prompt("a house, <lora:ink_wash:0.65>, misty")
    assert button.isVisible()
    assert button.text() == "Make <lora:…> a layer"
    typed = draft.draft
    button.click()
    qtbot.waitUntil(lambda: bool(draft.draft.plugins), timeout=20_000)
    (layer,) = draft.draft.plugins
    assert (layer.use.files[0][1].name, dict(layer.use.values)["weight"]) == ("Ink_Wash.safetensors", 0.65)
    assert draft.draft.prompt == "a house, misty"
    assert not button.isVisible()
    draft.undo_stack.undo()
    assert draft.draft == typed
    assert button.isVisible()


def test_a_strength_beyond_the_limits_is_held_within_them(studio: Studio, qtbot: QtBot) -> None:
    studio.draft.set_prompt("<lora:ink_wash:9>")
    studio.window.prompt.lora_mark.click()
    qtbot.waitUntil(lambda: bool(studio.draft.draft.plugins), timeout=20_000)
    assert dict(studio.draft.draft.plugins[0].use.values)["weight"] == 4.0


def test_a_lora_of_another_family_is_refused_in_words_and_the_mark_stays(studio: Studio) -> None:
    studio.draft.set_prompt("<lora:large:1> a house")
    studio.window.prompt.lora_mark.click()
    assert "SDXL" in studio.state.messages.history()[-1].headline
    assert studio.draft.draft.prompt == "<lora:large:1> a house"


def test_what_is_not_here_is_taken_out(studio: Studio) -> None:
    button, draft = studio.window.prompt.lora_mark, studio.draft
    draft.set_prompt("a house <lora:unknown:1> <hypernet:old:1>")
    assert button.text() == "Take out <lora:…>"
    assert "no LoRA “unknown”" in button.toolTip().replace("\n", " ")
    button.click()
    assert draft.draft.prompt == "a house <hypernet:old:1>"
    assert button.text() == "Take out <hypernet:…>"
    button.click()
    assert draft.draft.prompt == "a house"
    assert not button.isVisible()
    draft.undo_stack.undo()
    assert draft.draft.prompt == "a house <hypernet:old:1>"
