"""200 kills in the middle of saves lose nothing; the same kills on a careless save must be noticed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from studio.core.paths import PROJECT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")


def experiment(order: str, kills: int, folder: Path) -> dict[str, Any]:
    words = [sys.executable, "-m", "tests.gallery.kills", order, str(kills), "20261121", str(folder)]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_200_kills_lose_nothing(fast_folder: Path) -> None:
    found = experiment("good", 200, fast_folder)
    assert found["kills"] == 200, found
    assert (found["lost"], found["corrupt"], found["ghosts"], found["rows_off"], found["parts_left"]) == (0,) * 5, found
    # and the kills did strike in the middle of things
    assert found["after_report"] >= 100, found
    assert len(found["aimed"]) == 7, found
    assert min(found["aimed"].values()) >= 10, found
    assert found["parts"] >= 5, found
    assert found["unlisted"] >= 5, found


def test_control_a_careless_save_is_caught(fast_folder: Path) -> None:
    found = experiment("bad", 40, fast_folder)
    assert found["corrupt"] > 0, found
    assert found["ghosts"] > 0, found
