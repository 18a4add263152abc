"""The estimate of a picture's memory against the measured peak, each picture in a process of its own.

`python tests/bench/memory.py [quick] [FOLDER]`: Studio Mini, and a synthetic SD 1.5 at full size (random weights; 2 GiB of disk,
6 GiB of memory) with and without a ControlNet, in 32 and 16 bits. `quick`: Mini alone. Not part of the tests.

Measured on a processor: the libraries are loaded and a small picture is made and let go; then the peak of resident memory
is forgotten (clear_refs), and what VmHWM grows to beyond what is resident then is the picture's. The C library is told to
give back what is freed: else its holes count as well (up to 0.1 GiB beside Mini, nothing beside large models). On CUDA:
torch.cuda.max_memory_allocated after reset_peak_memory_stats.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

MIB = 1 << 20
EXACT_HEAP = {"MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "1"}
GOAL = 0.15
CASES = (
    {"model": "mini", "size": 256},
    {"model": "mini", "size": 512},
    {"model": "mini", "size": 512, "control": True},
    {"model": "mini", "size": 768, "exact": False},
    {"model": "synthetic_sd15", "size": 512},
    {"model": "synthetic_sd15", "size": 256, "control": True},
    {"model": "synthetic_sd15", "size": 512, "exact": False},
    {"model": "synthetic_sd15", "size": 512, "control": True, "exact": False},
)


def recipe_of(case: dict[str, Any]) -> Any:
    from studio.core.choices import ControlKind
    from studio.core.recipe import ControlUse, ImageRef, ModelRef, Recipe, Size

    use = ControlUse(kind=ControlKind.SCRIBBLE, image=ImageRef(digest="0" * 64), net=_net(case["model"]))
    return Recipe(
        prompt="a red house",
        seed=1,
        steps=2,
        size=Size(width=case["size"], height=case["size"]),
        model=ModelRef(name=case["model"]),
        exact=case.get("exact", True),
        controls=(use,) if case.get("control") else (),
    )


def _net(model: str) -> Any:
    from studio.core.recipe import ModelRef

    return None if model == "mini" else ModelRef(name=f"{model}_net")


def one(case: dict[str, Any], folder: Path) -> None:
    """Make one picture; print estimate and measured growth in bytes."""
    import torch

    from studio.core.paths import RESOURCES
    from studio.engine.diffusion.engine import DiffusionEngine
    from tests.bench.peak import forget_peak, peak_kib, resident_kib
    from tests.engine.conftest import line_drawing

    engine = DiffusionEngine((folder, RESOURCES), lambda _ref: line_drawing(), case.get("device", "auto"))
    device = engine._made_ready().device
    recipe = recipe_of(case)
    small = replace(recipe, model=recipe_of({"model": "mini", "size": 64}).model, steps=1)
    engine.render(replace(small, size=recipe_of({"model": "mini", "size": 64}).size, controls=()), lambda _: True)
    engine.close()
    estimate = estimated(recipe, (folder, RESOURCES), device)
    if device.torch_device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        engine.render(recipe, lambda _: True)
        measured = torch.cuda.max_memory_allocated() - before
    else:
        with suppress(OSError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        forget_peak()
        base = resident_kib()
        engine.render(recipe, lambda _: True)
        measured = (peak_kib() - base) * 1024
    print(json.dumps({"estimate": estimate, "measured": measured, "on": f"{device.name} {device.dtype}"}))


def estimated(recipe: Any, folders: tuple[Path, ...], device: Any) -> int:
    from studio.core.model_files import Kind
    from studio.engine.estimate.need import DeviceFacts, needs
    from studio.engine.estimate.weights import Headers
    from studio.engine.models import find_model, find_part

    def find(ref: Any, kind: Any) -> Path:
        return find_model(ref.name, folders) if kind is Kind.CHECKPOINT else find_part(ref.name, folders)

    facts = DeviceFacts(kind=device.torch_device.type, width=device.dtype.itemsize)
    return needs(recipe, facts, find, Headers())[0][1]


def write_net(folder: Path) -> None:
    """A ControlNet for SD 1.5 at full size with random weights, as a folder."""
    import torch
    from diffusers.models.controlnets.controlnet import ControlNetModel
    from safetensors.torch import save_file

    from studio.engine.checkpoints import CONFIGS
    from tests.bench.full_size import small

    config = json.loads((CONFIGS / "sd1" / "controlnet" / "config.json").read_text("utf-8"))
    with torch.device("meta"):
        net = ControlNetModel.from_config(config)
    noise = torch.randn(1_000_003, generator=torch.Generator().manual_seed(1))
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    tensors = {name: small(tuple(tensor.shape), noise) for name, tensor in net.state_dict().items()}
    save_file(tensors, folder / "diffusion_pytorch_model.safetensors")


def main(quick: bool, folder: Path) -> None:
    cases = [case for case in CASES if case["model"] == "mini" or not quick]
    if not quick:
        from tests.bench.full_size import write_checkpoint

        if not (folder / "synthetic_sd15.safetensors").exists():
            write_checkpoint(folder / "synthetic_sd15.safetensors")
        write_net(folder / "synthetic_sd15_net")
    for case in cases:
        command = [sys.executable, __file__, "--one", json.dumps(case), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | EXACT_HEAP)
        if done.returncode:
            print(case, "FAILED", done.stderr[-1000:])
            continue
        told = json.loads(done.stdout.splitlines()[-1])
        ratio = told["estimate"] / told["measured"]
        words = f"estimate {told['estimate'] / MIB:7.0f} MiB, measured {told['measured'] / MIB:7.0f} MiB, {ratio:.2f}"
        print(f"{'ok  ' if abs(ratio - 1) <= GOAL else 'OFF '} {words}  {told['on']} {json.dumps(case)}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(json.loads(sys.argv[2]), Path(sys.argv[3]))
    else:
        quickly = "quick" in sys.argv[1:]
        where = [arg for arg in sys.argv[1:] if arg != "quick"]
        place = Path(tempfile.mkdtemp(prefix="memory-", dir=where[0] if where else None))
        try:
            main(quickly, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
