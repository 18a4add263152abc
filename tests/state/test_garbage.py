"""Reference cycles die on the UI thread, whoever made them, and the collector is given back."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from studio.state.garbage import GarbageOnUiThread


@pytest.fixture
def collector(qtbot: QtBot) -> Iterator[GarbageOnUiThread]:
    collector = GarbageOnUiThread()
    collector.start()
    yield collector
    collector.close()
    assert gc.isenabled()


def test_cycles_of_another_thread_die_here(qtbot: QtBot, collector: GarbageOnUiThread) -> None:
    deaths: list[threading.Thread] = []

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            deaths.append(threading.current_thread())

    def litter() -> None:
        for _ in range(5000):
            Cycle()

    worker = threading.Thread(target=litter)
    worker.start()
    worker.join()
    assert deaths == []
    qtbot.waitUntil(lambda: len(deaths) >= 4000)
    assert set(deaths) == {threading.current_thread()}


def test_frozen_objects_are_not_looked_at(collector: GarbageOnUiThread) -> None:
    before = gc.get_freeze_count()
    collector.freeze()
    assert gc.get_freeze_count() > before
    collector.close()
    assert gc.get_freeze_count() == 0
