"""Plugins that do not answer: told by name, and given up when the artist says so or cancels the picture."""

from __future__ import annotations

import contextlib
from typing import Protocol

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from studio.core.job import JobState
from studio.state.job_queue import JobQueue
from studio.state.messages import Messages

AGAIN_MS = 3000  # between giving up and looking whether that helped


class Room(Protocol):
    """What is asked of the plugin room."""

    def give_up(self) -> tuple[tuple[str, str], ...]: ...
    def stuck(self) -> tuple[tuple[str, str], ...]: ...


class LatePlugins(QObject):
    """Mutable state: `_late`, whether a call was told and may still be under way."""

    _told = Signal(str, str, float)

    def __init__(self, room: Room, queue: JobQueue, messages: Messages, again_ms: int = AGAIN_MS) -> None:
        super().__init__(queue)
        self._room, self._queue, self._messages, self._again_ms = room, queue, messages, again_ms
        self._late = False
        self._told.connect(self._on_late, Qt.ConnectionType.QueuedConnection)
        queue.jobs_changed.connect(self._on_jobs)

    def tell(self, plugin_id: str, hook: str, seconds: float) -> None:
        """A call of a plugin has not come back for so long. Any thread."""
        with contextlib.suppress(RuntimeError):  # the Qt side is gone: the program ends
            self._told.emit(plugin_id, hook, seconds)

    def give_up(self) -> None:
        """Do not wait any longer: the call is asked to end, and counts as a fault of its plugin."""
        self._late = False
        if self._room.give_up():
            QTimer.singleShot(self._again_ms, self, self._look_again)

    def _on_late(self, plugin_id: str, hook: str, seconds: float) -> None:
        self._late = True
        if self._is_cancelling():
            self.give_up()
            return
        headline = self.tr("The plugin {p} has not answered in “{h}” for {s} s.")
        self._messages.warn(
            headline.replace("{p}", plugin_id).replace("{h}", hook).replace("{s}", f"{seconds:.0f}"),
            self.tr("It may be busy with something large: wait, or give it up. The studio stays usable."),
            self.tr("Give it up"),
            self.give_up,
        )

    def _on_jobs(self) -> None:
        if self._late and self._is_cancelling():
            self.give_up()

    def _is_cancelling(self) -> bool:
        running = self._queue.running
        return running is not None and running.state is JobState.CANCELLING

    def _look_again(self) -> None:
        for plugin_id, hook in self._room.stuck():
            words = self.tr("The plugin {p} cannot be stopped in “{h}”: it computes inside the studio itself.")
            self._messages.warn(
                words.replace("{p}", plugin_id).replace("{h}", hook),
                self.tr("The next picture begins once it comes back. Closing the studio ends it; everything is kept."),
            )
