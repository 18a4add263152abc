"""Holds the one Draft and its undo stack. Panels read it, wish changes, and hear of each real change once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from studio.core.advice import Advice, with_model
from studio.core.choices import ControlKind, Spacing
from studio.core.draft import ControlLayer, Draft, PluginLayer, draft_of
from studio.core.errors import BadRecipe
from studio.core.family import begins_anew, origin_of, with_source
from studio.core.lora_marks import LoraMark, without_mark
from studio.core.recipe import (
    CONTROLS_MAX,
    PLUGINS_MAX,
    ControlUse,
    ImageRef,
    PluginUse,
    Recipe,
    Size,
)
from studio.core.schedulers import SCHEDULERS

MERGE_SECONDS = 1.5
UNDO_LIMIT = 500


class DraftModel(QObject):
    """What the panels say. Mutable state: `_draft`, changed by the commands of the undo stack only; `_usual`.

    Signals: `changed(Draft)` - once per real change, also by undo and redo.
    """

    changed = Signal(object)

    def __init__(
        self, draft: Draft | None = None, parent: QObject | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(parent)
        self._draft = draft if draft is not None else Draft()
        self._usual = Draft()  # its sampling settings come back when a model with advice is left
        self._clock = clock
        self._undo_stack = QUndoStack(self)
        self._undo_stack.setUndoLimit(UNDO_LIMIT)

    @property
    def draft(self) -> Draft:
        return self._draft

    @property
    def undo_stack(self) -> QUndoStack:
        return self._undo_stack

    def change(self, draft: Draft, words: str, merge: str = "") -> None:
        """Make this the draft, as one undo step called `words`. Nothing happens if it is the draft already.

        Consecutive steps with the same non-empty `merge` become one while each follows the last within 1.5 s.
        """
        if draft != self._draft:
            self._undo_stack.push(_Change(self, self._draft, draft, words, merge, self._clock()))

    def set_prompt(self, text: str) -> None:
        """What is typed now counts: what prompt tools once made of another text is forgotten.

        A prompt that replaces the former one altogether begins something new, without parents.
        """
        origin = None if begins_anew(self._draft.prompt, text) else self._draft.origin
        changed = replace(self._draft, prompt=text, raw_prompt="", origin=origin, weights=True)
        self.change(changed, self.tr("change prompt"), "prompt")

    def take_suggestion(self, text: str) -> None:
        """A suggested prompt: a step of its own, however soon it follows the typing."""
        self.change(with_prompt(self._draft, text), self.tr("use suggestion"))

    def take_out(self, mark: LoraMark) -> None:
        """A mark out of the prompt: a step of its own."""
        self.change(with_prompt(self._draft, without_mark(self._draft.prompt, mark)), self.tr("take out the mark"))

    def use_typed_prompt(self) -> None:
        """Back to the text that prompt tools made this prompt of, so that they run again."""
        if self._draft.raw_prompt:
            self.change(replace(self._draft, prompt=self._draft.raw_prompt, raw_prompt=""), self.tr("use typed prompt"))

    def set_negative_prompt(self, text: str) -> None:
        self.change(replace(self._draft, negative_prompt=text), self.tr("change negative prompt"), "negative_prompt")

    def set_seed(self, seed: int | None) -> None:
        """None: a new seed at each press of Generate."""
        words = self.tr("change seed") if seed is not None else self.tr("open seed")
        # Locking and opening are decisions of their own; only typed digits melt into one step.
        merge = "seed" if seed is not None and self._draft.seed is not None else ""
        self.change(replace(self._draft, seed=seed), words, merge)

    def set_steps(self, steps: int) -> None:
        self.change(replace(self._draft, steps=steps), self.tr("change steps"), "steps")

    def set_scheduler(self, scheduler: str, spacing: Spacing) -> None:
        """A spacing that the scheduler does not offer becomes its normal one."""
        info = SCHEDULERS.get(scheduler)
        offered = spacing if info is None or spacing in info.spacings else Spacing.NORMAL
        self.change(replace(self._draft, scheduler=scheduler, spacing=offered), self.tr("change scheduler"))

    def set_guidance_scale(self, scale: float) -> None:
        self.change(replace(self._draft, guidance_scale=scale), self.tr("change guidance"), "guidance")

    def set_size(self, size: Size) -> None:
        self.change(replace(self._draft, size=size), self.tr("change size"), "size")

    def set_count(self, count: int) -> None:
        self.change(replace(self._draft, count=count), self.tr("change number of pictures"), "count")

    def set_init(self, ref: ImageRef | None) -> None:
        """The picture to begin with; None: noise."""
        words = self.tr("begin with a picture") if ref is not None else self.tr("begin with noise")
        self.change(replace(self._draft, init=ref), words)

    def set_strength(self, strength: float) -> None:
        self.change(replace(self._draft, strength=strength), self.tr("change strength"), "strength")

    def set_exact(self, exact: bool) -> None:
        self.change(replace(self._draft, exact=exact), self.tr("change precision"))

    def set_model(
        self,
        name: str,
        advice: Mapping[str, Advice] | None = None,
        sha256: str = "",
        sizes: tuple[Size | None, Size | None] = (None, None),
    ) -> None:
        """Another model. One with `advice` brings its settings along; leaving it brings the former ones back.

        `sizes`: what the model before and this one were trained at, where that is known.
        """
        known = advice or {}
        before, now = known.get(self._draft.model.name), known.get(name)
        if now is not None and before is None:
            self._usual = self._draft
        self.change(with_model(self._draft, name, before, now, self._usual, sha256, sizes), self.tr("change model"))

    def add_control(
        self, ref: ImageRef, kind: ControlKind = ControlKind.SCRIBBLE, invert: bool = False, picture: str = ""
    ) -> None:
        """Put a control layer below the others; `picture`: the library picture it was made of.

        Raises `BadRecipe` when there are 8 already.
        """
        self.add_control_layer(ControlLayer(use=ControlUse(kind=kind, image=ref, invert=invert)), picture)

    def add_control_layer(self, layer: ControlLayer, picture: str = "") -> None:
        """The same with a layer that is told in full. Raises `BadRecipe` when there are 8 already."""
        if len(self._draft.controls) >= CONTROLS_MAX:
            raise BadRecipe(f"There are {CONTROLS_MAX} control layers already.", "Remove one before you add another.")
        digest = layer.use.image.digest
        sources = with_source(self._draft.sources, digest, picture) if picture else self._draft.sources
        changed = replace(self._draft, controls=(*self._draft.controls, layer), sources=sources)
        self.change(changed, self.tr("add control picture"))

    def set_control(self, index: int, layer: ControlLayer, words: str = "") -> None:
        """Replace a layer; steps with the same words melt into one. Nothing happens if the layer is gone by now."""
        layers = list(self._draft.controls)
        if 0 <= index < len(layers):
            layers[index] = layer
            words = words or self.tr("change control layer")
            self._set_controls(tuple(layers), words, f"control {index} {words}")

    def remove_control(self, index: int) -> None:
        layers = self._draft.controls
        if 0 <= index < len(layers):
            self._set_controls(layers[:index] + layers[index + 1 :], self.tr("remove control layer"))

    def move_control(self, index: int, to: int) -> None:
        """Bring a layer to place `to` (0 is the top) of the order without it."""
        layers = list(self._draft.controls)
        if 0 <= index < len(layers):
            layer = layers.pop(index)
            layers.insert(max(0, min(to, len(layers))), layer)
            self._set_controls(tuple(layers), self.tr("move control layer"))

    def add_plugin(self, use: PluginUse, mark: LoraMark | None = None) -> None:
        """Put a plugin layer below the others, in place of a mark in the prompt if it comes from one. Raises `BadRecipe`
        when there are 32 already."""
        if len(self._draft.plugins) >= PLUGINS_MAX:
            raise BadRecipe(f"There are {PLUGINS_MAX} plugin layers already.", "Remove one before you add another.")
        draft = self._draft if mark is None else with_prompt(self._draft, without_mark(self._draft.prompt, mark))
        layers = (*draft.plugins, PluginLayer(use=use))
        self.change(replace(draft, plugins=layers), self.tr("add plugin layer"))

    def set_plugin(self, index: int, layer: PluginLayer, words: str = "") -> None:
        """Replace a layer; steps with the same words melt into one. Nothing happens if the layer is gone by now."""
        layers = list(self._draft.plugins)
        if 0 <= index < len(layers):
            layers[index] = layer
            words = words or self.tr("change plugin layer")
            self._set_plugins(tuple(layers), words, f"plugin {index} {words}")

    def remove_plugin(self, index: int) -> None:
        layers = self._draft.plugins
        if 0 <= index < len(layers):
            self._set_plugins(layers[:index] + layers[index + 1 :], self.tr("remove plugin layer"))

    def move_plugin(self, index: int, to: int) -> None:
        """Bring a layer to place `to` (0 works first) of the order without it."""
        layers = list(self._draft.plugins)
        if 0 <= index < len(layers):
            layer = layers.pop(index)
            layers.insert(max(0, min(to, len(layers))), layer)
            self._set_plugins(tuple(layers), self.tr("move plugin layer"))

    def load(self, recipe: Recipe, words: str = "", picture: str = "") -> None:
        """Take over everything of a recipe, seed included, as one undo step; `picture`: the id of whose recipe it is."""
        self.take_over(draft_of(recipe), recipe, picture, words)

    def take_over(self, draft: Draft, recipe: Recipe, picture: str, words: str = "") -> None:
        """Make this the draft, as one undo step; what is made from here on came from `picture` with that recipe."""
        origin = origin_of(picture, recipe) if picture else None
        changed = replace(draft, origin=origin, sources=self._draft.sources)
        self.change(changed, words or self.tr("use settings"))

    def remember_source(self, ref: ImageRef, picture: str) -> None:
        """An input picture was made of a library picture. No undo step: nothing that is seen changes."""
        self._draft = replace(self._draft, sources=with_source(self._draft.sources, ref.digest, picture))

    def _set_controls(self, layers: tuple[ControlLayer, ...], words: str, merge: str = "") -> None:
        self.change(replace(self._draft, controls=layers), words, merge)

    def _set_plugins(self, layers: tuple[PluginLayer, ...], words: str, merge: str = "") -> None:
        self.change(replace(self._draft, plugins=layers), words, merge)

    def _become(self, draft: Draft) -> None:
        if draft != self._draft:
            self._draft = draft
            self.changed.emit(draft)


def with_prompt(draft: Draft, text: str) -> Draft:
    """A draft with another prompt; what prompt tools made of the former one is forgotten."""
    return replace(draft, prompt=text, raw_prompt="")


class _Change(QUndoCommand):
    """From one draft to another."""

    def __init__(self, model: DraftModel, before: Draft, after: Draft, words: str, merge: str, when: float) -> None:
        super().__init__(words)
        self.model, self.before, self.after = model, before, after
        self.merge, self.when = merge, when

    def redo(self) -> None:
        self.model._become(self.after)

    def undo(self) -> None:
        self.model._become(self.before)

    def id(self) -> int:  # Qt asks `mergeWith` only for equal ids; -1 means never
        return 1 if self.merge else -1

    def mergeWith(self, other: QUndoCommand) -> bool:
        if not isinstance(other, _Change) or other.merge != self.merge or other.when - self.when > MERGE_SECONDS:
            return False
        self.after, self.when = other.after, other.when
        self.setObsolete(self.after == self.before)  # typed and taken back: no step is left
        return True
