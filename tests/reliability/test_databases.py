"""100 damaged indexes: the studio starts each time, shows every picture, and keeps the damaged file."""

from __future__ import annotations

import random
import shutil
import time
from pathlib import Path

from studio.core.paths import Folders
from studio.gallery.store import GalleryStore
from tests.gallery.makers import MADE_WITH, noise, recipe, store_in
from tests.reliability.results import record

SEED, COUNT = 5, 8


def damaged(good: bytes, number: int, rng: random.Random) -> bytes:
    """A truncated, emptied, renamed or overwritten database."""
    kind = number % 5
    if kind == 0:
        return b"" if number % 10 == 0 else good[: rng.randrange(len(good))]
    if kind == 1:
        return rng.choice((b"Not SQLite 4", b"GIF89a", bytes(16))) + good[16:]
    bad = bytearray(good)
    for _ in range(rng.choice((1, 3, 30))):
        at = rng.randrange(len(bad))
        piece = rng.randbytes(rng.choice((1, 20, 500)))
        bad[at : at + len(piece)] = piece
    return bytes(bad[: len(good) - rng.choice((0, 0, 4096))])


def test_100_damaged_databases(fast_folder: Path) -> None:
    print(f"seed {SEED}")
    rng, original, folder = random.Random(SEED), fast_folder / "original", fast_folder / "data"
    store = store_in(original)
    for seed in range(COUNT):
        picture = store.add(noise(8, seed), recipe(seed=seed), MADE_WITH)
        store.mark([picture.id], rating=1 + seed % 5, note=f"note {seed}")
    store.close()
    good, aside, slowest = (original / "index.sqlite3").read_bytes(), 0, 0.0
    for number in range(100):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(original, folder)
        (folder / "index.sqlite3").write_bytes(damaged(good, number, rng))
        began = time.monotonic()
        store = GalleryStore(Folders(root=folder)).open()
        shown = store.page(0, 99)
        slowest = max(slowest, time.monotonic() - began)
        assert [picture.recipe.seed for picture in shown] == list(range(COUNT - 1, -1, -1)), (number, store.notices)
        marks = [(picture.marks.rating, picture.marks.note) for picture in reversed(shown)]
        assert marks == [(1 + seed % 5, f"note {seed}") for seed in range(COUNT)], (number, store.notices)
        assert store.count() == COUNT
        aside += bool(list(folder.glob("index.sqlite3.damaged*")))
        store.close()
        assert len(list((folder / "pictures").rglob("*.png"))) == COUNT
    record(
        "damaged databases", starts=100, all_pictures_shown=100, set_aside=aside, slowest=round(slowest, 2), seed=SEED
    )
    assert aside >= 50
