"""500 kills on the whole path of a picture lose nothing; the same kills on a careless save must be noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.core.paths import PROJECT
from tests.reliability.results import record

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
SEED = 20261125


def experiment(order: str, kills: int, folder: Path) -> dict[str, Any]:
    """In a process of its own, which is killed if it hangs."""
    words = [sys.executable, "-m", "tests.reliability.kills", order, str(kills), str(SEED), str(folder)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    record(f"kills, {order}", **found)
    return found


def test_500_kills_lose_nothing(fast_folder: Path) -> None:
    found = experiment("good", 500, fast_folder)
    nothing = ("lost", "corrupt", "ghosts", "jobs_lost", "jobs_twice", "rows_off", "parts_left")
    assert {name: found[name] for name in nothing} == dict.fromkeys(nothing, 0), found
    # and the kills did strike in the middle of things
    assert found["kills"] >= 490, found
    assert found["after_report"] >= 100, found
    assert len(found["aimed"]) == 10, found
    assert min(found["aimed"].values()) >= 20, found
    assert found["undecoded"] >= 50, found
    assert found["unlisted"] >= 10, found
    assert found["parts"] >= 5, found


def test_control_a_careless_save_is_caught(fast_folder: Path) -> None:
    found = experiment("bad", 40, fast_folder)
    assert min(found[name] for name in ("lost", "corrupt", "ghosts", "jobs_lost")) > 0, found
