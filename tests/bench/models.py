"""Figures of the model library over many files: `python tests/bench/models.py [COUNT]`. True headers, no weights behind them."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def main() -> None:
    """Scan cold and warm, and how long the window's thread is busy at most while it is done."""
    from tests.engine.intake import layouts as real
    from tests.engine.intake.test_library import LORA, LORA_XL

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plans = (real.SD1, real.SD2, real.SDXL)
        whole = [real.checkpoint(plan) for plan in plans]
        for number in range(count):
            shapes = whole[number % 3] if number % 10 == 0 else LORA if number % 2 else LORA_XL
            real.write_weights(folder / "models" / f"set_{number % 40}" / f"model_{number}.safetensors", shapes)
        _library(folder, count)
        _window(folder, count)


def _library(folder: Path, count: int) -> None:
    from studio.engine.intake.library import Library

    for words in ("cold", "warm"):
        library = Library((folder / "models",), folder / "models.json")
        begun, cpu = time.perf_counter(), time.process_time()
        found = library.scan()
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        print(f"scan, {words}: {len(found)} of {count} files, {seconds:.2f} s, processor time {cpu:.2f} s")


def _window(folder: Path, count: int) -> None:
    from PySide6.QtWidgets import QApplication

    from studio.app import build
    from studio.engine.fake import FakeEngine
    from studio.state.models_model import Filter

    (folder / "data").mkdir()
    (folder / "data" / "models").symlink_to(folder / "models")
    studio = build(folder / "data", FakeEngine())
    studio.window.show()
    files, worst = studio.state.model_files, 0.0
    files.rescan()
    until = time.perf_counter() + 120
    while len(files.files) < count and time.perf_counter() < until:
        begun = time.thread_time()
        QApplication.processEvents()
        worst = max(worst, time.thread_time() - begun)
        time.sleep(0.002)
    print(
        f"window's thread while {len(files.files)} files are scanned: longest turn {worst * 1000:.0f} ms of its own work"
    )
    begun = time.thread_time()
    studio.window.models.show_page()
    QApplication.processEvents()
    print(f"page opened and painted in {(time.thread_time() - begun) * 1000:.0f} ms of the window's thread")
    begun = time.thread_time()
    files.set_filter(Filter(text="model_19"))
    QApplication.processEvents()
    print(f"search narrowed to {files.rowCount()} rows in {(time.thread_time() - begun) * 1000:.0f} ms")
    studio.close()


if __name__ == "__main__":
    main()
