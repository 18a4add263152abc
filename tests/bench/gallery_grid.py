"""What the history's grid costs the window: opening, scrolling, a new picture, memory; at any number of pictures.

Run: `uv run tests/bench/gallery_grid.py [COUNT ...]` (offscreen; nothing else heavy beside it), or with `--library DIR` over
a real library, for example one that `library.py --folder DIR --keep` left. Without it the rows come from a store in
memory that takes as long for a picture as the real one and decodes a real JPEG for each thumbnail.

A frame is the time of the window's thread from moving the scroll bar until the viewport is painted. `cpu` counts that
thread's processor time, which neighbours on the machine change less than the clock.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import statistics
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from PIL import Image
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication

from studio.core.library import Listing, Query
from studio.core.paths import Folders
from studio.core.picture import MadeWith, Picture
from studio.core.pixels import Pixels
from studio.core.recipe import Recipe
from studio.core.recipe_text import from_text, to_text
from studio.gallery.store import GalleryStore
from studio.state.background import Background
from studio.state.gallery_model import GalleryModel
from studio.state.garbage import GarbageOnUiThread
from studio.state.thumbnails import Thumbnails
from studio.ui.gallery.panel import HistoryPanel
from studio.ui.theme import apply_theme

WIDTH, HEIGHT, TILE = 1200, 900, 128
PER_DAY = 137
MADE_WITH = MadeWith(studio="0.1.0", device="cpu", dtype="float32", seconds=1.5, versions=(("torch", "2.15.0"),))


class SyntheticStore:
    """A store of `count` pictures that reads a recipe's text for each picture it gives, as the real one does."""

    def __init__(self, count: int) -> None:
        self._first = datetime(2026, 11, 25, 20, tzinfo=UTC)
        self._count = count
        self._text = to_text(Recipe(prompt="a red house on green hills, blue sky, with a river and two sheep", seed=7))
        rng = random.Random(2)
        self._jpegs = [self._jpeg(rng) for _ in range(16)]
        days = [f"{(self._first - timedelta(days=day)).date()}" for day in range(count // PER_DAY + 1)]
        runs = [PER_DAY] * (count // PER_DAY) + [count % PER_DAY]
        self._days = tuple((day, run) for day, run in zip(days, runs, strict=True) if run)

    def _jpeg(self, rng: random.Random) -> bytes:
        image = Image.effect_noise((256, 256), rng.randrange(20, 90)).convert("RGB")
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=90)
        return stream.getvalue()

    def page(self, offset: int, limit: int) -> list[Picture]:
        return self.pictures(range(self._count - offset, max(0, self._count - offset - limit), -1))

    def listing(self, query: Query) -> Listing:
        keys = array("q", range(self._count, 0, -1))
        if query.text:
            keys = keys[:: max(2, len(query.text))]
            return Listing(query=query, keys=keys)
        return Listing(query=query, keys=keys, days=self._days)

    def picture(self, key: int) -> Picture:
        return Picture(
            id=f"{key:012d}", recipe=from_text(self._text), made_with=MADE_WITH, file=Path(f"/nowhere/{key}.png"),
            width=256, height=256, created=self._first,
        )  # fmt: skip

    def pictures(self, keys: Sequence[int]) -> list[Picture]:
        return [self.picture(key) for key in keys]

    def thumbnail(self, picture: Picture) -> Pixels:
        with Image.open(io.BytesIO(self._jpegs[int(picture.id) % 16]), formats=["JPEG"]) as image:
            small = image.convert("RGB")
        return Pixels(width=small.width, height=small.height, data=small.tobytes())

    def boards(self) -> tuple[tuple[str, int], ...]:
        return ()

    tags = boards


class Window:
    """A history panel over a store, and what its thread did."""

    def __init__(self, store: object) -> None:
        self.threads = [Background("store"), Background("thumbnails")]
        self.thumbnails = Thumbnails(store.thumbnail, self.threads[1])  # type: ignore[attr-defined]
        self.model = GalleryModel(store, self.threads[0], self.thumbnails)  # type: ignore[arg-type]
        self.panel = HistoryPanel(self.model, TILE)
        self.panel.resize(WIDTH, HEIGHT)
        self.panel.show()
        pump(0.3)

    def close(self) -> None:
        self.panel.close()
        for thread in self.threads:
            thread.close()


def pump(seconds: float, until: Callable[[], bool] = lambda: False) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and not until():
        QApplication.processEvents()
        time.sleep(0.0005)


def measured(store: object) -> dict[str, float]:
    """All figures over one store, in ms and MB."""
    empty = memory()
    garbage = GarbageOnUiThread()
    garbage.hold()  # as the program does at its start
    window = Window(store)
    model, grid, bar = window.model, window.panel.grid, window.panel.grid.verticalScrollBar()
    first: list[float] = []
    window.thumbnails.ready.connect(lambda _: first.append(time.perf_counter()))
    listed: list[float] = []
    model.listed.connect(lambda: listed.append(time.perf_counter()))
    begun, cpu = time.perf_counter(), time.process_time()
    model.refresh()
    pump(30, lambda: bool(first))
    cpu = time.process_time() - cpu
    grid.viewport().repaint()
    figures = {"open to first thumbnails": (first[0] - begun) * 1000 if first else float("nan")}
    figures["open to first thumbnails, cpu of all threads"] = cpu * 1000
    in_sight = grid.grid().rows_between(0, grid.viewport().height())
    pump(30, lambda: all(window.thumbnails.tile(model.picture(model.index(r)).id) for r in in_sight))  # type: ignore[union-attr]
    figures["open to all in sight"] = (time.perf_counter() - begun) * 1000
    pump(30, lambda: bool(listed))
    figures["open to all rows"] = (listed[0] - begun) * 1000
    garbage.start()
    grid.grid()  # laid out for all rows, and with it the scroll bar
    top = bar.maximum()
    rng = random.Random(1)
    patterns = {
        "wheel": [60 * step for step in range(240)],
        "pages": [grid.viewport().height() * step for step in range(60)],
        "thumb dragged over all": [round(top * step / 200) for step in range(201)],
        "jumps anywhere": [rng.randrange(top + 1) for _ in range(60)],
    }
    gaps = Gaps()
    frames: list[tuple[float, float]] = []
    for name, places in patterns.items():
        gaps.begin(name)
        own = [frame(window, min(top, place)) for place in places]
        frames += own
        figures[f"frame p99, {name}"] = quantile([wall for wall, _ in own], 0.99)
    figures["frame p50, all"] = quantile([wall for wall, _ in frames], 0.5)
    figures["frame p99, all"] = quantile([wall for wall, _ in frames], 0.99)
    figures["frame p99, all, cpu"] = quantile([cpu for _, cpu in frames], 0.99)
    figures["largest event-loop gap while scrolling"] = gaps.largest()
    gaps.end()
    bar.setValue(0)
    pump(0.5)
    figures["new picture"] = statistics.median(new_picture(window, number) for number in range(15))
    found = [search(window, "red house"[:n]) for n in range(1, 10)]
    figures["search, keystroke to rows"] = statistics.median(wall for wall, _ in found)
    figures["search, keystroke to rows, cpu of all threads"] = statistics.median(cpu for _, cpu in found)
    figures["memory above empty, MB"] = memory() - empty
    window.close()
    garbage.close()
    return figures


def frame(window: Window, place: int) -> tuple[float, float]:
    """Move there, let the window's thread do all it has to do for that, paint. Wall and processor time in ms."""
    wall, cpu = time.perf_counter(), time.thread_time()
    window.panel.grid.verticalScrollBar().setValue(place)
    QApplication.processEvents()
    spent = (time.perf_counter() - wall) * 1000, (time.thread_time() - cpu) * 1000
    rest = 0.016 - (time.perf_counter() - wall)
    if rest > 0:
        pump(rest)
    return spent


def new_picture(window: Window, number: int) -> float:
    """A picture comes in: until it is painted as a place."""
    picture = Picture(
        id=f"9{number:011d}", recipe=Recipe(prompt="new", seed=number), made_with=MADE_WITH, file=Path("/nowhere/new.png"),
        width=256, height=256, created=datetime.now(UTC),
    )  # fmt: skip
    begun = time.perf_counter()
    window.model.insert(picture)
    inserted = (time.perf_counter() - begun) * 1000
    pump(0.1)
    return inserted


def search(window: Window, text: str) -> tuple[float, float]:
    done: list[float] = []
    connection = window.model.listed.connect(lambda: done.append(time.perf_counter()))
    begun, cpu = time.perf_counter(), time.process_time()
    window.model.set_query(Query(text=text))
    pump(10, lambda: bool(done))
    window.model.listed.disconnect(connection)
    return (done[0] - begun) * 1000, (time.process_time() - cpu) * 1000


class Gaps:
    """What lies between two ticks of a 5 ms timer beyond 5 ms."""

    def __init__(self) -> None:
        self._gaps: dict[str, list[float]] = {}
        self._name, self._last = "", time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(5)

    def begin(self, name: str) -> None:
        self._name, self._last = name, time.perf_counter()

    def _tick(self) -> None:
        now = time.perf_counter()
        self._gaps.setdefault(self._name, []).append(max(0.0, (now - self._last) * 1000 - 5))
        self._last = now

    def largest(self) -> float:
        return max(max(gaps) for gaps in self._gaps.values())

    def end(self) -> None:
        self._timer.stop()


def quantile(values: list[float], share: float) -> float:
    row = sorted(values)
    return row[min(len(row) - 1, int(len(row) * share))]


def memory() -> float:
    """Resident memory of this process in MB."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("counts", nargs="*", type=int, default=[1_000, 10_000, 100_000])
    parser.add_argument("--library", type=Path, help="measure over this real library")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if not asked.child and not asked.library:  # each number of pictures in a process of its own, for its memory
        for count in asked.counts:
            subprocess.run([sys.executable, __file__, str(count), "--child"], check=True)
        return
    app = QApplication([])
    apply_theme(app, "dark")
    store = GalleryStore(Folders(root=asked.library)).open() if asked.library else SyntheticStore(asked.counts[0])
    title = f"{asked.library}" if asked.library else f"{asked.counts[0]:,} pictures, in memory"
    print(title)
    for name, value in measured(store).items():
        print(f"  {name:<48}{value:>9.1f}")


if __name__ == "__main__":
    main()
