"""Make again and verify, in the window: told in one message with details, and the two pictures side by side."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from studio.core.picture import Picture
from studio.core.verify import Verdict
from studio.state.messages import Message
from studio.state.verify import Verified
from studio.ui.restore.verify_words import details, headline, hint

if TYPE_CHECKING:
    from studio.state.studio_state import StudioState


class VerifyWishes(QObject):
    """Holds nothing. `compare` shows two pictures side by side, `remove` puts one into the trash.

    Signals: `settled(str)` - the message of this headline says nothing any more.
    """

    settled = Signal(str)

    def __init__(
        self,
        state: StudioState,
        compare: Callable[[Picture, Picture], None],
        remove: Callable[[Picture], None],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._state, self._compare, self._remove = state, compare, remove
        state.verifier.started.connect(self._on_started)
        state.verifier.verified.connect(self._tell)
        state.verifier.failed.connect(state.messages.error)

    def verify(self, picture: Picture) -> None:
        """Make a picture again and say whether it is the same."""
        self._state.verifier.verify(picture)

    def _on_started(self, _picture: Picture) -> None:
        waiting = self.tr("It takes its turn in the queue; the outcome is told here.")
        self._state.messages.info(self._begun(), waiting)

    def _begun(self) -> str:
        return self.tr("The picture is made again.")

    def _tell(self, verified: Verified) -> None:
        found = verified.found
        self.settled.emit(self._begun())
        action, on_action = "", None
        if found.verdict is Verdict.IDENTICAL:  # nobody needs it twice
            action, on_action = self.tr("Remove the copy"), partial(self._remove, verified.again)
        elif found.distance is not None:
            action, on_action = self.tr("Compare"), partial(self._compare, verified.picture, verified.again)
        message = Message(
            level="info" if found.holds else "warning",
            headline=headline(found),
            hint=hint(found),
            detail=details(found),
            action=action,
            on_action=on_action,
        )
        self._state.messages.post(message)
