"""2,000 damaged files of each kind: read or refused in words, none crashes, hangs, eats memory or leaves its folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from studio.core.paths import PROJECT
from tests.reliability.results import record

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs resource limits and /proc")
COUNT, SEED = 2000, 20261125


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "recipe"])
def test_2000_mutants(kind: str, fast_folder: Path) -> None:
    words = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.reliability.mutants",
        kind,
        str(COUNT),
        str(SEED),
        str(fast_folder),
    ]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=300)  # a hang is killed from here
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    record(f"mutants, {kind}", **found)
    assert found["mutants"] == COUNT
    assert found["raised"] == {}, "everything else than a StudioError"
    assert found["without_words"] == 0
    assert found["slowest"] < 2.0, "seconds of the processor"
    assert found["grown_mb"] < 100
    assert found["strange_files"] == []
    assert found["refused"] > 100
    assert found["read"] > 100
