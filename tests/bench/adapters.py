"""What each adapter costs on Studio Mini: seconds of a 20-step picture and peak memory, relative to no adapter.

Times are alternated with the plain picture in one process, medians of ratios; memory is the peak of a process of its own.
Run: `uv run tests/bench/adapters.py [ROUNDS]` (nothing else heavy beside it).
"""

import io
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import studio.engine.diffusion  # noqa: F401, I001  (loads the libraries quietly)
from PIL import Image, ImageDraw

from studio.core.choices import ControlKind
from studio.core.paths import Folders
from studio.core.recipe import ControlUse, ImageRef, Recipe
from studio.engine.diffusion.engine import DiffusionEngine
from studio.gallery.store import GalleryStore
from studio.commands.render_plugins import PluginRoom, read_lora, read_plugin

ROOT = Path(__file__).resolve().parents[2]
CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ControlNet": (("scribble",), ()),
    "T2I-Adapter": (("t2i-sketch",), ()),
    "Uni-ControlNet, line": (("uni-line",), ()),
    "Uni-ControlNet, line + colour + picture": (("uni-line", "uni-color", "uni-global"), ()),
    "ControlNet + T2I-Adapter": (("scribble", "t2i-sketch"), ()),
    "LoRA": ((), ("lora:ink_wash",)),
    "classifier guidance, quick": ((), ("guidance:class=house,exact=false",)),
    "classifier guidance, exact": ((), ("guidance:class=house",)),
    "CLIP guidance, text": ((), ("guidance:text=a red house",)),
    "CLIP guidance, exact": ((), ("guidance:text=a red house,exact=true",)),
    "CLIP score": ((), ("clip_rank:part=clip",)),
    "wildcards": ((), ("wildcards",)),
}


def sketch() -> Image.Image:
    image = Image.new("RGB", (256, 256))
    ImageDraw.Draw(image).polygon([(60, 200), (60, 110), (128, 50), (196, 110), (196, 200)], outline="white", width=3)
    return image


class Bench:
    """One engine with the shipped plugins, and a library of its own in a temporary folder."""

    def __init__(self, data: Path) -> None:
        folders = Folders(root=data)
        self.store, self.room = GalleryStore(folders), PluginRoom(folders)
        stream = io.BytesIO()
        sketch().save(stream, "PNG")
        file = data / "sketch.png"
        file.write_bytes(stream.getvalue())
        self.image: ImageRef = self.store.inputs.add(file)
        self.recipes = {name: self.recipe(*wishes) for name, wishes in CASES.items()}
        self.engine = DiffusionEngine((ROOT / "resources",), self.store.inputs.read, "cpu", plugins=self.room.host())

    def recipe(self, kinds: tuple[str, ...], wishes: tuple[str, ...]) -> Recipe:
        offered = self.room.control_kinds()
        controls = tuple(
            ControlUse(kind=kind, image=self.image, plugin=offered[kind][1])
            if kind in offered
            else ControlUse(kind=ControlKind(kind), image=self.image)
            for kind in kinds
        )
        read = [read_lora(wish[5:]) if wish.startswith("lora:") else read_plugin(wish) for wish in wishes]
        plugins = tuple(self.room.use(wish, self.store) for wish in read)
        return Recipe(prompt="a red house on green hills", seed=0, controls=controls, plugins=plugins, exact=True)

    def seconds(self, recipe: Recipe, seed: int) -> float:
        began = time.perf_counter()
        self.engine.render(replace(recipe, seed=seed), lambda _: True)
        return time.perf_counter() - began


def peak(name: str) -> float:
    """Peak memory in MiB of a process that makes one picture."""
    done = subprocess.run([sys.executable, __file__, "--peak", name], capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        bench = Bench(Path(data))
        plain = bench.recipe((), ())
        if sys.argv[1:2] == ["--peak"]:
            bench.seconds(bench.recipes.get(sys.argv[2], plain), 0)
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            return
        rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
        base = peak("none")
        print(f"{'adapter':<42}{'time':>7}   (least ... most)   {'memory':>10}")
        for name, recipe in bench.recipes.items():
            bench.seconds(recipe, 0), bench.seconds(plain, 0)
            ratios = sorted(bench.seconds(recipe, turn) / bench.seconds(plain, turn) for turn in range(1, rounds + 1))
            print(
                f"{name:<42}{statistics.median(ratios):>6.2f}x   ({ratios[0]:.2f} ... {ratios[-1]:.2f})"
                f"{peak(name) - base:>+14.0f} MiB",
                flush=True,
            )
        bench.engine.close(), bench.room.close(), bench.store.close()


if __name__ == "__main__":
    main()
