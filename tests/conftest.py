"""For all tests: Qt without a display, no network, a data folder of their own, and no thread left behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")  # before any Qt import; the journeys set xcb
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

import pytest

THREAD_SECONDS = 3.0
FOREIGN_THREADS = ("TMonitor", "_DummyThread")  # of tqdm and of Qt: ended by nobody


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder that does not exist yet, as on a fresh machine."""
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def no_thread_left_behind() -> Iterator[None]:
    """Every thread that a test starts has ended soon after it: whoever has a thread has a `close`."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + THREAD_SECONDS
    while (left := _ours(before)) and time.monotonic() < deadline:
        left[0].join(0.05)
    assert not left, f"threads left behind: {[thread.name for thread in left]}"


def _ours(before: set[threading.Thread]) -> list[threading.Thread]:
    new = (thread for thread in threading.enumerate() if thread not in before)
    return [thread for thread in new if type(thread).__name__ not in FOREIGN_THREADS]
