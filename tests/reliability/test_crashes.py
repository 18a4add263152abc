"""The whole studio killed and crashed from outside: what a start after it finds, says and goes on with."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studio.core.paths import PROJECT
from studio.core.session import LAST_LOG
from tests.reliability.process import CELLS, WAITING

SECONDS = 60
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs signals")


@pytest.fixture
def start(data: Path) -> Iterator[Any]:
    """Starts studios over one folder; none outlives the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(deed: str, number: int = 1) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "tests.reliability.process", str(data), deed, str(number)]
        pipe = subprocess.PIPE
        running.append(subprocess.Popen(words, cwd=PROJECT, stdout=pipe, stderr=pipe, text=True))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a start reported, after it closed by itself."""
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def saved_by(process: subprocess.Popen[str], count: int) -> int:
    """Read on until so many pictures are reported saved; how many were in the end."""
    seen = 0
    assert process.stdout is not None
    too_long = threading.Timer(SECONDS, process.kill)  # a reader cannot stop by itself
    too_long.start()
    for line in process.stdout:
        seen += line.startswith("saved ")
        if seen >= count:
            break
    too_long.cancel()
    return seen


def notice(card: dict[str, Any], words: str) -> dict[str, str]:
    found = [message for message in card["messages"] if words in message["headline"]]
    assert len(found) == 1, card["messages"]
    return found[0]


def test_a_native_crash_loses_nothing(start: Any, data: Path) -> None:
    """R18: crash log, place of the crash, all saved pictures, the running job interrupted, the others held."""
    process = start("segfault", 3)
    out, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == -signal.SIGSEGV
    saved = out.count("saved ")
    card = told(start("report"))
    assert card["pictures"] >= saved
    assert card["prompt"] == "typed before segfault"
    jobs = card["jobs"]
    assert jobs.keys() == {"held", "interrupted"}
    assert jobs["held"] == list(range(104, 103 + WAITING)), "in their order"
    assert jobs["interrupted"][-1] == 103, "it was running"
    assert card["undecoded"] == jobs["interrupted"][:-1] == list(range(100 + card["pictures"], 103)), "made, not saved"
    said = notice(card, "ended unexpectedly")
    assert "It was starting with mini." in said["headline"]
    assert f"{WAITING - 1} pictures were waiting" in said["hint"]
    assert "1 picture was interrupted" in said["hint"]
    assert said["action"] == "Go on"
    assert "Segmentation fault" in said["detail"]
    assert re.search(r"string_at|before_step", said["detail"]), said["detail"]
    assert "Segmentation fault" in (data / "session" / LAST_LOG).read_text()
    card = told(start("again"))
    assert card["pictures"] == 3 + WAITING - 1, "all but the one that was running"
    assert card["jobs"]["interrupted"] == [103], "which never runs again by itself"
    assert all("ended unexpectedly" not in message["headline"] for message in card["messages"])


@pytest.mark.parametrize("saved", [1, 4])
def test_a_killed_plot_is_half_done_and_ends_when_it_may_go_on(start: Any, saved: int) -> None:
    cells = CELLS
    assert start("plot", saved).wait(SECONDS) == -signal.SIGKILL
    card = told(start("report"))
    states = card["cells"]
    assert len(states) == cells and set(states) <= {"done", "interrupted", "held"}
    assert states.count("done") == card["pictures"] >= saved, "every saved picture is in its cell"
    assert states == sorted(states, key=["done", "interrupted", "held"].index), "made in their order"
    assert not card["sheet"] and states.count("held") >= 1
    assert notice(card, "half done")["headline"].endswith(f"{card['pictures']} of {cells} pictures are made.")
    assert "waiting" not in notice(card, "ended unexpectedly")["hint"], "each job is told of once"
    assert told(start("report"))["cells"] == states, "nothing is made before the artist says so"
    card = told(start("again"))
    rest = set(card["cells"]) - {"done"}
    assert rest <= {"interrupted"} and card["sheet"]
    assert card["pictures"] == card["cells"].count("done") + 1, "the cells and their sheet"


def test_a_kill_between_two_pictures(start: Any) -> None:
    process = start("wait", 6)
    saved = saved_by(process, 2)
    process.kill()
    process.communicate()
    card = told(start("report"))
    assert card["pictures"] >= saved
    left = card["jobs"].get("interrupted", []) + card["jobs"].get("held", [])
    assert len(left) == len(set(left))
    assert set(left) | set(range(100, 100 + card["pictures"])) == set(range(100, 106 + WAITING))
    assert notice(card, "ended unexpectedly")["level"] == "warning"


def test_a_polite_end_is_no_crash_and_keeps_the_queue(start: Any, data: Path) -> None:
    process = start("wait", 300)
    saved_by(process, 1)
    process.terminate()
    process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    card = told(start("report"))
    assert notice(card, "Work was left")["action"] == "Go on"
    assert not [m for m in card["messages"] if "unexpectedly" in m["headline"]]
    assert len(card["jobs"]["held"]) + len(card["jobs"].get("interrupted", [])) + card["pictures"] == 300 + WAITING


def test_two_failed_starts_lead_to_safe_mode_by_itself(start: Any) -> None:
    for _ in range(2):
        process = start("die_early")
        process.communicate(timeout=SECONDS)
        assert process.returncode == 3
    card = told(start("report"))
    said = notice(card, "Safe mode")
    assert "2 starts in a row" in said["headline"]
    card = told(start("report"))
    assert not [message for message in card["messages"] if "Safe mode" in message["headline"]]


def test_one_failed_start_does_not(start: Any) -> None:
    start("die_early").communicate(timeout=SECONDS)
    card = told(start("report"))
    assert not [message for message in card["messages"] if "Safe mode" in message["headline"]]
    assert notice(card, "ended unexpectedly")


def test_a_second_start_raises_the_first_window_and_ends(start: Any) -> None:
    first = start("wait", 1)
    saved_by(first, 1)
    second = start("wait", 1)
    out, err = second.communicate(timeout=SECONDS)
    assert second.returncode == 0
    assert "was raised" in err
    assert "saved" not in out
    assert first.poll() is None


def test_a_second_start_that_hears_no_answer_may_only_look(start: Any, data: Path) -> None:
    first = start("wait", 2)
    saved = saved_by(first, 2)
    os.kill(first.pid, signal.SIGSTOP)  # hangs
    card = told(start("report"))
    assert str(first.pid) in notice(card, "Read-only")["headline"]
    assert card["pictures"] >= saved
    assert card["jobs"] == {}, "the jobs are those of the first"
    os.kill(first.pid, signal.SIGCONT)
    first.kill()
    first.communicate()
    assert not [m for m in told(start("report"))["messages"] if "Read-only" in m["headline"]], (
        "a dead one locks nothing"
    )


def test_many_starts_at_once_give_one_writer(start: Any, data: Path) -> None:
    """R9, with whole studios; `test_lock.py` does it 50 times with the lock alone."""
    processes = [start("wait", 1) for _ in range(3)]
    until = time.monotonic() + SECONDS / 2
    while sum(process.poll() is None for process in processes) > 1 and time.monotonic() < until:
        time.sleep(0.05)
    for process in processes:  # on a busy machine one may have opened beside it: then it only looks
        process.kill()
    writers = [process for process in processes if "ready" in process.communicate()[0]]
    assert len(writers) == 1
