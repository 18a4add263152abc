"""What a library of 1,000, 10,000 and 100,000 pictures costs: opening, searching, adding, rebuilding; medians.

Run: `uv run tests/bench/library.py [COUNT ...] [--folder DIR] [--keep]`. The libraries are made in seconds: each picture
is a real PNG with a recipe of its own and the pixels of a few; `--keep` leaves them in DIR for other figures. `--cpu` counts the
processor's time instead of the clock's, for a machine on which others work.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from studio.core.library import Query, Sort  # noqa: E402
from studio.core.paths import Folders  # noqa: E402
from studio.core.picture import MadeWith  # noqa: E402
from studio.core.pixels import Pixels  # noqa: E402
from studio.core.recipe import ModelRef, Recipe, Size  # noqa: E402
from studio.gallery import png  # noqa: E402
from studio.gallery.looks import look_of  # noqa: E402
from studio.gallery.names import file_of, new_id  # noqa: E402
from studio.gallery.store import GalleryStore  # noqa: E402

clock = time.perf_counter
FIRST_ROWS = 60  # what a window shows at once
SEARCHES = ("r", "re", "red", "red h", "red ho", "red house ", '"red house" ', "房", "-boat red ", "w0001", "a ")
FIELDS = ("steps:>20", "model:mini", "rating:>=4", "date:2026-11", "red model:dream rating:>=3")
MADE_WITH = MadeWith(
    studio="0.1.0", device="cpu", dtype="float32", seconds=1.5, model_digest="ab" * 32, versions=(("torch", "2.15.0"),)
)
COMMON = "red house green hills boat cat sea blue sky tree window night moon bright dark old young painting ink wash with and"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("counts", nargs="*", type=int, default=[1_000, 10_000, 100_000])
    parser.add_argument("--folder", type=Path, help="make the libraries here instead of in a temporary folder")
    parser.add_argument("--keep", action="store_true", help="leave the libraries there")
    parser.add_argument("--cpu", action="store_true", help="processor time instead of wall time")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    global clock
    clock = time.process_time if asked.cpu else time.perf_counter
    if asked.child:
        print(json.dumps(measured(asked.child)))
        return
    base = asked.folder or Path(tempfile.mkdtemp(prefix="library-"))
    columns = []
    for count in asked.counts:
        root = base / f"{count}"
        made, rate = made_library(root, count)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        words = [sys.executable, __file__, "--child", str(root), *(["--cpu"] if asked.cpu else [])]
        done = subprocess.run(words, capture_output=True, text=True, env=environment)
        if done.returncode:
            sys.exit(done.stderr)
        columns.append(
            {"make the files (pictures/s)": made, "rebuild the index (pictures/s)": rate, **json.loads(done.stdout)}
        )
        if not asked.keep:
            shutil.rmtree(root)
    print_table(asked.counts, columns)


def made_library(root: Path, count: int) -> tuple[float, float]:
    """Write the PNGs, then let the store find them: how many a second of each; 0 where they were there already."""
    begun = clock()
    is_new = not root.exists()
    if is_new:
        write_pictures(Folders(root=root), count)
    written = clock()
    store = GalleryStore(Folders(root=root)).open()
    rebuilt = clock()
    assert store.count() == count, store.count()
    ids = [picture.id for picture in store.page(0, count)]
    rng = random.Random(3)
    for rating in (1, 3, 4, 5):
        store.mark(rng.sample(ids, count // 50), rating=rating, add_boards=["My board"] if rating == 5 else [])
    store.close()
    return (count / (written - begun), count / (rebuilt - written)) if is_new else (0.0, 0.0)


def write_pictures(folders: Folders, count: int) -> None:
    rng = random.Random(1)
    words = COMMON.split()
    rare = [f"w{number:04d}" for number in range(3000)]
    tails = [pixels_of(rng.randbytes(3), png_side=64) for _ in range(24)]
    moment, last = datetime(2026, 11, 24, tzinfo=UTC) - timedelta(minutes=5 * count), ""
    for number in range(count):
        moment += timedelta(minutes=5)
        last = new_id(moment, last)
        text = " ".join(["a", *rng.choices(words, k=8), *rng.choices(rare, k=6)]) + rng.choice(("", "", " 红色的房子"))
        recipe = Recipe(
            prompt=text,
            negative_prompt="blurry, ugly",
            seed=rng.randrange(2**32),
            steps=rng.choice((4, 20, 30)),
            size=Size(width=64, height=64),
            model=ModelRef(name=rng.choice(("mini", "mini", "dreamshaper_8"))),
        )
        file = folders.pictures / file_of(last)
        file.parent.mkdir(parents=True, exist_ok=True)
        head = png.encode(tails[number % 24][0], recipe, MADE_WITH, last, moment, {}) if number < 24 else None
        file.write_bytes(head or with_texts(tails[number % 24][1], recipe, last, moment))


def pixels_of(colour: bytes, png_side: int) -> tuple[Pixels, bytes]:
    pixels = Pixels(width=png_side, height=png_side, data=colour * (png_side * png_side))
    recipe = Recipe(prompt="", seed=0)
    return pixels, png.encode(pixels, recipe, MADE_WITH, "", datetime.now(UTC), {})


def with_texts(data: bytes, recipe: Recipe, picture_id: str, created: datetime) -> bytes:
    """A PNG with its first text chunk replaced: quicker than encoding the pixels each time."""
    import struct
    import zlib

    card = png._json_text(png.stored_form(recipe), MADE_WITH, picture_id, created, ())
    body = b"iTXtstudio\0\0\0\0\0" + card.encode()
    at = data.index(b"iTXt") - 4
    (length,) = struct.unpack(">I", data[at : at + 4])
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return data[:at] + chunk + data[at + 12 + length :]


def measured(root: Path) -> dict[str, float]:
    """All figures of one library, in a fresh process."""
    before = memory()
    figures: dict[str, float] = {}
    folders = Folders(root=root)
    thumbnails = [(lambda s: s.thumbnail)(GalleryStore(folders))]
    with_store = GalleryStore(folders)
    for picture in with_store.page(0, FIRST_ROWS):  # a window was open here before
        thumbnails[0](picture)
    with_store.close()
    figures["open to first rows (ms)"] = median(lambda: first_rows(folders, page=True), 5)
    figures["open to listing and first rows (ms)"] = median(lambda: first_rows(folders, page=False), 5)
    store = GalleryStore(folders).open_quickly()
    begun = clock()
    store.listing(Query())
    figures["first listing (ms)"] = (clock() - begun) * 1e3
    figures["listing again (ms)"] = median(lambda: store.listing(Query()), 9)
    for text in SEARCHES + FIELDS:
        figures[f"search {text} (ms)"] = median(lambda text=text: store.listing(Query(text=text)), 7)
    figures["sort by rating (ms)"] = median(lambda: store.listing(Query(sort=Sort.RATING)), 5)
    figures["sort by prompt (ms)"] = median(lambda: store.listing(Query(sort=Sort.PROMPT)), 3)
    figures["completion (ms)"] = median(lambda: store.complete("model:", 6), 5)
    keys = store.listing(Query()).keys
    middle = len(keys) // 2
    figures["200 pictures from the middle (ms)"] = median(lambda: store.pictures(keys[middle : middle + 200]), 9)
    figures.update(looks_alike(store, keys[middle]))
    figures.update(additions(store))
    figures["memory above empty (MB)"] = memory() - before
    store.close()
    return figures


def first_rows(folders: Folders, page: bool) -> None:
    store = GalleryStore(folders).open_quickly()
    pictures = store.page(0, FIRST_ROWS) if page else store.pictures(store.listing(Query()).keys[:FIRST_ROWS])
    for picture in pictures:
        store.thumbnail(picture)
    store.close()


def looks_alike(store: GalleryStore, key: int) -> dict[str, float]:
    """Colours and similar pictures over looks of chance: the time does not depend on what they are."""
    rng = random.Random(5)
    index = store._opened()
    index.set_looks((seq, rng.randbytes(212)) for seq in store.listing(Query()).keys)
    (picture,) = store.pictures([key])
    assert picture is not None
    store.similar(picture.id, 1)  # the looks come into memory once
    pixels = pixels_of(b"\x80\x20\x20", 256)[0]
    return {
        "search colour:red (ms)": median(lambda: store.listing(Query(text="colour:red")), 7),
        "24 similar pictures (ms)": median(lambda: store.similar(picture.id, 24), 7),
        "look at one picture (ms)": median(lambda: look_of(pixels), 20),
    }


def additions(store: GalleryStore) -> dict[str, float]:
    """A new picture: the whole save, what of it is the row, and the listing after it."""
    pixels = pixels_of(b"\x80\x20\x20", 64)[0]
    index, rows, saves, listings = store._opened(), [], [], []
    insert = index.insert

    def timed(entries):  # type: ignore[no-untyped-def]
        begun = clock()
        insert(entries)
        rows.append((clock() - begun) * 1e3)

    index.insert = timed  # type: ignore[method-assign]
    for seed in range(30):
        begun = clock()
        picture = store.add(pixels, Recipe(prompt="a new red house", seed=seed), MADE_WITH)
        saves.append((clock() - begun) * 1e3)
        begun = clock()
        store.listing(Query())
        listings.append((clock() - begun) * 1e3)
        store.remove(picture.id)
    store.empty_trash()
    names = ("new picture, whole save (ms)", "new picture, its row (ms)", "listing after it (ms)")
    return dict(zip(names, map(statistics.median, (saves, rows, listings)), strict=True))


def median(work: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        begun = clock()
        work()
        taken.append((clock() - begun) * 1e3)
    return statistics.median(taken)


def memory() -> float:
    """Megabytes that this process holds now; its peak where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def print_table(counts: list[int], columns: list[dict[str, float]]) -> None:
    ratio = f"t({counts[-1]:,})/t({counts[0]:,})"
    print(f"{'':<44}" + "".join(f"{count:>12,}" for count in counts) + f"{ratio:>24}")
    for name in columns[0]:
        values = [column[name] for column in columns]
        again = f"{values[-1] / values[0]:.2f}" if values[0] > 0 else ""
        print(f"{name:<44}" + "".join(f"{value:>12,.1f}" for value in values) + f"{again:>24}")


if __name__ == "__main__":
    main()
