"""The border of the engine thread: nothing is lost but steps, and those do not flood the window."""

from __future__ import annotations

import threading
import time

from pytestqt.qtbot import QtBot

from studio.core.errors import StudioError
from studio.core.events import Cancelled, EngineEvent, Failed, Started, Stepped
from studio.state.inbox import EventInbox


def stepped(job_id: int, step: int) -> Stepped:
    return Stepped(job_id=job_id, step=step, steps=1000, seconds=step / 100)


def collect(inbox: EventInbox) -> list[EngineEvent]:
    told: list[EngineEvent] = []
    inbox.arrived.connect(told.extend)
    return told


def test_a_flood_of_steps_becomes_ten_a_second_and_the_newest_wins(qtbot: QtBot) -> None:
    inbox = EventInbox()
    told: list[tuple[float, EngineEvent]] = []
    inbox.arrived.connect(lambda events: told.extend((time.monotonic(), event) for event in events))

    def engine() -> None:
        inbox.post(Started(job_id=1))
        for step in range(1, 301):
            inbox.post(stepped(1, step))
            time.sleep(0.002)
        inbox.post(Cancelled(job_id=1))

    started = time.monotonic()
    thread = threading.Thread(target=engine)
    thread.start()
    qtbot.waitUntil(lambda: bool(told) and isinstance(told[-1][1], Cancelled))
    thread.join()
    seconds = time.monotonic() - started
    steps = [event.step for _, event in told if isinstance(event, Stepped)]
    assert isinstance(told[0][1], Started)
    assert steps == sorted(set(steps))
    assert steps[-1] == 300
    assert 2 <= len(steps) <= seconds * 10 + 2


def test_ends_do_not_wait_for_steps(qtbot: QtBot) -> None:
    inbox = EventInbox(step_seconds=60)
    told = collect(inbox)
    inbox.post(stepped(1, 1))
    qtbot.waitUntil(lambda: len(told) == 1)
    inbox.post(stepped(1, 2))
    inbox.post(stepped(1, 3))
    inbox.post(Failed(job_id=1, error=StudioError("no")))
    qtbot.waitUntil(lambda: len(told) == 3)
    assert told[1] == stepped(1, 3)
    inbox.close()


def test_a_busy_window_finds_one_batch(qtbot: QtBot) -> None:
    inbox = EventInbox()
    batches: list[tuple[EngineEvent, ...]] = []
    inbox.arrived.connect(batches.append)
    for job_id in range(1, 51):
        inbox.post(Started(job_id=job_id))
        for step in range(20):
            inbox.post(stepped(job_id, step))
        inbox.post(Cancelled(job_id=job_id))
    qtbot.waitUntil(lambda: bool(batches))
    qtbot.wait(150)
    assert len(batches) == 1
    assert len(batches[0]) == 150  # started, last step, cancelled - for each


def test_nothing_arrives_after_close(qtbot: QtBot) -> None:
    inbox = EventInbox()
    told = collect(inbox)
    inbox.post(Started(job_id=1))
    inbox.close()
    inbox.post(Started(job_id=2))
    qtbot.wait(20)
    assert told == []
