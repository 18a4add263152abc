"""Restoring in the window: the quick way is told in one message, the other way is a list to choose from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from studio.core.restore import Outcome
from studio.state.messages import Message
from studio.state.restore import Proposal, Restored
from studio.ui.restore.dialog import RestoreDialog
from studio.ui.restore.words import damage_words, done_words

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from studio.state.studio_state import StudioState


class RestoreWishes(QObject):
    """Mutable state: `dialog` while a list is on show; a second picture replaces it."""

    def __init__(self, state: StudioState, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._window = state, window
        self.dialog: RestoreDialog | None = None
        state.restorer.proposed.connect(self.ask)
        state.restorer.restored.connect(self._tell)
        state.restorer.failed.connect(state.messages.error)

    def ask(self, proposal: Proposal) -> None:
        """Show the list of a picture."""
        if self.dialog is not None:
            self.dialog.reject()
        always = self._state.settings.get("restore_list") == "always"
        dialog = self.dialog = RestoreDialog(proposal, always, self._window)
        dialog.taken.connect(self._state.restorer.take)
        dialog.always_changed.connect(self._on_always)
        dialog.finished.connect(partial(self._on_finished, dialog))
        dialog.open()

    def _on_finished(self, dialog: RestoreDialog, _result: int) -> None:
        if self.dialog is dialog:
            self.dialog = None

    def _on_always(self, on: bool) -> None:
        self._state.settings.set("restore_list", "always" if on else "when_needed")
        self._state.settings_saver()

    def _tell(self, restored: Restored) -> None:
        undo = partial(self._undo_if_last, restored.undo_index)
        choose = partial(self._choose, restored)
        changed = [row.why for row in restored.proposal.rows if row.outcome is Outcome.CHANGED]
        message = Message(
            level="info",
            headline=done_words(restored.titles),
            hint=" ".join(filter(None, (damage_words(restored.proposal.found.damage), *changed))),
            action=self.tr("Undo"),
            on_action=undo,
            other=self.tr("Choose …") if restored.titles else "",
            on_other=choose,
        )
        self._state.messages.post(message)

    def _choose(self, restored: Restored) -> None:
        """Take back what was just done and show the list instead."""
        self._undo_if_last(restored.undo_index)
        self._state.restorer.propose(restored.proposal)

    def _undo_if_last(self, index: int) -> None:
        stack = self._state.draft.undo_stack
        if stack.index() == index:
            stack.undo()
        elif stack.index() > index:
            hint = self.tr("Edit > Undo takes the steps back one by one.")
            self._state.messages.info(self.tr("Other changes were made since; nothing was undone."), hint)
