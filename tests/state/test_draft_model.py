"""The draft and its undo stack: one signal per real change, typing melts, everything comes back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pytestqt.qtbot import QtBot

from studio.core.advice import Advice
from studio.core.choices import ControlKind, Spacing
from studio.core.draft import ControlLayer, Draft, draft_of
from studio.core.errors import BadRecipe
from studio.core.recipe import CONTROLS_MAX, SEED_MAX, ControlUse, ImageRef, ModelRef, Recipe, Size
from studio.state.draft_model import DraftModel

REF = ImageRef(digest="a" * 64)
OTHER = ImageRef(digest="b" * 64)


class Clock:
    """Time that passes when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def model(qtbot: QtBot, clock: Clock) -> DraftModel:
    return DraftModel(clock=clock)


def test_each_real_change_is_told_once(model: DraftModel) -> None:
    heard: list[Draft] = []
    model.changed.connect(heard.append)
    model.set_prompt("a cat")
    model.set_prompt("a cat")
    model.set_steps(model.draft.steps)
    assert heard == [replace(Draft(), prompt="a cat")]
    assert heard[0] is model.draft


def test_every_setter_can_be_undone(model: DraftModel) -> None:
    model.set_prompt("p")
    model.set_negative_prompt("n")
    model.set_seed(7)
    model.set_steps(11)
    model.set_scheduler("euler", Spacing.KARRAS)
    model.set_guidance_scale(3.5)
    model.set_size(Size(width=512, height=384))
    model.set_count(4)
    model.set_exact(True)
    model.set_model("sd15")
    assert model.draft == Draft(
        prompt="p",
        negative_prompt="n",
        seed=7,
        steps=11,
        scheduler="euler",
        spacing=Spacing.KARRAS,
        guidance_scale=3.5,
        size=Size(width=512, height=384),
        count=4,
        exact=True,
        model=ModelRef(name="sd15"),
    )
    after = model.draft
    assert model.undo_stack.count() == 10
    while model.undo_stack.canUndo():
        model.undo_stack.undo()
    assert model.draft == Draft()
    while model.undo_stack.canRedo():
        model.undo_stack.redo()
    assert model.draft == after


def test_typing_melts_into_one_step_until_a_pause(model: DraftModel, clock: Clock) -> None:
    for i in range(1, 6):
        model.set_prompt("house"[:i])
        clock.now += 1.0
    assert model.undo_stack.count() == 1
    clock.now += 1.0
    model.set_prompt("houses")
    model.set_steps(30)
    model.set_prompt("houses!")
    assert model.undo_stack.count() == 4
    model.undo_stack.undo()
    model.undo_stack.undo()
    model.undo_stack.undo()
    assert model.draft.prompt == "house"
    model.undo_stack.undo()
    assert model.draft.prompt == ""


def test_typed_and_taken_back_leaves_no_step(model: DraftModel) -> None:
    model.set_prompt("x")
    model.set_prompt("")
    assert model.undo_stack.count() == 0
    assert model.draft == Draft()


def test_typing_after_an_undo_does_not_melt_into_the_past(model: DraftModel) -> None:
    model.set_prompt("a")
    model.set_steps(30)
    model.undo_stack.undo()
    model.set_prompt("ab")  # melts with "a", its neighbour again: still one way back to the start
    model.undo_stack.undo()
    assert model.draft == Draft()


@pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**31, SEED_MAX])
def test_seeds_stay_whole(model: DraftModel, seed: int) -> None:
    heard: list[Draft] = []
    model.changed.connect(heard.append)
    model.set_seed(seed)
    assert heard[-1].seed == seed == model.draft.seed
    assert type(model.draft.seed) is int


def test_locking_and_opening_the_seed_are_steps_of_their_own(model: DraftModel) -> None:
    model.set_seed(1)
    model.set_seed(12)
    model.set_seed(None)
    assert model.undo_stack.count() == 3
    model.undo_stack.undo()
    assert model.draft.seed == 12


def test_a_spacing_that_is_not_offered_becomes_normal(model: DraftModel) -> None:
    model.set_scheduler("ddim", Spacing.KARRAS)
    assert (model.draft.scheduler, model.draft.spacing) == ("ddim", Spacing.NORMAL)


def test_control_layers(model: DraftModel) -> None:
    model.add_control(REF, invert=True)
    model.add_control(OTHER, ControlKind.CANNY)
    first, second = model.draft.controls
    assert first == ControlLayer(use=ControlUse(kind=ControlKind.SCRIBBLE, image=REF, invert=True))
    assert second.use.kind is ControlKind.CANNY
    model.move_control(1, 0)
    assert model.draft.controls == (second, first)
    model.set_control(0, replace(second, enabled=False), "switch layer off")
    assert not model.draft.controls[0].enabled
    model.remove_control(1)
    assert model.draft.controls == (replace(second, enabled=False),)
    while model.undo_stack.canUndo():
        model.undo_stack.undo()
    assert model.draft == Draft()


def test_turning_a_knob_is_one_step(model: DraftModel) -> None:
    model.add_control(REF)
    layer = model.draft.controls[0]
    for percent in range(1, 50):
        model.set_control(0, replace(layer, use=replace(layer.use, weight=percent / 100)), "change weight")
    model.set_control(0, replace(model.draft.controls[0], enabled=False), "switch layer off")
    assert model.undo_stack.count() == 3
    model.undo_stack.undo()
    assert model.draft.controls[0].use.weight == 0.49
    model.undo_stack.undo()
    assert model.draft.controls == (layer,)


def test_a_layer_that_is_gone_changes_nothing(model: DraftModel) -> None:
    layer = ControlLayer(use=ControlUse(kind=ControlKind.SCRIBBLE, image=REF))
    model.set_control(0, layer)
    model.remove_control(3)
    model.move_control(-1, 0)
    assert model.draft == Draft()
    assert model.undo_stack.count() == 0


def test_too_many_layers_are_refused_in_words(model: DraftModel) -> None:
    for _ in range(CONTROLS_MAX):
        model.add_control(REF)
    with pytest.raises(BadRecipe, match="already"):
        model.add_control(REF)
    assert len(model.draft.controls) == CONTROLS_MAX


def test_a_recipe_is_loaded_whole_in_one_step(model: DraftModel) -> None:
    model.set_prompt("unsaved work")
    recipe = Recipe(
        prompt="a red house",
        seed=SEED_MAX,
        steps=9,
        scheduler="unipc",
        controls=(ControlUse(kind=ControlKind.CANNY, image=REF, low=10),),
        exact=True,
    )
    model.load(recipe)
    assert model.draft == draft_of(recipe)
    assert model.undo_stack.count() == 2
    assert model.undo_stack.undoText() == "use settings"
    model.undo_stack.undo()
    assert model.draft == replace(Draft(), prompt="unsaved work")


def test_a_distilled_model_brings_its_settings_in_one_step_and_gives_the_former_ones_back() -> None:
    model, advice = DraftModel(), {"mini-fast": Advice(scheduler="lcm")}
    model.set_steps(33)
    model.set_model("mini-fast", advice)
    assert (model.draft.steps, model.draft.scheduler, model.draft.guidance_scale) == (4, "lcm", 1.0)
    model.undo_stack.undo()
    assert (model.draft.steps, model.draft.model.name) == (33, "mini")
    model.undo_stack.redo()
    model.set_model("mini", advice)
    assert (model.draft.steps, model.draft.scheduler) == (33, Draft().scheduler)
