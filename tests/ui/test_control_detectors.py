"""How a map is found and which network reads it: chosen on a layer's card, and what lacks is offered to be fetched."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL.Image import Image
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.choices import ControlKind, ControlMode, Detector
from studio.core.recipe import ControlUse, ModelRef
from studio.engine.annotators import Annotators
from studio.ui.panels.control_card import ControlCard
from studio.ui.panels.scheduler_row import CalmCombo
from tests.engine.intake import layouts as real
from tests.ui.test_control import dropped_card


def pick(combo: CalmCombo, data: str) -> None:
    """As the artist chooses from the list."""
    row = combo.findData(data)
    assert row >= 0
    combo.setCurrentIndex(row)
    combo.activated.emit(row)


def use_of(studio: Studio) -> ControlUse:
    return studio.draft.draft.controls[0].use


@pytest.fixture(autouse=True)
def light_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks bring torch with them; tests/engine looks at the real ones. What lacks its weights still says so."""

    def detect(self: Annotators, detector: Detector, picture: Image, *_more: object) -> Image:
        self.weights(detector)
        return picture

    monkeypatch.setattr(Annotators, "detect", detect)


@pytest.fixture
def card(qtbot: QtBot, studio: Studio, sketch: Path) -> ControlCard:
    card = dropped_card(qtbot, studio, sketch)
    qtbot.waitUntil(lambda: studio.state.control_maps.here is not None, timeout=5000)
    return card


@pytest.fixture
def library(qtbot: QtBot, studio: Studio) -> Path:
    """A model of SD 1.x, two ControlNets of its family and one of SDXL's."""
    folder = Path(studio.state.models_folder)
    for sub in ("checkpoints", "controlnet"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    real.write_weights(folder / "checkpoints" / "dreamer.safetensors", real.checkpoint(real.SD1))
    for name in ("control_v11p_sd15_depth", "first_try"):
        real.write_weights(folder / "controlnet" / f"{name}.safetensors", real.controlnet(real.SD1))
    real.write_weights(folder / "controlnet" / "depth-xl.safetensors", real.controlnet(real.SDXL))
    files = studio.state.model_files
    files.rescan()
    qtbot.waitUntil(lambda: not files.busy and files.find("dreamer") is not None, timeout=20000)
    return folder


def test_the_mode_is_chosen_kept_and_taken_back(studio: Studio, card: ControlCard) -> None:
    assert card.knobs.mode.currentText() == "Balanced"
    pick(card.knobs.mode, "unbalanced")
    assert use_of(studio).mode is ControlMode.UNBALANCED
    assert card.knobs.mode.currentText() == "Most control" and "even without words" in card.knobs.mode.toolTip()
    pick(card.kind, "lineart")
    assert use_of(studio).mode is ControlMode.UNBALANCED, "it is the layer's, not the kind's"
    studio.draft.undo_stack.undo()
    studio.draft.undo_stack.undo()
    assert use_of(studio).mode is ControlMode.BALANCED and card.knobs.mode.currentData() == "balanced"


def test_who_leads_needs_no_other_map(studio: Studio, card: ControlCard, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding one takes seconds with a network."""
    asked: list[ControlUse] = []
    monkeypatch.setattr(studio.state.control_maps, "request", lambda use, *_: asked.append(use))
    pick(card.knobs.mode, "unbalanced")
    assert use_of(studio).mode is ControlMode.UNBALANCED and not asked
    pick(card.kind, "canny")
    assert [use.kind for use in asked] == ["canny"]


def test_a_kind_brings_its_detector_and_no_inverted_picture(studio: Studio, card: ControlCard) -> None:
    assert use_of(studio).invert
    assert card.detector.currentData() == "none"
    pick(card.kind, "lineart")
    use = use_of(studio)
    assert (use.kind, use.detector, use.invert) == (ControlKind.LINEART, "lineart-standard", False)  # what is here
    pick(card.detector, "none")
    assert (use_of(studio).detector, use_of(studio).invert) == ("none", True)  # a drawing again
    pick(card.kind, "scribble")
    assert (use_of(studio).detector, use_of(studio).invert) == ("", True)
    studio.draft.undo_stack.undo()
    assert use_of(studio).kind is ControlKind.LINEART
    assert card.kind.currentData() == "lineart"


def test_thresholds_stand_where_they_mean_something(studio: Studio, card: ControlCard) -> None:
    pick(card.kind, "canny")
    card.edges.edited.emit(40, 90)
    assert card.edges.isVisible()
    assert not card.score.isVisible()
    pick(card.kind, "mlsd")
    assert (use_of(studio).low, card.score.isVisible(), card.edges.isVisible()) == (10, True, False)
    card.score.spin.setValue(25)
    assert use_of(studio).low == 25
    pick(card.kind, "canny")
    assert (use_of(studio).low, use_of(studio).high) == (40, 90)
    pick(card.detector, "none")
    assert not card.edges.isVisible()
    pick(card.kind, "mlsd")
    assert use_of(studio).low == 25


def test_a_missing_detector_says_what_to_get_and_leads_there(qtbot: QtBot, studio: Studio, card: ControlCard) -> None:
    pick(card.kind, "softedge")
    qtbot.waitUntil(card.get_detector.isVisible, timeout=5000)
    assert use_of(studio).detector == ""
    assert card.map._words == "The detector HED is not here."
    assert not card.caption.isVisible()
    assert "29 MB" in card.get_detector.text()
    assert "29 MB" in card.detector.itemText(card.detector.currentIndex())
    qtbot.mouseClick(card.get_detector, Qt.MouseButton.LeftButton)
    page = studio.window.models.get_page
    assert page is not None
    row = next(row for row in page.starters if row.starter.id == "annotator-hed")
    qtbot.waitUntil(lambda: page.focusWidget() is row.get, timeout=8000)
    page.close()
    pick(card.kind, "scribble")
    assert not card.get_detector.isVisible()


def test_a_detector_that_arrives_makes_the_map(qtbot: QtBot, studio: Studio, card: ControlCard) -> None:
    pick(card.kind, "softedge")
    qtbot.waitUntil(card.get_detector.isVisible, timeout=5000)
    folder = Path(studio.state.models_folder) / "annotators"
    folder.mkdir(parents=True)
    (folder / "ControlNetHED.safetensors").write_bytes(b"")
    studio.state.model_files.rescan()
    qtbot.waitUntil(lambda: not card.map.image.isNull(), timeout=20000)
    assert not card.get_detector.isVisible()
    assert "MB" not in card.detector.itemText(card.detector.currentIndex())
    pick(card.kind, "scribble")
    assert use_of(studio).detector == ""


def test_mini_has_its_own_network_for_lines(qtbot: QtBot, studio: Studio, card: ControlCard) -> None:
    files = studio.state.model_files
    files.rescan()
    qtbot.waitUntil(lambda: files.find("mini") is not None and not files.busy, timeout=20000)
    assert not card.net.isVisible()  # nothing to choose
    assert not card.problem.isVisible()
    pick(card.kind, "depth")
    assert "reads lines alone" in card.problem.text()
    assert not card.get_net.isVisible()
    qtbot.waitUntil(lambda: card.failed, timeout=20000)
    assert not card.get_detector.isVisible(), "the map would be read by nobody"
    pick(card.kind, "lineart")
    assert not card.problem.isVisible()


def test_the_network_is_chosen_on_the_card(studio: Studio, card: ControlCard, library: Path) -> None:
    assert (library / "controlnet").is_dir()
    studio.window.models.choose("dreamer")
    assert "No ControlNet here reads scribble for SD 1.x." in card.problem.text()
    assert "723 MB" in card.get_net.text()
    assert card.get_net.isVisible()
    pick(card.kind, "depth")
    assert not card.problem.isVisible()
    assert card.net.isVisible()
    assert card.net.itemText(0) == "Fits: control_v11p_sd15_depth"
    assert [card.net.itemData(row) for row in range(card.net.count()) if card.net.itemData(row)] == [
        "control_v11p_sd15_depth",
        "first_try",
    ]
    pick(card.net, "first_try")
    assert use_of(studio).net is not None
    assert use_of(studio).net.name == "first_try"
    studio.draft.undo_stack.undo()
    assert (use_of(studio).net, card.net.currentData()) == (None, "")
    studio.draft.undo_stack.redo()
    assert card.net.currentData() == "first_try"
    pick(card.net, "")
    assert use_of(studio).net is None
    pick(card.net, "first_try")
    pick(card.kind, "scribble")  # another kind: what fits that
    assert use_of(studio).net is None


def test_a_network_that_cannot_work_is_shown_and_said(studio: Studio, card: ControlCard, library: Path) -> None:
    assert library.is_dir()
    studio.window.models.choose("dreamer")
    for name, words in (
        ("depth-xl", "goes with SDXL models, not with SD 1.x"),
        ("gone", "is not in the model folders"),
    ):
        card._wish("net", net=ModelRef(name=name))
        assert words in card.problem.text()
        assert card.net.currentData() == name
        assert not card.get_net.isVisible()
