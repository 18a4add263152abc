"""What the window does about plugins that do not answer: a word, a button, a cancel that ends them, and the truth."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PySide6.QtCore import QObject, Signal
from pytestqt.qtbot import QtBot

from studio.core.job import JobState
from studio.state.job_queue import JobQueue
from studio.state.late_plugins import LatePlugins
from studio.state.messages import Message, Messages


class Queue(QObject):
    """As much of the queue as is asked."""

    jobs_changed = Signal()
    running: Any = None

    def be(self, state: JobState) -> None:
        self.running = SimpleNamespace(state=state)
        self.jobs_changed.emit()


@dataclass
class Room:
    """A plugin room with one call that is late; `native`: that nothing ends."""

    native: bool = False
    given_up: int = 0
    late: list[tuple[str, str]] = field(default_factory=lambda: [("grain", "residuals")])

    def give_up(self) -> tuple[tuple[str, str], ...]:
        self.given_up += 1
        found = tuple(self.late)
        if not self.native:
            self.late.clear()
        return found

    def stuck(self) -> tuple[tuple[str, str], ...]:
        return tuple(self.late) if self.given_up else ()


@dataclass
class Desk:
    room: Room
    queue: Queue
    plugins: LatePlugins
    told: list[Message] = field(default_factory=list)


@pytest.fixture
def desk(qtbot: QtBot) -> Desk:
    room, queue, messages = Room(), Queue(), Messages()
    made = Desk(room, queue, LatePlugins(room, cast(JobQueue, queue), messages, again_ms=20))
    messages.posted.connect(made.told.append)
    messages.start_delivery()
    return made


def late(desk: Desk) -> None:
    """Told from the watch's own thread, as it really is."""
    thread = threading.Thread(target=desk.plugins.tell, args=("grain", "residuals", 10.4))
    thread.start()
    thread.join()


def test_it_is_told_by_name_and_given_up_by_a_button(desk: Desk, qtbot: QtBot) -> None:
    desk.queue.be(JobState.RUNNING)
    late(desk)
    qtbot.waitUntil(lambda: len(desk.told) == 1)
    message = desk.told[0]
    assert all(word in message.headline for word in ("grain", "residuals", "10 s")) and message.level == "warning"
    assert desk.room.given_up == 0, "nothing happens by itself"
    assert message.on_action is not None
    message.on_action()
    assert desk.room.given_up == 1
    qtbot.wait(60)
    assert len(desk.told) == 1, "it ended"


@pytest.mark.parametrize("first", ["told", "cancelled"])
def test_cancelling_the_picture_gives_it_up(desk: Desk, qtbot: QtBot, first: str) -> None:
    desk.queue.be(JobState.RUNNING)
    if first == "cancelled":
        desk.queue.be(JobState.CANCELLING)
    late(desk)
    if first == "told":
        qtbot.waitUntil(lambda: len(desk.told) == 1)
        desk.queue.be(JobState.CANCELLING)
    qtbot.waitUntil(lambda: desk.room.given_up == 1)
    desk.queue.be(JobState.CANCELLING)
    assert desk.room.given_up == 1


def test_a_cancel_without_a_late_plugin_ends_nothing(desk: Desk) -> None:
    desk.queue.be(JobState.CANCELLING)
    assert desk.room.given_up == 0


def test_what_cannot_be_stopped_is_said(desk: Desk, qtbot: QtBot) -> None:
    desk.room.native = True
    desk.queue.be(JobState.RUNNING)
    late(desk)
    qtbot.waitUntil(lambda: len(desk.told) == 1)
    desk.plugins.give_up()
    qtbot.waitUntil(lambda: len(desk.told) == 2)
    assert "cannot be stopped" in desk.told[1].headline and "grain" in desk.told[1].headline
    assert "everything is kept" in desk.told[1].hint
