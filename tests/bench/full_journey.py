"""A synthetic SD 1.5 at full size through the real window and `render --model PATH`: from one file and from a folder of
it, with a ControlNet in both layouts. `python tests/bench/full_journey.py [FOLDER]`; needs about 9 GB of memory and 7 GB of
disk. Random weights: the pictures are noise, but every tensor has its true name, shape and number format.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
SIDE, STEPS, SEED = 64, 2, 7


def write_folder(folder: Path, noise: Any) -> None:
    """The checkpoint of full_size.py in diffusers' layout: equal shapes have equal numbers there, so these are its own."""
    import torch
    from full_size import small
    from safetensors.torch import save_file

    from studio.engine.checkpoints import CONFIGS
    from tests.engine import full_layouts

    configs = CONFIGS / "sd1"
    stems = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
    for part, module in full_layouts.on_meta(configs).items():
        shutil.copytree(configs / part, folder / part)
        tensors = {name: small(tuple(tensor.shape), noise) for name, tensor in module.state_dict().items()}
        save_file(tensors, folder / part / f"{stems[part]}.safetensors", {"format": "pt"})
    full_layouts._write_tokenizer(folder / "tokenizer", json.loads((configs / "tokenizer.json").read_text("utf-8")))
    shutil.copytree(configs / "scheduler", folder / "scheduler")
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))["_class_name"]
    index = json.loads((configs / "model_index.json").read_text("utf-8")) | {
        "_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", scheduler],
    }  # fmt: skip
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    assert torch.float16 == next(iter(tensors.values())).dtype


def write_controlnets(folder: Path, noise: Any) -> None:
    """One ControlNet twice: `net_original.safetensors` as published first, and the folder `net_diffusers`."""
    import torch
    from diffusers.models.controlnets.controlnet import ControlNetModel
    from full_size import small
    from safetensors.torch import save_file

    from studio.engine.checkpoints import CONFIGS
    from tests.engine import original_layout

    configs = CONFIGS / "sd1" / "controlnet"
    with torch.device("meta"):
        net = ControlNetModel.from_config(json.loads((configs / "config.json").read_text("utf-8")))
    shutil.copytree(configs, folder / "net_diffusers")
    plain = {name: small(tuple(tensor.shape), noise) for name, tensor in net.state_dict().items()}
    save_file(plain, folder / "net_diffusers" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    names = original_layout.controlnet_keys(net)
    save_file(
        {name: small(tuple(shape.shape), noise) for name, shape in names.items()}, folder / "net_original.safetensors"
    )


def in_window(data: Path, models: Path, name: str, net: str, sketch: Path) -> dict[str, Any]:
    """Point the studio at the folder, use the model, make a picture; then one that follows a sketch through `net`."""
    from PySide6.QtWidgets import QApplication

    from studio.app import build
    from studio.core.model_files import Kind
    from studio.core.recipe import Size

    studio = build(data)
    pictures: list[Any] = []
    studio.queue.picture_added.connect(pictures.append)
    studio.queue.job_failed.connect(lambda job: print("failed", job.error))
    studio.window.show()

    def wait(until: Callable[[], object], seconds: float = 900) -> None:
        end = time.monotonic() + seconds
        while not until():
            QApplication.processEvents()
            time.sleep(0.005)
            assert time.monotonic() < end, "took too long"

    def use(what: str, kind: Kind) -> None:
        wait(lambda: studio.state.model_files.find(what, kind) is not None)
        studio.window.models.uses.use(studio.state.model_files.find(what, kind))

    def paint() -> tuple[Any, float]:
        begun, count = time.perf_counter(), len(pictures)
        studio.window.prompt.generate.click()
        wait(lambda: len(pictures) > count)
        return pictures[-1], time.perf_counter() - begun

    if not studio.state.own_model_folders():
        studio.state.look_for_models((models,))
    use(name, Kind.CHECKPOINT)
    studio.draft.change(
        replace(studio.draft.draft, prompt="a red house", seed=SEED, steps=STEPS, size=Size(width=SIDE, height=SIDE), exact=True),
        "small",
    )  # fmt: skip
    plain, first = paint()
    again, second = paint_other(studio, paint)
    studio.window.wishes.open_control(_url(sketch))
    wait(lambda: studio.draft.draft.controls)
    use(net, Kind.CONTROLNET)
    steered, third = paint()
    told = {
        "pixels": plain.made_with.pixel_sha256, "steered": steered.made_with.pixel_sha256, "sha256": plain.recipe.model.sha256,
        "net_sha256": steered.recipe.controls[0].net.sha256, "first_s": round(first, 2), "second_s": round(second, 2),
        "steered_s": round(third, 2), "scheduler": plain.recipe.scheduler, "guidance": plain.recipe.guidance_scale,
    }  # fmt: skip
    assert plain.recipe.model.sha256 == plain.made_with.model_digest
    assert told["steered"] != told["pixels"] != again.made_with.pixel_sha256
    studio.close()
    return told


def paint_other(studio: Any, paint: Callable[[], tuple[Any, float]]) -> tuple[Any, float]:
    """The next seed, with the model loaded; then the seed is as before."""
    studio.draft.set_seed(SEED + 1)
    made = paint()
    studio.draft.set_seed(SEED)
    return made


def _url(file: Path) -> Any:
    from PySide6.QtCore import QUrl

    return QUrl.fromLocalFile(str(file))


def rendered(model: Path, data: Path, told: dict[str, Any]) -> str:
    """The pixels of `render --model PATH`."""
    from studio.cli import main as cli

    spoken = io.StringIO()
    with redirect_stdout(spoken):
        code = cli(["render", "--prompt", "a red house", "--seed", str(SEED), "--steps", str(STEPS), "--size", f"{SIDE}x{SIDE}",
                    "--scheduler", told["scheduler"], "--guidance", str(told["guidance"]), "--exact", "--json", "--model", str(model),
                    "--data", str(data)])  # fmt: skip
    assert code == 0
    return str(json.loads(spoken.getvalue())["pixel_sha256"])


def main(folder: Path) -> None:
    import torch
    from full_size import write_checkpoint
    from PIL import Image, ImageDraw

    models, begun = folder / "models", time.perf_counter()
    models.mkdir()
    noise = torch.randn(1_000_003, generator=torch.Generator().manual_seed(1))
    size = write_checkpoint(models / "whole.safetensors")
    write_folder(models / "parts", noise)
    write_controlnets(models, noise)
    print(
        f"written   {size / 2**30:.2f} GiB twice and a ControlNet twice in {time.perf_counter() - begun:.1f} s",
        flush=True,
    )
    sketch = Image.new("RGB", (SIDE, SIDE), "white")
    ImageDraw.Draw(sketch).rectangle((16, 16, 48, 48), outline="black", width=3)
    sketch.save(folder / "sketch.png")
    file = in_window(folder / "data", models, "whole", "net_original", folder / "sketch.png")
    print("file     ", file, flush=True)
    parts = in_window(folder / "data2", models, "parts", "net_diffusers", folder / "sketch.png")
    print("folder   ", parts, flush=True)
    same = file["pixels"] == parts["pixels"], file["steered"] == parts["steered"]
    command = [
        rendered(models / name, folder / "data3", file) == file["pixels"] for name in ("whole.safetensors", "parts")
    ]
    print(json.dumps({"same_pixels": same, "render_same": command, "bytes": size}))
    assert all((*same, *command))


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="full_journey-", dir=sys.argv[1] if len(sys.argv) > 1 else None))
    try:
        main(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
