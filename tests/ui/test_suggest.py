"""Suggestions for the prompt, scores and the ranked strip, and what a picture's details say of plugins."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.errors import PluginProblem
from studio.core.events import Suggest
from studio.core.plugins import Parameter, ParameterType, Part, PartType
from studio.core.recipe import ControlUse, FileRef, ImageRef, PluginRef, PluginUse, Recipe
from studio.engine.fake import FakeEngine
from studio.engine.protocol import OnProgress, Rendered
from studio.state.plugin_room import PluginRoom
from studio.ui.words import picture_details
from tests.state.fakes import picture_of
from tests.state.plugin_fakes import SHIPPED, MemoryShelf
from tests.ui.conftest import MakeStudio

pytestmark = pytest.mark.qt_log_ignore("does not support (raise|grabbing)", extend=True)  # offscreen, of any popup
SCORES = {10: 0.21, 11: 0.93, 12: 0.55}


class Clever(FakeEngine):
    """Suggests, and scores by the seed."""

    fails = False

    def suggest(self, errand: Suggest) -> tuple[str, ...]:
        if self.fails:
            raise PluginProblem("The prompt expander has no model.")
        return tuple(f"{errand.prompt} on hill {n}" for n in range(errand.count))

    def render(self, recipe: Recipe, on_progress: OnProgress) -> Rendered:
        made = super().render(recipe, on_progress)
        score = SCORES.get(recipe.seed)
        return replace(made, made_with=replace(made.made_with, scores=(("clip_rank:clip", score),) if score else ()))


@pytest.fixture
def studio(make_studio: MakeStudio, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> Studio:
    shelf = MemoryShelf(*SHIPPED)
    monkeypatch.setattr(PluginRoom, "shelf", lambda _self: shelf)
    made = make_studio(Clever())
    qtbot.waitUntil(lambda: made.state.plugins.known, timeout=5000)
    return made


def test_a_suggestion_is_picked_and_undone(studio: Studio, qtbot: QtBot) -> None:
    prompt = studio.window.prompt
    studio.draft.set_prompt("a red house")
    assert prompt.suggest.isVisible()
    qtbot.mouseClick(prompt.suggest, Qt.MouseButton.LeftButton)
    popup = prompt.suggest.popup
    qtbot.waitUntil(lambda: popup.list.count() == 4, timeout=5000)
    assert popup.isVisible()
    qtbot.keyClick(popup.list, Qt.Key.Key_Down)
    qtbot.keyClick(popup.list, Qt.Key.Key_Return)
    assert studio.draft.draft.prompt == "a red house on hill 1"
    assert not popup.isVisible()
    studio.draft.undo_stack.undo()
    assert studio.draft.draft.prompt == "a red house"


def test_suggestions_that_come_after_the_popup_was_closed_are_dropped(studio: Studio, qtbot: QtBot) -> None:
    suggest = studio.window.prompt.suggest
    suggest.ask()
    with qtbot.waitSignal(studio.queue.suggested, timeout=5000):
        suggest.popup.close()
    assert suggest.popup.list.count() == 0
    assert not suggest.popup.isVisible()


def test_a_failure_is_said_and_closes_the_popup(studio: Studio, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Clever, "fails", True)
    studio.window.prompt.suggest.ask()
    qtbot.waitUntil(lambda: any("no model" in m.headline for m in studio.state.messages.history()), timeout=5000)
    assert not studio.window.prompt.suggest.popup.isVisible()


def test_the_button_is_there_only_with_the_plugin(studio: Studio, qtbot: QtBot) -> None:
    studio.state.plugins.disable("prompt_expander")
    qtbot.waitUntil(lambda: not studio.window.prompt.suggest.isVisible())


def test_a_batch_with_scores_is_ranked_and_shown(studio: Studio, qtbot: QtBot) -> None:
    strip = studio.window.centre.ranked
    assert not strip.isVisible()
    studio.draft.set_seed(10)
    studio.draft.set_count(3)
    studio.draft.set_steps(1)
    studio.window.wishes.generate()
    qtbot.waitUntil(lambda: len(strip.pictures) == 3, timeout=10_000)
    assert [picture.recipe.seed for picture in strip.pictures] == [11, 12, 10]
    assert strip.isVisible()
    assert strip.by.text() == "Score by CLIP, best first"
    best = strip._tiles[0]
    assert best.figure == "0.930"
    qtbot.mouseClick(best, Qt.MouseButton.LeftButton)
    centre = studio.window.centre
    assert centre.picture is not None
    assert centre.picture.recipe.seed == 11
    studio.state.gallery.remove([strip.pictures[0].id])
    assert [picture.recipe.seed for picture in strip.pictures] == [12, 10]


def test_a_scored_picture_has_a_badge_in_the_history(
    studio: Studio, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("studio.ui.gallery.tiles.paint_badge", lambda _painter, _tile, words: told.append(words))
    for seed in (11, 99):
        studio.draft.set_seed(seed)
        studio.draft.set_steps(1)
        with qtbot.waitSignal(studio.queue.picture_added, timeout=5000):
            studio.window.wishes.generate()
    qtbot.waitUntil(lambda: studio.state.gallery.rowCount() == 2)
    told.clear()
    studio.window.gallery.grab()
    assert set(told) == {"0.930"}


def test_the_details_tell_of_plugins_typed_text_scores_and_notes() -> None:
    use = PluginUse(
        plugin=PluginRef(id="guidance", version="1.0.0"),
        type="guide",
        part="clip",
        values=(("exact", True), ("scale", 2.5)),
        images=(("picture", ImageRef(digest="0" * 64)),),
        files=(("file", FileRef(name="a.bin", sha256="0" * 64)),),
    )
    control = ControlUse(kind="t2i-sketch", image=ImageRef(digest="0" * 64), plugin=PluginRef(id="t2i_adapter"))
    control = replace(control, found=(FileRef(name="sd1/sketch.safetensors", sha256="0" * 64),))
    recipe = Recipe(prompt="a red house", raw_prompt="a {red|blue} house", seed=1, plugins=(use,), controls=(control,))
    picture = picture_of(recipe)
    made = replace(picture.made_with, scores=(("clip_rank:clip", 0.312),), notes=("Made without grain.",))
    text = picture_details(replace(picture, made_with=made))
    assert "Typed as: a {red|blue} house" in text
    assert "guidance 1.0.0, clip: file = a.bin, picture = a picture, exact = yes, scale = 2.5" in text
    assert "t2i-sketch" in text
    assert "plugin t2i_adapter" in text
    assert "clip_rank:clip 0.312" in text
    assert "Made without grain." in text
    assert "with sd1/sketch.safetensors" in text


def test_the_details_call_plugins_by_their_titles_while_they_are_here() -> None:
    kind = Part(type=PartType.ADAPTER, part="sketch", title="Sketch (T2I-Adapter)", control="t2i-sketch")
    strength = Parameter(name="scale", type=ParameterType.FLOAT, title="Strength", default=3.0)
    guide = Part(type=PartType.GUIDE, part="clip", title="CLIP guidance", parameters=(strength,))
    use = PluginUse(
        plugin=PluginRef(id="guidance", version="1.0.0"), type="guide", part="clip", values=(("old", 1), ("scale", 2.5))
    )
    control = ControlUse(kind="t2i-sketch", image=ImageRef(digest="0" * 64), plugin=PluginRef(id="t2i_adapter"))
    picture = picture_of(Recipe(prompt="a house", seed=1, plugins=(use,), controls=(control,)))
    text = picture_details(picture, lambda asked: kind if isinstance(asked, ControlUse) else guide)
    assert "Control: Sketch (T2I-Adapter), weight 1" in text and "t2i-sketch" not in text
    assert "Plugin: CLIP guidance (guidance 1.0.0): old = 1, Strength = 2.5" in text


def test_typed_text_comes_back_by_a_button(studio: Studio, qtbot: QtBot) -> None:
    studio.draft.load(Recipe(prompt="a red house", raw_prompt="a {red|blue} house", seed=1))
    button = studio.window.prompt.typed
    assert button.isVisible()
    assert "{red|blue}" in button.toolTip()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert studio.draft.draft.prompt == "a {red|blue} house"
    assert not button.isVisible()
