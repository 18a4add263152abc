"""The worker thread: order, results on the UI thread, errors in words, dropped work, an end in bounded time."""

from __future__ import annotations

import sys
import threading
import time

from pytestqt.qtbot import QtBot

from studio.core.errors import BadInputImage, StudioError
from studio.state.background import Background


def test_results_arrive_in_order_on_the_ui_thread(qtbot: QtBot, background: Background) -> None:
    here, seen = threading.current_thread(), []
    for i in range(20):
        background.run(
            lambda i=i: (i, threading.current_thread()), lambda r: seen.append((*r, threading.current_thread()))
        )
    qtbot.waitUntil(lambda: len(seen) == 20)
    assert [i for i, _, _ in seen] == list(range(20))
    assert all(worker is not here and ui is here for _, worker, ui in seen)


def test_errors_come_back_in_words_and_the_thread_lives(qtbot: QtBot, background: Background) -> None:
    errors: list[StudioError] = []
    own = BadInputImage("This is not a picture.")

    def refuse() -> None:
        raise own

    for work in (refuse, lambda: 1 / 0, sys.exit):
        background.run(work, lambda _: errors.append(StudioError("wrong")), errors.append)
    qtbot.waitUntil(lambda: len(errors) == 3)
    assert errors[0] is own
    assert "ZeroDivisionError" in errors[1].headline
    assert "Traceback" in errors[1].detail
    assert "SystemExit" in errors[2].headline


def test_errors_nobody_takes_are_told(qtbot: QtBot, background: Background) -> None:
    with qtbot.waitSignal(background.failed) as told:
        background.run(lambda: 1 / 0, lambda _: None)
    assert isinstance(told.args[0], StudioError)


def test_latest_wins(qtbot: QtBot, background: Background) -> None:
    gate, ran, told = threading.Event(), [], []

    def work(i: int) -> int:
        ran.append(i)
        assert gate.wait(5)
        return i

    for i in range(10):
        background.run_latest("key", lambda i=i: work(i), told.append)
        if i == 0:
            qtbot.waitUntil(lambda: bool(ran))  # the first one runs already, so only its result can be dropped
    background.run_latest("other", lambda: "other", told.append)
    gate.set()
    qtbot.waitUntil(lambda: len(told) == 2)
    assert ran == [0, 9]
    assert told == [9, "other"]


def test_dropped_work_is_silent(qtbot: QtBot, background: Background) -> None:
    gate, told = threading.Event(), []
    background.run(lambda: gate.wait(5), lambda _: None)
    background.run_latest("key", lambda: 1, told.append)
    background.drop("key")
    gate.set()
    background.run(lambda: 2, told.append)
    qtbot.waitUntil(lambda: bool(told))
    assert told == [2]


def test_close_keeps_promises_and_drops_the_rest(qtbot: QtBot) -> None:
    worker, gate, ran = Background("promises"), threading.Event(), []
    worker.run(lambda: gate.wait(5), lambda _: None)
    worker.run_latest("key", lambda: ran.append("latest"), lambda _: None)
    worker.run(lambda: ran.append("promise"), lambda _: None)
    threading.Timer(0.05, gate.set).start()
    assert worker.close()
    assert ran == ["promise"]
    worker.run(lambda: ran.append("too late"), lambda _: None)
    assert ran == ["promise"]


def test_close_does_not_wait_for_ever(qtbot: QtBot) -> None:
    worker, gate = Background("hanging"), threading.Event()
    worker.run(lambda: gate.wait(20), lambda _: None)
    started = time.monotonic()
    assert not worker.close(0.2)
    assert time.monotonic() - started < 2
    gate.set()


def test_results_after_close_are_not_delivered(qtbot: QtBot) -> None:
    worker, told = Background("closing"), []
    worker.run(lambda: 1, told.append)
    assert worker.close()
    qtbot.wait(20)
    assert told == []
