"""Plugin layers in the draft: added, changed, moved and removed, each step taken back; typed text and resolved text."""

from dataclasses import replace

import pytest

from studio.core.draft import PluginLayer
from studio.core.errors import BadRecipe
from studio.core.recipe import PluginRef, PluginUse, Recipe
from studio.state.draft_model import DraftModel

USE = PluginUse(plugin=PluginRef(id="a"), type="guide", part="p", values=(("scale", 1.0),))


def names(model: DraftModel) -> list[str]:
    return [layer.use.plugin.id for layer in model.draft.plugins]


def test_layers_come_go_and_move_with_undo() -> None:
    model = DraftModel()
    for name in "abc":
        model.add_plugin(replace(USE, plugin=PluginRef(id=name)))
    model.move_plugin(2, 0)
    assert names(model) == ["c", "a", "b"]
    model.remove_plugin(1)
    assert names(model) == ["c", "b"]
    model.undo_stack.undo()
    model.undo_stack.undo()
    assert names(model) == ["a", "b", "c"]
    model.remove_plugin(7)
    model.move_plugin(-1, 0)
    assert names(model) == ["a", "b", "c"]


def test_one_knob_melts_into_one_step_and_another_does_not() -> None:
    model = DraftModel()
    model.add_plugin(USE)
    steps = model.undo_stack.count()
    for scale in (1.5, 2.0, 2.5):
        model.set_plugin(0, PluginLayer(use=replace(USE, values=(("scale", scale),))), "change strength")
    assert model.undo_stack.count() == steps + 1
    model.set_plugin(0, PluginLayer(use=USE, enabled=False), "switch off")
    assert model.undo_stack.count() == steps + 2
    model.undo_stack.undo()
    model.undo_stack.undo()
    assert model.draft.plugins == (PluginLayer(use=USE),)


def test_there_is_a_limit_said_in_words() -> None:
    model = DraftModel()
    for _ in range(32):
        model.add_plugin(USE)
    with pytest.raises(BadRecipe, match="32 plugin layers"):
        model.add_plugin(USE)


def test_editing_a_restored_prompt_forgets_what_it_was_made_of() -> None:
    model = DraftModel()
    recipe = Recipe(prompt="a red house", raw_prompt="a {red|blue} house", seed=1, plugins=(USE,))
    model.load(recipe)
    assert (model.draft.prompt, model.draft.raw_prompt) == ("a red house", "a {red|blue} house")
    assert names(model) == ["a"]
    model.set_prompt("a red house!")
    assert model.draft.raw_prompt == ""
    model.undo_stack.undo()
    assert model.draft.raw_prompt == "a {red|blue} house"
    model.use_typed_prompt()
    assert (model.draft.prompt, model.draft.raw_prompt) == ("a {red|blue} house", "")
