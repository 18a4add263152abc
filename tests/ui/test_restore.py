"""Restoring through the real window: quick for our own, a list for others; nothing changes before it is wished."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.restore import Group
from studio.ui.restore.dialog import RestoreDialog
from studio.ui.restore.words import done_words
from tests.gallery.foreign.pictures import png_with
from tests.ui.conftest import drop, file_mime, paint

A1111 = (
    "a castle <lora:ink:0.7>\nNegative prompt: blurry\nSteps: 28, Sampler: Euler, CFG scale: 7, Seed: 5, "
    "Size: 512x768, Model hash: 879db523c3, Model: dreamshaper_8, ENSD: 31337"
)


def shown(qtbot: QtBot, studio: Studio) -> RestoreDialog:
    qtbot.waitUntil(lambda: studio.window.restoring.dialog is not None, timeout=5000)
    dialog = studio.window.restoring.dialog
    assert dialog is not None
    return dialog


def castle(tmp_path: Path) -> Path:
    file = tmp_path / "castle.png"
    file.write_bytes(png_with(parameters=A1111))
    return file


def button(studio: Studio, words: str) -> QPushButton:
    card = studio.window.centre.messages.cards()[0]
    return next(found for found in card.findChildren(QPushButton) if found.text() == words)


def test_a_foreign_picture_is_listed_first_and_only_ticks_are_applied(
    qtbot: QtBot, studio: Studio, tmp_path: Path
) -> None:
    studio.draft.set_prompt("mine")
    assert drop(studio.window.centre.view, file_mime(castle(tmp_path)))
    dialog = shown(qtbot, studio)
    assert studio.draft.draft.prompt == "mine"
    boxes = {box.row.key: box for group in dialog.groups for box in group.boxes}
    assert not boxes["model"].isEnabled()
    assert not boxes["loras[0]"].isEnabled()
    assert boxes["model"].row.why == "missing: dreamshaper_8 [879db523c3]"
    assert dialog.proposal.found.raw == A1111
    assert any(row.title == "ENSD" for row in dialog.proposal.rows if row.group is Group.OTHER)
    for key in ("negative_prompt", "size", "guidance_scale"):
        boxes[key].setChecked(False)
    assert dialog.yes.text() == "Restore 4 settings"
    dialog.yes.click()
    draft = studio.draft.draft
    assert (draft.prompt, draft.steps, draft.seed, draft.scheduler) == ("a castle", 28, 5, "euler")
    assert (draft.negative_prompt, draft.model.name, draft.size.width) == ("", "mini", 256)
    studio.draft.undo_stack.undo()
    assert studio.draft.draft.prompt == "mine"
    assert studio.window.restoring.dialog is None


def test_a_lora_that_is_here_comes_along_as_a_layer(qtbot: QtBot, studio: Studio, tmp_path: Path) -> None:
    qtbot.waitUntil(lambda: studio.state.plugins.known, timeout=10_000)
    file = tmp_path / "castle.png"
    file.write_bytes(png_with(parameters=A1111.replace("<lora:ink:0.7>", "<lora:Ink-Wash:0.7>")))
    studio.state.restorer.open_file(file)
    dialog = shown(qtbot, studio)
    dialog.yes.click()
    use = studio.draft.draft.plugins[0].use
    assert (use.plugin.id, use.files[0][1].name) == ("lora", "ink_wash.safetensors")
    assert dict(use.values)["weight"] == 0.7


def test_cancel_changes_nothing_and_all_or_none_ticks_all(qtbot: QtBot, studio: Studio, tmp_path: Path) -> None:
    before = studio.draft.draft
    assert drop(studio.window.centre.view, file_mime(castle(tmp_path)))
    dialog = shown(qtbot, studio)
    dialog.all.click()
    assert not dialog.keys()
    assert not dialog.yes.isEnabled()
    dialog.all.click()
    assert set(dialog.keys()) == set(dialog.proposal.keys)
    dialog.reject()
    assert studio.draft.draft == before


def test_our_own_picture_is_restored_at_once_and_can_be_chosen_from(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio, prompt="a house", seed=7)
    studio.draft.set_prompt("words of today")
    studio.draft.set_steps(3)
    studio.window.commands["use_settings"].trigger()
    assert studio.draft.draft.prompt == "a house"
    assert studio.window.restoring.dialog is None
    qtbot.waitUntil(lambda: bool(studio.window.centre.messages.cards()), timeout=5000)
    button(studio, "Choose …").click()
    dialog = shown(qtbot, studio)
    assert studio.draft.draft.prompt == "words of today", "taken back until it is chosen"
    steps = next(box for group in dialog.groups for box in group.boxes if box.row.key == "steps")
    steps.setChecked(False)
    dialog.yes.click()
    assert (studio.draft.draft.prompt, studio.draft.draft.steps) == ("a house", 3)


def test_the_list_is_shown_every_time_once_that_is_ticked(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio)
    studio.window.commands["choose_settings"].trigger()
    dialog = shown(qtbot, studio)
    dialog.always.setChecked(True)
    dialog.reject()
    assert studio.state.settings.get("restore_list") == "always"
    studio.draft.set_prompt("other")
    studio.window.commands["use_settings"].trigger()
    assert shown(qtbot, studio)
    assert studio.draft.draft.prompt == "other"
    studio.window.restoring.dialog.reject()  # type: ignore[union-attr]


def test_make_again_and_verify_says_identical(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio, prompt="a house", seed=7)
    picture = studio.window.centre.picture
    assert picture is not None
    with qtbot.waitSignal(studio.state.verifier.verified, timeout=10_000) as verified:
        studio.window.commands["verify"].trigger()
    outcome = verified.args[0]
    assert outcome.found.verdict == "identical"
    assert outcome.again.parents[0].parent == picture.id
    assert outcome.again.parents[0].kind == "remade"
    said = [card.message.headline for card in studio.window.centre.messages.cards()]
    assert "Made again: identical to the last pixel." in said
    button(studio, "Remove the copy").click()
    qtbot.waitUntil(lambda: studio.window.gallery.model().rowCount() == 1, timeout=5000)


def test_a_control_layer_from_the_history_makes_a_parent(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio, prompt="a house", seed=7)
    picture = studio.window.centre.picture
    assert picture is not None
    studio.window.wishes.use_as_control(picture)
    qtbot.waitUntil(lambda: bool(studio.draft.draft.controls), timeout=5000)
    paint(qtbot, studio, prompt="two houses", seed=8)
    child = studio.window.centre.picture
    assert child is not None
    assert [(link.kind, link.parent) for link in child.parents] == [("control", picture.id)]


def test_what_was_done_is_said_shortly() -> None:
    assert done_words(["Prompt", "Seed"]) == "Restored from the picture: prompt, seed."
    assert done_words([str(n) for n in range(9)]).endswith("4 more.")
    assert "already" in done_words([])


def test_the_dialog_can_be_worked_by_keys(qtbot: QtBot, studio: Studio, tmp_path: Path) -> None:
    assert drop(studio.window.centre.view, file_mime(castle(tmp_path)))
    dialog = shown(qtbot, studio)
    box = dialog.groups[0].boxes[0]
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Space)
    assert not box.isChecked()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert studio.window.restoring.dialog is None
