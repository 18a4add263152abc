"""Pictures of the control panel with detectors and networks, to be looked at: `python tests/bench/control_shots.py FOLDER`."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from screenshots import Shot  # noqa: E402


def main() -> None:
    """Mini with several layers; then a model of SD 1.x with and without what its layers need; dark and light."""
    from studio.core.choices import ControlKind
    from studio.core.recipe import ImageRef, ModelRef

    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    made = Shot((1600, 1000))
    made.sketch()
    draft = made.studio.draft
    first = draft.draft.controls[0]
    kinds = (
        replace(first.use, kind=ControlKind.LINEART, detector="lineart-standard", invert=False),
        replace(first.use, kind=ControlKind.MLSD, invert=False, low=10),
        replace(first.use, kind=ControlKind.DEPTH, invert=False),
    )
    for use in kinds:
        draft.add_control(ImageRef(digest=use.image.digest))
        last = len(draft.draft.controls) - 1
        draft.set_control(last, replace(draft.draft.controls[last], use=use), "kind")
    dock = made.window.docks["controlDock"]
    for name, model, net in (("mini", "mini", None), ("sd1", "dreamer", "control_v11p_sd15_depth")):
        if name == "sd1":
            _library(Path(made.studio.state.models_folder))
            made.studio.state.model_files.rescan()
            made.wait(seconds=1.5)
            draft.change(replace(draft.draft, model=ModelRef(name=model)), "model")
            layer = draft.draft.controls[0]
            draft.set_control(0, replace(layer, use=replace(layer.use, net=ModelRef(name=net))), "net")
        made.window.centre.messages.clear()
        made.wait(lambda: all(c.failed or not c.map.image.isNull() for c in made.window.control.cards), 60)
        for theme in ("dark", "light"):
            dock.setFloating(True)
            for width, height in ((300, 1500), (420, 1500)):
                dock.resize(width, height)
                made.wait(seconds=0.3)
                dock.grab().save(str(out / f"control_{name}_{theme}_{width}.png"))
            dock.setFloating(False)
            made.wait(seconds=0.2)
            made.window.grab().save(str(out / f"window_{name}_{theme}.png"))
            made.window.do.toggle_theme()
    made.window.control.cards[3].get_detector.click()
    made.wait(seconds=0.6)
    page = made.window.models.get_page
    page.grab().save(str(out / "get_models.png"))
    page.close()
    made.close()


def _library(folder: Path) -> None:
    """A checkpoint of SD 1.x and three ControlNets, header by header: enough for being known."""
    from tests.engine.intake import layouts as real

    for sub in ("checkpoints", "controlnet"):
        (folder / sub).mkdir(parents=True, exist_ok=True)
    real.write_weights(folder / "checkpoints" / "dreamer.safetensors", real.checkpoint(real.SD1))
    for name in ("control_v11p_sd15_depth", "control_v11p_sd15_scribble", "a_first_try"):
        real.write_weights(folder / "controlnet" / f"{name}.safetensors", real.controlnet(real.SD1))


if __name__ == "__main__":
    main()
