"""Pictures of what brings a picture back - the restore list, a verification, the family tree - to be looked at.

`python tests/bench/again_shots.py FOLDER [dark|light] [SCALE]`; also prints how long a tree of 200 takes.
"""

from __future__ import annotations

import os
import random
import sys
import time
from dataclasses import replace
from pathlib import Path

SCALE = sys.argv[3] if len(sys.argv) > 3 else "1"
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["QT_SCALE_FACTOR"] = SCALE
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

# ruff: noqa: E402
from demo_pictures import landscape, pixels_of
from PIL import Image, PngImagePlugin
from PySide6.QtWidgets import QPushButton
from screenshots import Shot

from studio.core.family_tree import lay_out
from studio.core.library import Link, LinkKind
from studio.core.picture import MadeWith, Picture
from studio.core.recipe import Recipe, Size

INFO = (
    "a castle on a rock, (storm:1.2), <lora:ink_wash_v3:0.7>, crashing waves, masterpiece, oil painting\n"
    "Negative prompt: blurry, lowres, watermark\n"
    "Steps: 28, Sampler: Heun++ 9, Schedule type: Karras, CFG scale: 7, Seed: 5000000000, Size: 512x768, "
    "Model hash: 879db523c3, Model: dreamshaper_8, VAE: vae-ft-mse-840000, Clip skip: 2, Denoising strength: 0.35, "
    'Hires upscale: 1.5, Hires upscaler: 4x-UltraSharp, Lora hashes: "ink_wash_v3: 1f2e3d4c5b6a", Version: v1.10.1'
)
MADE = MadeWith(studio="0.1.0", device="cpu", dtype="float32", seconds=6.2)
BASE = Recipe(prompt="a red house on green hills, blue sky", seed=7, size=Size(width=128, height=128))


class Shots:
    """One studio; every method takes one or two pictures of it."""

    def __init__(self, folder: Path, theme: str) -> None:
        self.folder, self.suffix = folder, f"{theme}-{SCALE}"
        self.shot = Shot(theme=theme)
        self.studio, self.window = self.shot.studio, self.shot.window

    def save(self, widget, name: str) -> None:
        self.shot.wait(seconds=0.4)
        widget.grab().save(str(self.folder / f"{name}-{self.suffix}.png"))

    def restore(self) -> None:
        file = self.shot.folder / "castle at dusk.png"
        info = PngImagePlugin.PngInfo()
        info.add_text("parameters", INFO)
        Image.new("RGB", (512, 768), "navy").save(file, pnginfo=info)
        self.studio.draft.set_prompt("a red house on green hills, blue sky")
        self.studio.state.restorer.open_file(file)
        self.shot.wait(lambda: self.window.restoring.dialog is not None)
        dialog = self.window.restoring.dialog
        self.save(dialog, "restore")
        dialog.show_raw.setChecked(True)
        self.save(dialog, "restore-raw")
        dialog.reject()

    def verify(self) -> None:
        recipe = replace(BASE, prompt="a lighthouse in the evening, ink", size=Size(width=256, height=256))
        pixels = pixels_of(landscape(recipe, 256, 256))
        pixels = replace(pixels, data=bytes(min(255, v + (i % 7 == 0) * 3) for i, v in enumerate(pixels.data)))
        then = MadeWith(
            studio="0.1.0", device="cuda:0 NVIDIA RTX 3060", dtype="float16", seconds=2.1,
            versions=(("torch", "2.14.1"),), pixel_sha256=pixels.sha256,
        )  # fmt: skip
        picture = self.studio.store.add(pixels, recipe, then)
        self.studio.state.gallery.insert(picture)
        self.window.centre.show_picture(picture)
        self.shot.wait(seconds=0.5)
        done: list[object] = []
        self.studio.state.verifier.verified.connect(done.append)
        self.window.commands["verify"].trigger()
        self.shot.wait(lambda: bool(done), 15)
        for button in self.window.centre.messages.findChildren(QPushButton):
            if button.text() == "Details":
                button.setChecked(True)
        self.save(self.window, "verify")
        self.window.centre.messages.clear()

    def add(self, recipe: Recipe, *parents: tuple[LinkKind, Picture]) -> Picture:
        links = [Link(kind=kind, parent=parent.id) for kind, parent in parents]
        return self.studio.store.add(pixels_of(landscape(recipe, 128, 128)), recipe, MADE, tuple(links))

    def tree(self, start: Picture, name: str, selected: str = "") -> None:
        self.window.tree.show_tree(start)
        page = self.window.tree.page
        model = self.studio.state.family
        self.shot.wait(lambda: model.view is not None and model.view.family.start == start.id)
        self.shot.wait(lambda: all(node.image is not None for node in page.view.nodes.values()), 60)
        page.view.select(selected or start.id)
        self.save(page, name)

    def twelve(self) -> None:
        varied, control = LinkKind.VARIED, LinkKind.CONTROL
        a = self.add(BASE)
        b = self.add(replace(BASE, seed=12), (varied, a))
        c = self.add(replace(BASE, steps=32, guidance_scale=7.5), (varied, a))
        self.add(BASE, (LinkKind.REMADE, a))
        e = self.add(replace(b.recipe, prompt="a red house on green hills in the evening"), (varied, b))
        self.add(replace(b.recipe, scheduler="euler"), (varied, b))
        g = self.add(replace(BASE, seed=99, prompt="a lighthouse, ink"), (control, b))
        self.add(replace(g.recipe, seed=100), (varied, g))
        self.add(replace(c.recipe, guidance_scale=3.0), (varied, c))
        self.add(replace(c.recipe, seed=4), (varied, c), (control, e))
        k = self.add(replace(e.recipe, prompt="a red house on green hills at night"), (varied, e))
        self.add(replace(k.recipe, steps=40), (varied, k))
        self.studio.store.mark([e.id], rating=4)
        self.tree(a, "tree12", e.id)

    def two_hundred(self) -> None:
        rng = random.Random(4)
        members = [self.add(replace(BASE, seed=1000))]
        for number in range(199):
            parent = members[int(len(members) * rng.random() ** 1.6) if number > 24 else 0]
            changes = [
                {"seed": rng.randrange(9999)},
                {"steps": rng.randrange(5, 50)},
                {"guidance_scale": rng.randrange(2, 12) * 1.0},
            ]
            members.append(self.add(replace(parent.recipe, **rng.choice(changes)), (LinkKind.VARIED, parent)))
        began = time.process_time()
        self.tree(members[0], "tree200")
        view = self.window.tree.page.view
        missing = sum(node.image is None for node in view.nodes.values())
        print(
            f"tree of 200 with all thumbnails, made afresh: {time.process_time() - began:.2f} s; without one: {missing}"
        )
        for what, work in (("layout", lambda: lay_out(members)), ("painted whole", view.grab)):
            began = time.process_time()
            work()
            print(f"{what}: {(time.process_time() - began) * 1000:.1f} ms of processor time")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    shots = Shots(folder, sys.argv[2] if len(sys.argv) > 2 else "dark")
    for take in (shots.restore, shots.verify, shots.twelve, shots.two_hundred):
        take()
    shots.studio.close()


if __name__ == "__main__":
    main()
