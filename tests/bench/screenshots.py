"""Pictures of the window in all its states, to be looked at: `python tests/bench/screenshots.py FOLDER [NAME ...]`."""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

SHOTS: dict[str, Callable[[], None]] = {}
PROMPTS = (
    "a red house on green hills, blue sky",
    "a sailboat at sunset, watercolour",
    "一只橙色的猫，草地，夜晚",
    "two balloons over the sea, day",
    "a lighthouse in the evening, ink",
    "a yellow umbrella on the table, flat",
)
LONG = (
    "a red house with a blue door and many flowers before it, on green hills under a wide sky, "
    "with a river, two sheep and a small bridge"
)


class DemoEngine:
    """Paints landscapes; stops at `hold_at` until it is let go, so that a shot can be taken in the middle."""

    def __init__(self, hold_at: int = 0, device: str = "cpu") -> None:
        self.hold_at, self.device, self.go = hold_at, device, False
        self.scores = False  # whether pictures get a score

    def prepare(self):
        from studio.core.events import EngineReady

        return EngineReady(device=self.device, dtype="float32", memory_bytes=16_000_000_000)

    def render(self, recipe, on_progress):
        from demo_pictures import landscape, noisy, pixels_of

        from studio.core.picture import MadeWith
        from studio.engine.protocol import Progress, RenderCancelled, Rendered

        image = landscape(recipe, recipe.size.width, recipe.size.height)
        rng = random.Random(recipe.seed)
        for step in range(1, recipe.steps + 1):
            preview = (
                pixels_of(noisy(image, min(1.0, step / recipe.steps + 0.1), rng)) if step == self.hold_at else None
            )
            while True:
                if not on_progress(Progress(step=step, steps=recipe.steps, seconds=step * 0.31, preview=preview)):
                    raise RenderCancelled
                if step != self.hold_at or self.go:
                    break
                time.sleep(0.02)
        made = MadeWith(
            studio="0.1.0",
            device="cpu",
            dtype="float32",
            seconds=6.2,
            versions=(("torch", "2.15.0"), ("diffusers", "0.42.1")),
            scores=(("clip_rank:clip", 0.18 + rng.random() / 5),) if self.scores else (),
        )
        return Rendered(pixels=pixels_of(image), made_with=made)

    def suggest(self, errand):
        return (
            f"{errand.prompt} on green hills, blue sky, a few white clouds",
            f"{errand.prompt} with a blue door, two trees beside it, in the evening, the windows lit from inside, watercolour",
            f"{errand.prompt} by the sea, a sailboat far out",
            f"{errand.prompt} in the snow",
        )

    def close(self) -> None:
        self.go = True


class Shot:
    """One studio in a folder of its own, with the settings that a shot needs."""

    def __init__(self, size=(1280, 800), theme="dark", hold_at=0, folder: Path | None = None) -> None:
        from studio.app import build
        from studio.core.settings import Settings

        self.folder = folder or Path(tempfile.mkdtemp(prefix="studio-shot-"))
        settings = Settings()
        settings.set("theme", theme)
        (self.folder / "settings.json").write_text(settings.text(), "utf-8")
        self.engine = DemoEngine(hold_at)
        self.studio = build(self.folder, engine=self.engine)
        self.window = self.studio.window
        self.window.resize(*size)
        self.window.show()
        self.wait(lambda: self.studio.queue.engine is not None)

    def wait(self, done: Callable[[], bool] = lambda: False, seconds: float = 8.0) -> None:
        from PySide6.QtWidgets import QApplication

        until = time.monotonic() + seconds
        while not done() and time.monotonic() < until:
            QApplication.processEvents()
            time.sleep(0.005)

    def paint(self, count: int, width: int = 256, height: int = 256) -> None:
        from dataclasses import replace

        from studio.core.recipe import Size

        draft = self.studio.draft
        for number in range(count):
            size = Size(width=width, height=height) if number % 5 else Size(width=384, height=256)
            wished = replace(
                draft.draft,
                prompt=PROMPTS[number % len(PROMPTS)],
                seed=4_294_967_295 - number * 7919,
                steps=20,
                size=size,
            )
            self.studio.queue.submit(wished)
        self.wait(lambda: self.window.gallery.model().rowCount() >= count, 60)

    def sketch(self) -> None:
        from demo_pictures import sketch

        file = self.folder / "sketch.png"
        sketch(480, 360).save(str(file))
        before = len(self.studio.draft.draft.controls)
        self.studio.state.intake.add_file(file)
        self.wait(lambda: len(self.studio.draft.draft.controls) > before)
        self.wait(lambda: all(not card.map.image.isNull() for card in self.window.control.cards))

    def take(self, name: str) -> None:
        self.wait(seconds=0.4)
        self.window.grab().save(str(Path(sys.argv[1]) / f"{name}.png"))

    def close(self) -> None:
        self.engine.go = True
        self.studio.close()
        self.wait(seconds=0.05)
        shutil.rmtree(self.folder, ignore_errors=True)


def shot(function: Callable[[], None]) -> Callable[[], None]:
    """Makes a function a shot of its name."""
    SHOTS[function.__name__] = function
    return function


def _filled(size=(1280, 800), theme="dark", pictures=12, layers=1) -> Shot:
    made = Shot(size, theme)
    made.paint(pictures)
    made.studio.draft.set_prompt(PROMPTS[0])
    made.studio.draft.set_negative_prompt("grey, blurred")
    for _ in range(layers):
        made.sketch()
    return made


@shot
def first_start() -> None:
    made = Shot()
    made.take("first_start")
    made.close()


@shot
def first_start_light() -> None:
    made = Shot(theme="light")
    made.take("first_start_light")
    made.close()


@shot
def dark() -> None:
    made = _filled()
    made.window.centre.messages.clear()
    made.take("dark_1280")
    made.window.centre.view.zoom_in()
    made.window.do.toggle_details()
    made.take("dark_details")
    made.close()


@shot
def light() -> None:
    made = _filled(theme="light")
    made.window.centre.messages.clear()
    made.take("light_1280")
    made.close()


@shot
def large() -> None:
    made = _filled((1600, 1000), pictures=60, layers=1)
    made.window.centre.messages.clear()
    made.take("gallery_60_1600")
    made.close()


@shot
def layers() -> None:
    from dataclasses import replace

    from studio.core.choices import ControlKind

    made = _filled((1600, 1000), layers=2)
    layer = made.studio.draft.draft.controls[1]
    canny = replace(layer.use, kind=ControlKind.CANNY, invert=False, weight=0.65, start=0.0, end=0.6)
    made.studio.draft.set_control(1, replace(layer, use=canny), "canny")
    first = made.studio.draft.draft.controls[0]
    made.studio.draft.set_control(0, replace(first, enabled=False), "off")
    made.studio.draft.move_control(1, 0)
    made.window.centre.messages.clear()
    made.wait(seconds=1.0)
    made.take("layers_1600")
    made.close()


@shot
def generating() -> None:
    made = Shot(hold_at=9)
    made.engine.go = True
    made.paint(7)
    made.engine.go = False
    made.studio.draft.set_prompt(PROMPTS[4])
    made.studio.draft.set_count(3)
    made.sketch()
    made.window.centre.messages.clear()
    made.window.prompt.generate.click()
    made.wait(lambda: (job := made.studio.queue.running) is not None and job.step >= 9)
    made.take("generating")
    made.window.prompt.cancel.click()
    made.window.grab().save(str(Path(sys.argv[1]) / "cancelling.png"))
    made.close()


@shot
def errors() -> None:
    from studio.core.errors import OutOfMemory

    made = _filled(pictures=6, layers=0)
    hint = "Make it smaller, or close what else uses the memory of the graphics card. The queue goes on."
    made.studio.state.messages.error(
        OutOfMemory("The device has not enough memory for 1024 × 1024.", hint, "CUDA out of memory: 8.1 GB")
    )
    made.studio.state.messages.warn(
        "The model “landscapes-v3” is not in the models folder.", "Put it there, or choose another one."
    )
    made.take("errors_dark")
    made.window.do.toggle_theme()
    made.take("errors_light")
    made.close()


@shot
def dragging() -> None:
    made = _filled(pictures=8, layers=0)
    made.window.centre.messages.clear()
    from PySide6.QtCore import QMimeData, QUrl

    carried = QMimeData()
    carried.setUrls([QUrl.fromLocalFile("sketch.png")])
    made.window.zones.enter(made.window.zones.hints()[0], carried)
    made.take("dragging")
    made.close()


@shot
def long_prompt() -> None:
    from types import SimpleNamespace

    made = _filled(pictures=3, layers=0)
    made.studio.draft.set_prompt(LONG)
    made.studio.draft.set_scheduler("dpmpp_2m", __import__("studio.core.choices").core.choices.Spacing.KARRAS)
    made.wait(seconds=0.6)
    made.studio.state.tokens.counted.emit("prompt", SimpleNamespace(tokens=91, limit=75, cut_at=86))
    made.window.centre.messages.clear()
    made.take("long_prompt")
    made.window.settings.scheduler.scheduler.showPopup()
    made.wait(seconds=0.3)
    made.window.settings.scheduler.scheduler.view().window().grab().save(str(Path(sys.argv[1]) / "schedulers.png"))
    made.window.settings.scheduler.scheduler.hidePopup()
    menu = made.window.menuBar().actions()[3].menu()
    menu.popup(made.window.mapToGlobal(made.window.rect().center()))
    made.wait(seconds=0.3)
    menu.grab().save(str(Path(sys.argv[1]) / "menu.png"))
    menu.close()
    for name in ("show_shortcuts", "show_about"):
        from PySide6.QtWidgets import QDialog

        getattr(made.window.do, name)()
        made.wait(seconds=0.3)
        for dialog in made.window.findChildren(QDialog):
            dialog.grab().save(str(Path(sys.argv[1]) / f"{name}.png"))
            dialog.close()
        made.wait(seconds=0.1)
    made.close()


def main() -> None:
    """Take the shots named on the command line, or all; each scale in a process of its own."""
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    sys.path.insert(0, str(Path(__file__).parent))
    sys.modules["screenshots"] = sys.modules["__main__"]
    import gallery_shots
    import model_shots
    import plugin_shots

    for theme in ("dark", "light"):
        for take in plugin_shots.ALL:
            SHOTS[f"plugins_{take.__name__}_{theme}"] = partial(take, theme)
        for take in model_shots.ALL:
            SHOTS[f"models_{take.__name__}_{theme}"] = partial(take, theme)
        for take in gallery_shots.ALL:
            SHOTS[f"gallery_{take.__name__}_{theme}"] = partial(take, theme)
    for name in sys.argv[2:] or list(SHOTS):
        SHOTS[name]()
        print("took", name)


if __name__ == "__main__":
    main()
