"""Every setting both ways: the hand reaches the draft, the draft is shown and does not echo."""

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QStyle, QStyleOptionComboBox, QToolButton
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.choices import Spacing
from studio.core.draft import Draft
from studio.core.recipe import ModelRef, Size
from studio.ui.main_window import MainWindow
from tests.ui.conftest import drop, file_mime, paint

LAST_SEED = 2**32 - 1


def test_seeds_of_32_bits_survive(qtbot: QtBot, studio: Studio) -> None:
    row = studio.window.settings.seed
    qtbot.keyClicks(row.edit, str(LAST_SEED))
    assert studio.draft.draft.seed == LAST_SEED
    assert row.lock.isChecked()
    qtbot.keyClicks(row.edit, "0")  # one digit more is one too many
    assert studio.draft.draft.seed == LAST_SEED
    row.edit.selectAll()
    qtbot.keyClick(row.edit, Qt.Key.Key_Delete)
    assert studio.draft.draft.seed is None
    qtbot.keyClicks(row.edit, "x.5e")
    assert studio.draft.draft.seed == 5


def test_a_seed_of_minus_one_is_new_each_time(qtbot: QtBot, studio: Studio) -> None:
    row = studio.window.settings.seed
    qtbot.keyClicks(row.edit, "42")
    row.edit.selectAll()
    qtbot.keyClicks(row.edit, "-")
    assert studio.draft.draft.seed == 42
    qtbot.keyClicks(row.edit, "1")
    assert (studio.draft.draft.seed, row.edit.text(), row.lock.isChecked()) == (None, "", False)
    studio.draft.undo_stack.undo()
    assert (studio.draft.draft.seed, row.edit.text()) == (42, "42")
    row.edit.selectAll()
    qtbot.keyClicks(row.edit, "-")
    qtbot.keyClick(row.edit, Qt.Key.Key_Return)
    assert (studio.draft.draft.seed, row.edit.text()) == (None, "")


def test_die_and_lock(qtbot: QtBot, studio: Studio) -> None:
    row = studio.window.settings.seed
    qtbot.mouseClick(row.dice, Qt.MouseButton.LeftButton)
    rolled = studio.draft.draft.seed
    assert rolled is not None
    assert 0 <= rolled <= LAST_SEED
    qtbot.mouseClick(row.lock, Qt.MouseButton.LeftButton)
    assert studio.draft.draft.seed is None
    paint(qtbot, studio, seed=LAST_SEED)
    studio.draft.set_seed(None)
    qtbot.mouseClick(row.lock, Qt.MouseButton.LeftButton)
    assert studio.draft.draft.seed == LAST_SEED


def test_numbers_and_choices_reach_the_draft(qtbot: QtBot, studio: Studio) -> None:
    panel, draft = studio.window.settings, studio.draft
    panel.steps.spin.setValue(33)
    panel.guidance.spin.setValue(7.5)
    panel.count.setValue(4)
    panel.exact.click()
    panel.size_row.width_spin.setValue(512)
    combo = panel.scheduler.scheduler
    combo.setCurrentIndex(combo.findData("euler"))
    combo.activated.emit(combo.currentIndex())
    spacing = panel.scheduler.spacing
    spacing.setCurrentIndex(spacing.findData("karras"))
    spacing.activated.emit(spacing.currentIndex())
    now = draft.draft
    assert (now.steps, now.guidance_scale, now.count, now.exact) == (33, 7.5, 4, True)
    assert (now.size, now.scheduler, now.spacing) == (Size(width=512, height=256), "euler", Spacing.KARRAS)
    qtbot.mouseClick(panel.size_row.swap, Qt.MouseButton.LeftButton)
    assert draft.draft.size == Size(width=256, height=512)
    assert studio.window.prompt.generate.text() == "Generate 4"


def test_a_draft_is_shown_without_echo(qtbot: QtBot, studio: Studio) -> None:
    heard: list[Draft] = []
    studio.draft.changed.connect(heard.append)
    wished = Draft(
        prompt="p", negative_prompt="n", seed=LAST_SEED, steps=90, scheduler="unipc", spacing=Spacing.BETA, guidance_scale=3.25,
        size=Size(width=640, height=384), model=ModelRef(name="not-here"), count=9, exact=True,
    )  # fmt: skip
    studio.draft.change(wished, "all of it")
    panel = studio.window.settings
    assert heard == [wished]
    assert panel.seed.edit.text() == str(LAST_SEED)
    assert (panel.steps.spin.value(), panel.steps.slider.value()) == (90, panel.steps.slider.maximum())
    assert panel.guidance.spin.value() == 3.25
    assert panel.scheduler.scheduler.currentText() == "UniPC"
    assert panel.scheduler.spacing.currentText() == "Beta"
    assert panel.model.currentText() == "not-here"
    assert (panel.size_row.width_spin.value(), panel.count.value(), panel.exact.isChecked()) == (640, 9, True)


def test_typed_sides_become_multiples_of_eight(qtbot: QtBot, studio: Studio) -> None:
    spin = studio.window.settings.size_row.height_spin
    spin.lineEdit().setText("301")
    qtbot.keyClick(spin, Qt.Key.Key_Return)
    assert studio.draft.draft.size.height == 304
    studio.draft.change(replace(studio.draft.draft, size=Size(width=264, height=264)), "x")
    assert spin.value() == 264


@pytest.mark.parametrize("name", ["stepsSpin", "guidanceSpin", "widthSpin", "schedulerCombo", "countSpin"])
def test_scrolling_past_a_field_changes_nothing(window: MainWindow, name: str) -> None:
    field = window.findChild(object, name)
    before = window.state.draft.draft
    middle = QPointF(field.rect().center())
    down = QPoint(0, -120)
    event = QWheelEvent(
        middle, field.mapToGlobal(middle), down, down, Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(field, event)
    assert window.state.draft.draft == before


def test_every_scheduler_stands_in_the_list(window: MainWindow) -> None:
    from studio.core.schedulers import SCHEDULERS

    combo = window.settings.scheduler.scheduler
    listed = [combo.itemData(row) for row in range(combo.count()) if combo.itemData(row)]
    assert sorted(listed) == sorted(SCHEDULERS)
    assert all(combo.itemData(row, Qt.ItemDataRole.ToolTipRole) for row in range(combo.count()) if combo.itemData(row))


def test_the_usual_spacing_is_not_cut_off(window: MainWindow) -> None:
    combo, option = window.settings.scheduler.spacing, QStyleOptionComboBox()
    combo.initStyleOption(option)
    style, edit = combo.style(), QStyle.SubControl.SC_ComboBoxEditField
    room = style.subControlRect(QStyle.ComplexControl.CC_ComboBox, option, edit, combo).width()
    assert combo.fontMetrics().elidedText("Normal", Qt.TextElideMode.ElideRight, room) == "Normal"


def test_a_picture_to_begin_with(qtbot: QtBot, studio: Studio, sketch: Path) -> None:
    row, draft = studio.window.settings.begin, studio.draft
    assert row.choose.isVisible()
    assert not row.strength.isVisible()
    assert drop(row, file_mime(sketch))
    qtbot.waitUntil(lambda: draft.draft.init is not None, timeout=5000)
    assert not row.choose.isVisible()
    qtbot.waitUntil(lambda: not row.thumb.image.isNull(), timeout=5000)
    row.strength.spin.setValue(0.35)
    assert draft.draft.strength == 0.35
    paint(qtbot, studio)
    made = studio.window.centre.picture
    assert made is not None
    assert made.recipe.init == draft.draft.init
    assert made.recipe.strength == 0.35
    qtbot.mouseClick(row.clear, Qt.MouseButton.LeftButton)
    assert draft.draft.init is None
    assert row.choose.isVisible()
    draft.load(made.recipe)  # restoring a picture brings it back
    assert row.shown == made.recipe.init
    assert row.strength.spin.value() == 0.35


def test_what_is_set_beyond_the_usual_can_be_taken_off(qtbot: QtBot, studio: Studio) -> None:
    row, draft = studio.window.settings.extras, studio.draft
    assert not row.isVisible()
    refiner, vae = ModelRef(name="sd_xl_refiner"), ModelRef(name="ft-mse")
    draft.change(replace(draft.draft, refiner=refiner, vae=vae, clip_skip=2, guidance_rescale=0.7, weights=False), "x")
    assert row.isVisible()
    assert row.lines == (
        "Refiner sd_xl_refiner, from 80 %", "VAE ft-mse", "CLIP skip 2", "Guidance rescale 0.70", "Brackets are signs",
    )  # fmt: skip
    while row.lines:
        button = row.findChildren(QToolButton)[-1]
        before = len(row.lines)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        assert len(row.lines) == before - 1
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    assert replace(draft.draft, model=Draft().model, size=Draft().size) == Draft()
    assert not row.isVisible()
    draft.undo_stack.undo()
    assert row.lines == ("Refiner sd_xl_refiner, from 80 %",)
