"""Figures of comparing, plotting and exporting: `uv run tests/bench/benches.py`. Prints a table; nothing is kept.

Measures the work itself, in this thread; in the studio all of it but the planning happens off the window's thread.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from studio.core.export import ExportFormat, ExportWish
from studio.core.paths import Folders
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.plot import Axis, plan
from studio.core.plot_fields import fields_of, read_values
from studio.core.recipe import Recipe, Size
from studio.gallery.export import export_all
from studio.gallery.pixel_compare import difference, distance
from studio.gallery.plot_sheet import save_plot_sheet
from studio.gallery.store import GalleryStore

MADE_WITH = MadeWith(studio="bench", device="cpu", dtype="float32", seconds=1.0)
REPEATS = 5


def main() -> None:
    """Print all figures."""
    print(f"{'median of 5':<58}{'processor':>13}{'clock':>13}")
    for megapixels, side in ((1, 1024), (4, 2048)):
        first, second = soft(side, 1), soft(side, 2)
        show(f"figures of two pictures, {megapixels} megapixel", lambda a=first, b=second: distance(a, b))
        show(f"difference amplified, {megapixels} megapixel", lambda a=first, b=second: difference(a, b, 16))
    fields = {field.id: field for field in fields_of(Recipe(prompt="a red house", seed=1), (), lambda *_: None)}
    axes = [(fields["steps"], "1-20"), (fields["guidance_scale"], "1-10 [20]")]
    show("plan of 400 pictures", lambda: plan(Recipe(prompt="a red house", seed=1), [axis(*each) for each in axes]))
    with tempfile.TemporaryDirectory() as folder:
        files_and_sheets(Path(folder), fields)


def files_and_sheets(folder: Path, fields: dict) -> None:
    """What touches the disk."""
    store = GalleryStore(Folders(root=folder / "data")).open()
    base = Recipe(prompt="a red house", seed=1, size=Size(width=512, height=512))
    plot = plan(base, [axis(fields["steps"], "1-5"), axis(fields["seed"], "1-5")])
    cells = [(store.add(soft(512, n), cell.recipe, MADE_WITH), "") for n, cell in enumerate(plot.cells)]
    files = [picture.file for picture, _ in cells]
    for format in ExportFormat:
        out = folder / format.value
        wish = ExportWish(format=format)
        show(f"one picture of 512 x 512 exported as {format.name}", lambda w=wish, o=out: export_all(files, w, o), 25)
    show("sheet of 5 x 5 pictures of 512 x 512, drawn and saved", lambda: save_plot_sheet(store, plot, cells, 1.0))
    store.close()


def axis(field: object, text: str) -> Axis:
    return Axis(field=field, values=read_values(field, text))


def soft(side: int, seed: int) -> Pixels:
    """A picture of soft shapes: noise of a sixteenth of the side, enlarged."""
    from PIL import Image

    small = side // 16
    noise = Image.frombytes("RGB", (small, small), random.Random(seed).randbytes(small * small * 3))
    image = noise.resize((side, side), Image.Resampling.BICUBIC)
    return Pixels(width=side, height=side, data=image.tobytes())


def show(what: str, work: Callable[[], object], parts: int = 1) -> None:
    """Time a piece of work; `parts`: it is so many of what is told. On a busy machine only the processor's time counts."""
    took = []
    for _ in range(REPEATS):
        began = time.process_time(), time.perf_counter()
        work()
        took.append((time.process_time() - began[0], time.perf_counter() - began[1]))
    figures = [statistics.median(column) / parts * 1000 for column in zip(*took, strict=True)]
    print(f"{what:<58}" + "".join(f"{figure:>10.1f} ms" for figure in figures))


if __name__ == "__main__":
    main()
