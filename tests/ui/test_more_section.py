"""The settings behind “More”: each reaches the draft and is shown, can be taken back, and says why where it cannot work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.choices import Tiling
from studio.core.draft import Draft
from studio.core.recipe import FreeU, ModelRef
from studio.gallery.png import read_imprint
from studio.ui.words import picture_rows
from tests.engine.intake import layouts as real
from tests.ui.conftest import paint

if TYPE_CHECKING:
    from tests.ui.conftest import MakeStudio

VAE, REFINER = "vae-ft-mse-840000", "sd_xl_refiner_1.0"


@pytest.fixture
def collected(qtbot: QtBot, make_studio: MakeStudio, tmp_path: Path) -> Studio:
    """A studio with an SDXL model, its refiner and a VAE among its models."""
    folder = tmp_path / "made"
    for name, shapes in (
        ("dreams", real.checkpoint(real.SD1)), ("sd_xl_base_1.0", real.checkpoint(real.SDXL)),
        (REFINER, real.checkpoint(real.REFINER)), (VAE, real.vae()),
    ):  # fmt: skip
        real.write_weights(folder / "models" / f"{name}.safetensors", shapes)
    studio = make_studio(folder=folder)
    studio.state.model_files.rescan()
    qtbot.waitUntil(lambda: len(studio.state.model_files.files) >= 4, timeout=20_000)
    studio.window.settings.more.head.click()
    return studio


def choose(combo: QComboBox, data: str) -> None:
    combo.setCurrentIndex(combo.findData(data))
    combo.activated.emit(combo.currentIndex())


def test_closed_at_first_and_remembered(qtbot: QtBot, studio: Studio) -> None:
    more = studio.window.settings.more
    assert not more.body.isVisible()
    qtbot.keyClick(more.head, Qt.Key.Key_Space)
    assert more.body.isVisible()
    assert studio.state.settings.get("more_settings") is True
    qtbot.mouseClick(more.head, Qt.MouseButton.LeftButton)
    assert not more.body.isVisible()
    assert studio.state.settings.get("more_settings") is False


def test_every_field_reaches_the_draft_and_is_undone(collected: Studio) -> None:
    more, draft = collected.window.settings.more, collected.draft
    collected.window.models.choose("sd_xl_base_1.0")
    before = draft.draft
    more.clip_skip.setValue(1)
    more.rescale.spin.setValue(0.7)
    choose(more.vae, VAE)
    choose(more.refiner, REFINER)
    more.refine_at.spin.setValue(70)
    more.weights.click()
    more.freeu.click()
    assert draft.draft.freeu == FreeU(b1=1.3, b2=1.4), "SDXL's"
    more.factors["b1"].setValue(1.1)
    choose(more.tiling, "x")
    now = draft.draft
    assert now.vae is not None and now.vae.name == VAE
    assert now.refiner is not None and now.refiner.name == REFINER
    wanted = replace(
        before, clip_skip=1, guidance_rescale=0.7, vae=now.vae, refiner=now.refiner, refine_at=0.7, weights=False,
        freeu=FreeU(b1=1.1, b2=1.4), tiling=Tiling.X,
    )  # fmt: skip
    assert now == wanted
    while draft.draft != before and draft.undo_stack.canUndo():
        draft.undo_stack.undo()
    assert draft.draft == before
    assert (more.clip_skip.value(), more.freeu.isChecked(), more.tiling.currentData()) == (0, False, "off")
    assert not more.factors["b1"].isVisible()


def test_each_can_be_taken_back_and_only_what_is_unusual(collected: Studio) -> None:
    more, draft = collected.window.settings.more, collected.draft
    assert not any(line.reset.isVisible() for line in more._lines)
    draft.change(
        replace(
            draft.draft, clip_skip=1, guidance_rescale=0.5, vae=ModelRef(name=VAE), refiner=ModelRef(name=REFINER), refine_at=0.7,
            weights=False, freeu=FreeU(), tiling=Tiling.BOTH,
        ),
        "x",
    )  # fmt: skip
    assert all(line.reset.isVisible() for line in more._lines)
    assert all(line.field.isEnabled() for line in more._lines), "what is set can be changed, whatever the model"
    for line in more._lines:
        line.reset.click()
        assert not line.reset.isVisible()
    usual = Draft()
    fields = [name for line in more._lines for name in line.fields]
    assert all(getattr(draft.draft, name) == getattr(usual, name) for name in fields)


def test_what_the_model_cannot_says_why(qtbot: QtBot, collected: Studio) -> None:
    more, draft = collected.window.settings.more, collected.draft
    collected.window.models.choose("dreams")
    assert more.vae.isEnabled()
    assert not more.refiner.isEnabled()
    assert "“dreams” is none" in more._refining.toolTip().replace("\n", " ")
    draft.set_guidance_scale(1.0)
    assert not more.rescale.isEnabled()
    assert "nothing to rescale" in more.rescale.toolTip()
    collected.window.models.choose("sd_xl_base_1.0")
    assert more.refiner.isEnabled()
    collected.window.models.choose("mini")
    assert not more.vae.isEnabled()
    assert "No other VAE for Studio Mini" in more.vae.toolTip()
    assert more.clip_skip.maximum() == 1


def test_a_missing_vae_is_shown_and_kept(studio: Studio) -> None:
    more, draft = studio.window.settings.more, studio.draft
    ref = ModelRef(name="gone", sha256="ab" * 32)
    draft.change(replace(draft.draft, vae=ref), "x")
    assert more.vae.currentText() == "gone"
    choose(more.vae, "gone")
    assert draft.draft.vae == ref
    choose(more.vae, "")
    assert draft.draft.vae is None


def test_they_travel_in_the_picture_and_come_back(qtbot: QtBot, studio: Studio) -> None:
    draft = studio.draft
    draft.change(replace(draft.draft, freeu=FreeU(s1=0.8), tiling=Tiling.Y, clip_skip=1), "x")
    paint(qtbot, studio)
    made = studio.window.centre.picture
    assert made is not None
    assert (made.recipe.freeu, made.recipe.tiling, made.recipe.clip_skip) == (FreeU(s1=0.8), Tiling.Y, 1)
    draft.change(Draft(), "x")
    draft.load(read_imprint(made.file).recipe)
    assert ("Also", "CLIP skip 1  ·  FreeU s 0.8, 0.2; b 1.5, 1.6  ·  Tiles top and bottom") in picture_rows(made)
    more = studio.window.settings.more
    assert (more.freeu.isChecked(), more.factors["s1"].value(), more.tiling.currentData()) == (True, 0.8, "y")
    assert studio.window.settings.extras.lines == (
        "CLIP skip 1",
        "FreeU s 0.8, 0.2; b 1.5, 1.6",
        "Tiles top and bottom",
    )


def test_the_open_section_is_no_wider_than_the_panel(collected: Studio) -> None:
    """Nothing is cut off at the right, however narrow the dock."""
    panel = collected.window.settings
    collected.draft.change(replace(collected.draft.draft, freeu=FreeU(), refiner=ModelRef(name=REFINER)), "x")
    body = panel.widget()
    assert panel.more.body.isVisible()
    body.layout().activate()
    assert body.minimumSizeHint().width() <= panel.minimumWidth()
