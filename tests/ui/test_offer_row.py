"""Settings that a file calls for are one click away, and what no file tells is asked once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.choices import Spacing
from studio.core.draft import PluginLayer
from studio.core.model_files import Prediction
from studio.core.recipe import FileRef, PluginRef, PluginUse
from studio.engine.intake.digests import digest_file
from tests.engine.intake.layouts import write_weights
from tests.engine.intake.test_library import LORA_XL, SMALL_XL

if TYPE_CHECKING:
    from tests.ui.conftest import MakeStudio

LCM = PluginUse(plugin=PluginRef(id="lora"), type="adapter", part="lora", values=(("weight", 1.0),))


@pytest.fixture
def studio(qtbot: QtBot, make_studio: MakeStudio, tmp_path: Path) -> Studio:
    """With a plain model, a Lightning one, one whose name says v-pred, and an LCM LoRA."""
    folder = tmp_path / "made"
    for name, shapes in (
        ("dreams", SMALL_XL), ("dreams_lightning_8step", SMALL_XL), ("noob-vpred", SMALL_XL), ("lcm_lora_sdxl", LORA_XL),
    ):  # fmt: skip
        write_weights(folder / "models" / f"{name}.safetensors", shapes)
    studio = make_studio(folder=folder)
    studio.state.model_files.rescan()
    qtbot.waitUntil(lambda: len(studio.state.model_files.files) >= 4, timeout=20_000)
    return studio


def test_a_few_step_model_brings_its_settings_and_offers_them_again(studio: Studio) -> None:
    row, draft = studio.window.settings.offer, studio.draft
    assert not row.isVisible()
    studio.window.models.choose("dreams_lightning_8step")
    now = draft.draft
    assert (now.scheduler, now.spacing, now.steps, now.guidance_scale) == ("euler", Spacing.TRAILING, 8, 1.0)
    assert not row.isVisible()
    draft.set_steps(10)  # a little more is the artist's business
    assert not row.isVisible()
    draft.set_guidance_scale(7.0)
    assert row.isVisible()
    assert row.words.text() == "“dreams_lightning_8step” was made for 8 steps with Euler Trailing, guidance 1."
    changed = draft.draft
    row.use.click()
    assert draft.draft == replace(changed, steps=8, guidance_scale=1.0)
    assert not row.isVisible()
    draft.undo_stack.undo()
    assert draft.draft == changed
    assert row.isVisible()
    row.close_button.click()
    assert not row.isVisible()
    draft.set_guidance_scale(8.0)
    assert not row.isVisible(), "waved away once is enough"


def test_a_few_step_lora_offers_what_it_was_made_for(studio: Studio) -> None:
    row, draft = studio.window.settings.offer, studio.draft
    studio.window.models.choose("dreams")
    digest = digest_file(next(file.path for file in studio.state.model_files.files if file.name == "lcm_lora_sdxl"))
    lcm = replace(LCM, files=(("file", FileRef(name="lcm_lora_sdxl.safetensors", sha256=digest)),))
    draft.add_plugin(lcm)
    assert row.isVisible()
    assert row.words.text().startswith("“lcm_lora_sdxl” was made for 4 steps with LCM")
    row.use.click()
    assert (draft.draft.scheduler, draft.draft.steps, draft.draft.guidance_scale) == ("lcm", 4, 1.0)
    assert not row.isVisible()
    draft.undo_stack.undo()
    assert row.isVisible()
    draft.set_plugin(0, PluginLayer(use=lcm, enabled=False))
    assert not row.isVisible()


def test_what_a_model_predicts_is_asked_once_and_corrected_later(qtbot: QtBot, studio: Studio) -> None:
    row, models = studio.window.settings.offer, studio.state.model_files
    studio.window.models.choose("noob-vpred")
    assert row.isVisible()
    assert "does not say what it predicts" in row.words.text()
    row.prediction.setCurrentIndex(row.prediction.findData("v_prediction zero"))
    row.prediction.activated.emit(row.prediction.currentIndex())
    qtbot.waitUntil(lambda: not row.isVisible(), timeout=5000)
    file = models.find("noob-vpred")
    assert file is not None
    assert (file.traits.prediction, file.traits.zero_snr) == (Prediction.V, True)
    studio.window.models.show_page()
    page = studio.window.models.page
    assert page is not None
    page.select(file.path)
    box = page.details.predicts
    qtbot.waitUntil(lambda: box.isVisible() and page.details.file is not None, timeout=5000)
    assert box.currentData() == "v_prediction zero"
    box.setCurrentIndex(box.findData("epsilon"))
    box.activated.emit(box.currentIndex())
    qtbot.waitUntil(lambda: models.find("noob-vpred").traits.prediction is Prediction.EPSILON, timeout=5000)  # type: ignore[union-attr]
    assert models.find("noob-vpred").traits.zero_snr is False  # type: ignore[union-attr]
    page.select(models.find("mini").path)  # type: ignore[union-attr]
    assert not box.isVisible(), "what ships is known"
    page.close()
