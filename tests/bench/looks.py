"""How long it takes to work out how pictures look after a rebuild, with one thread and with several, in turns.

Run: `uv run tests/bench/looks.py [COUNT] [SIDE] [THREADS ...]`. Both ways the looks are compared byte by byte.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from studio.core.paths import Folders  # noqa: E402
from studio.core.picture import MadeWith  # noqa: E402
from studio.core.pixels import Pixels  # noqa: E402
from studio.core.recipe import Recipe  # noqa: E402
from studio.gallery import care  # noqa: E402
from studio.gallery.store import GalleryStore  # noqa: E402

TURNS = 5


def main() -> None:
    """Print pictures a second and the ratio to one thread: without and with the thumbnails on disk."""
    count, side, *threads = [int(word) for word in sys.argv[1:]] or [200, 512]
    with tempfile.TemporaryDirectory() as folder:
        store = GalleryStore(Folders(root=Path(folder))).open()
        random = np.random.default_rng(1)
        for seed in range(count):  # soft, as paintings are: noise would take the decoder longer
            small = random.integers(0, 255, (side // 16, side // 16, 3), np.uint8)
            pixels = np.kron(small, np.ones((16, 16, 1), np.uint8)) + random.integers(0, 8, (side, side, 3), np.uint8)
            made_with = MadeWith(studio="bench", device="", dtype="", seconds=1.0)
            store.add(Pixels(width=side, height=side, data=pixels.tobytes()), Recipe(prompt="x", seed=seed), made_with)
        for cold in (True, False):
            took: dict[int, list[float]] = {}
            looks = set()
            if not cold:  # looks of thumbnails from the disk: JPEG has changed them by a little
                care.look_at_new(store._shelf, store._thumbnails, lambda: False)
                _forget(store, cold)
            for _ in range(TURNS):
                for workers in (1, *(threads or (2,))):
                    looks.add(_forget(store, cold))
                    began = time.perf_counter()
                    store._shelf.look(
                        lambda _, n=workers: care.look_at_new(store._shelf, store._thumbnails, lambda: False, n)
                    )
                    took.setdefault(workers, []).append(time.perf_counter() - began)
            looks.add(_forget(store, cold))
            assert len(looks - {b""}) == 1, "the looks differ"
            for workers, seconds in took.items():
                ratios = sorted(mine / one for mine, one in zip(seconds, took[1], strict=True))
                print(
                    f"{'from the pictures' if cold else 'from thumbnails'}, {workers} threads: "
                    f"{count / statistics.median(seconds):,.0f} pictures/s, "
                    f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} ... {ratios[-1]:.2f})"
                )
        store.close()


def _forget(store: GalleryStore, cold: bool) -> bytes:
    """Take all looks out of the index, and with `cold` the thumbnails off the disk. Returns what the looks were."""
    index = store._shelf.opened()
    found = index.read("SELECT seq, look FROM looks ORDER BY seq")
    with index._writing() as writer:
        writer.execute("DELETE FROM looks")
    if cold:
        shutil.rmtree(store.folders.thumbnails, ignore_errors=True)
    return b"".join(row[1] for row in found)


if __name__ == "__main__":
    main()
