"""A synthetic SD 1.5 at full size, in one file: written, loaded, painted with, switched away from and back, deleted.

`python tests/bench/full_size.py [FOLDER]` needs about 6 GB of memory and 3 GB of disk. Random weights: the picture is
noise, but every tensor has its true name, shape and number format. Not part of the tests.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

GIB = 1 << 30


def write_checkpoint(file: Path) -> int:
    """SD 1.5 with random weights in float16 under the original names; the bytes written."""
    import torch
    from safetensors.torch import save_file

    from studio.engine.checkpoints import CONFIGS
    from tests.engine import full_layouts, original_layout

    parts = full_layouts.on_meta(CONFIGS / "sd1")
    noise = torch.randn(1_000_003, generator=torch.Generator().manual_seed(1))  # repeated: a thousand times quicker
    texts = {"text_encoder": parts["text_encoder"]}
    names = original_layout.checkpoint(parts["unet"], parts["vae"], texts, "sd1")
    tensors = {name: small(tuple(shape.shape), noise) for name, shape in names.items()}
    save_file(tensors, file)
    return file.stat().st_size


def small(shape: tuple[int, ...], noise: Any) -> Any:
    """Random numbers that keep the size of what passes through them; biases and norms in their usual places."""
    import torch

    if len(shape) < 2:
        return torch.ones(shape, dtype=torch.float16) if shape else torch.zeros(shape, dtype=torch.float16)
    count, fan_in = math.prod(shape), math.prod(shape[1:])
    scaled = (noise * (0.5 / fan_in**0.5)).half()
    return scaled.repeat(-(-count // len(noise)))[:count].reshape(shape)


def main(folder: Path) -> None:
    from studio.core.recipe import ModelRef, Recipe, Size
    from studio.engine.diffusion.engine import DiffusionEngine

    file = folder / "synthetic_sd15.safetensors"
    began = time.perf_counter()
    size = write_checkpoint(file)
    print(f"written   {size / GIB:.2f} GiB in {time.perf_counter() - began:.1f} s")
    engine = DiffusionEngine((folder, ROOT / "resources"), lambda ref: b"", "auto")
    pool = engine._made_ready().pool

    def load(name: str) -> float:
        start = time.perf_counter()
        pool.get(name, False, lambda: None)
        return time.perf_counter() - start

    first = load(file.stem)
    mini = load("mini")
    back = load(file.stem)
    print(f"loaded    {first:.2f} s; Mini {mini:.2f} s; back again {back:.4f} s = {back / first:.5f} of the first")
    steps = 1
    recipe = Recipe(
        prompt="a (red:1.2) house",
        seed=1,
        steps=steps,
        size=Size(width=128, height=128),
        model=ModelRef(name=file.stem),
    )
    told: list[float] = []
    rendered = engine.render(recipe, lambda progress: told.append(progress.seconds) or True)
    print(
        f"painted   {max(told) / steps:.2f} s a step at 128x128 on {rendered.made_with.device}, {rendered.made_with.dtype}"
    )
    print(
        json.dumps({"bytes": size, "load_s": first, "back_s": back, "ratio": back / first, "step_s": max(told) / steps})
    )
    engine.close()


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp(prefix="full_size-", dir=sys.argv[1] if len(sys.argv) > 1 else None))
    try:
        main(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
