"""Gaps of the window's event loop while the studio imports, loads and makes pictures.

A precise 5 ms timer runs in the window's thread; a gap is what lies between two of its ticks beyond 5 ms.
Run: `uv run tests/bench/event_loop.py [SECONDS_PER_PHASE]` (offscreen; nothing else heavy beside it).
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
started = time.perf_counter()

from PySide6.QtCore import QEventLoop, Qt, QTimer  # noqa: E402

from studio import app as studio_app  # noqa: E402
from studio.core.recipe import Recipe  # noqa: E402


class Ticks:
    """The gaps beyond 5 ms, by phase."""

    def __init__(self) -> None:
        self.phase, self.gaps = "start", dict[str, list[float]]()
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(5)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.setdefault(self.phase, []).append(max(0.0, (now - self._last) * 1000 - 5))
        self._last = now

    def print(self) -> None:
        print(f"{'phase':<34}{'ticks':>7}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}  ms")
        for phase, gaps in self.gaps.items():
            row = sorted(gaps)
            at = [row[min(len(row) - 1, int(len(row) * q))] for q in (0.5, 0.95, 0.99)] + [row[-1]]
            print(f"{phase:<34}{len(row):>7}" + "".join(f"{value:>8.1f}" for value in at))


def wait(signal: object, seconds: float = 120) -> None:
    loop = QEventLoop()
    signal.connect(loop.quit)  # type: ignore[attr-defined]
    QTimer.singleShot(int(seconds * 1000), loop.quit)
    loop.exec()


def idle(seconds: float) -> None:
    loop = QEventLoop()
    QTimer.singleShot(int(seconds * 1000), loop.quit)
    loop.exec()


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
    with tempfile.TemporaryDirectory() as folder:
        studio = studio_app.build(Path(folder))
        studio.window.show()
        ticks = Ticks()
        ready = []
        studio.queue.engine_ready.connect(lambda _: ready.append(time.perf_counter() - started))
        ticks.phase = "importing torch and diffusers"
        wait(studio.queue.engine_ready)
        ticks.phase = "idle"
        idle(seconds)
        ticks.phase = "first picture (loading Mini)"
        studio.queue.submit_recipe(Recipe(prompt="a red house on green hills", seed=1))
        wait(studio.queue.picture_added)
        first = time.perf_counter() - started
        ticks.phase = "making pictures"
        until, seed = time.perf_counter() + seconds, 2
        while time.perf_counter() < until:
            studio.queue.submit_recipe(Recipe(prompt="a red house on green hills", seed=seed))
            wait(studio.queue.picture_added)
            seed += 1
        ticks.phase = "closing"
        studio.close()
    ticks.print()
    print(
        f"engine ready {ready[0]:.2f} s, first picture {first:.2f} s after the first line; {seed - 2} pictures in {seconds:g} s"
    )


if __name__ == "__main__":
    main()
