"""Seconds from starting the program to the painted window, and to the first picture; each a fresh process, medians.

Run: `uv run tests/bench/startup.py [RUNS]` (offscreen).
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
import time; t0 = time.perf_counter()
import sys; sys.path.insert(0, {root!r})
from pathlib import Path
from PySide6.QtCore import QEventLoop, QTimer
from studio import app as studio_app
studio = studio_app.build(Path({data!r}))
studio.window.show()
studio.window.repaint()
window = time.perf_counter() - t0
heavy = any(name in sys.modules for name in ("torch", "diffusers", "transformers"))
loop = QEventLoop()
studio.queue.picture_added.connect(loop.quit)
studio.draft.set_prompt("a red house on green hills, blue sky")
QTimer.singleShot(0, lambda: studio.queue.submit(studio.draft.draft))
QTimer.singleShot(120000, loop.quit)
loop.exec()
picture = time.perf_counter() - t0
import resource
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
studio.close()
print("FIGURES", window, picture, peak, int(heavy))
"""


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    rows = []
    for _ in range(runs + 1):  # the first warms the disk cache and is not counted
        with tempfile.TemporaryDirectory() as data:
            code = CHILD.format(root=str(ROOT), data=data)
            environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
            done = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
            )
        line = next(line for line in done.stdout.splitlines() if line.startswith("FIGURES"))
        rows.append([float(word) for word in line.split()[1:]])
    window, picture, peak, heavy = (statistics.median(column) for column in zip(*rows[1:], strict=True))
    print(f"window painted        {window:6.2f} s   (heavy libraries imported by then: {'yes' if heavy else 'no'})")
    print(f"first picture saved   {picture:6.2f} s")
    print(f"peak memory           {peak:6.0f} MiB")


if __name__ == "__main__":
    main()
