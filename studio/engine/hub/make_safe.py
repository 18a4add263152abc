"""A pickle that the artist asked for, made into .safetensors in a process of its own: `main.py convert`. Opened nowhere else."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from studio.core.errors import ModelMissing, StorageProblem
from studio.core.paths import PROJECT
from studio.engine.hub.download import Paused

SECONDS = 900.0
_LOOK = 0.2  # how often it is seen whether to stop


def safe_name(pickle: Path) -> Path:
    """Where what is made of a pickle lies."""
    return pickle.with_suffix(".safetensors")


def make_safe(pickle: Path, stop: Callable[[], bool]) -> None:
    """Write the tensors beside the pickle and take the pickle away. Blocks.

    Raises `Paused`, and `ModelMissing` where it holds more than tensors; the pickle is taken away then too.
    """
    target = safe_name(pickle)
    command = [sys.executable, str(PROJECT / "main.py"), "convert", str(pickle), str(target)]
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace", cwd=PROJECT
        )
    except OSError as error:
        raise StorageProblem(f"“{pickle.name}” could not be converted.", "Try again.", str(error)) from None
    until = time.monotonic() + SECONDS
    with process:
        while True:
            try:
                said = process.communicate(timeout=_LOOK)[1] or ""
                break
            except subprocess.TimeoutExpired:
                if stop() or time.monotonic() > until:
                    process.kill()
                    raise Paused from None
    if process.returncode or not target.is_file():
        pickle.unlink(missing_ok=True)
        lines = [line for line in said.splitlines() if line.strip()]
        headline = lines[-1] if lines else f"“{pickle.name}” could not be converted."
        raise ModelMissing(headline, "It was taken away again; nothing in it was run here.", said[-1000:])
    pickle.unlink(missing_ok=True)
