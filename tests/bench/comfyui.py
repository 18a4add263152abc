"""Our engine against ComfyUI on the processor: start-up, load and step on one full-size SD 1.5 file with random weights.

    python tests/bench/comfyui.py --comfy FOLDER --python FOLDER/venv/bin/python [--dtype float32|bfloat16]... [--side 256]
                                  [--steps 4] [--rounds 3] [--core N] [--threads 1] [--minutes 8]

Both run headless as processes of their own, with the same file, size, steps, guidance, kind of sampler, number format
and number of threads; jobs alternate A B, B A, each with a new seed, while the other waits. ComfyUI is told to use
PyTorch's attention, which is quicker on a processor than its default. A step is what lies between the ends of the first
and the last one, divided; so loading and the first call's preparations do not count. Clock and processor time are both
shown: where they differ much, something else was running. ComfyUI is not part of this project: put a copy anywhere,
with an environment of its own (torch and torchvision as ours, its requirements.txt).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.comfy_client import NAMES, Comfy, cpu_seconds, text_to_image  # noqa: E402

MODEL, GUIDANCE = "synthetic_sd15", 7.0
Events = list[tuple[str, float, float]]  # what happened, clock, processor seconds
PEER_OPTIONS = {
    "float32": ["--use-pytorch-cross-attention", "--force-fp32"],
    "bfloat16": ["--use-pytorch-cross-attention", "--bf16-unet", "--bf16-vae", "--bf16-text-enc"],
}


class Ours:
    """Our engine in a process of its own, with the words of `Comfy`."""

    def __init__(self, models: Path, dtype: str) -> None:
        began = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--ours", str(models), dtype],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self.ready_s, self.ready_cpu_s = time.perf_counter() - began, cpu_seconds(self._process.pid)
        if dtype not in told["dtypes"]:
            self.close()
            raise RuntimeError(f"our engine does not compute in {dtype} on this processor")

    def job(self, *, seed: int, side: int, steps: int) -> Events:
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps({"seed": seed, "side": side, "steps": steps}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("our engine ended")
        return [(name, clock, cpu) for name, clock, cpu in json.loads(line)]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(15)


def serve(models: Path, dtype: str) -> None:
    """The child behind `Ours`: a job for each line of standard input."""
    from studio.core.recipe import ModelRef, Recipe, Size
    from studio.engine.diffusion.engine import DiffusionEngine

    engine = DiffusionEngine((models,), lambda ref: b"", "cpu")
    ready = engine.prepare()
    print(json.dumps({"dtypes": ["float32", ready.dtype]}), flush=True)
    for line in sys.stdin:
        wish = json.loads(line)
        recipe = Recipe(
            prompt="a red house on green hills", seed=wish["seed"], steps=wish["steps"], scheduler="ddim",
            guidance_scale=GUIDANCE, size=Size(width=wish["side"], height=wish["side"]), model=ModelRef(name=MODEL),
            exact=dtype == "float32",
        )  # fmt: skip
        events: Events = []

        def tell(name: str, events: Events = events) -> None:
            events.append((name, time.perf_counter(), cpu_seconds(os.getpid())))

        def show(progress: Any, tell: Any = tell, events: Events = events) -> bool:
            if progress.phase == "decoding":
                tell("decode")
            elif progress.step and not progress.phase and progress.step > sum(name == "step" for name, *_ in events):
                tell("step")
            return True

        tell("asked")
        engine.render(recipe, show)
        tell("done")
        print(json.dumps(events), flush=True)


def step_of(events: Events) -> tuple[float, float]:
    """Clock and processor seconds of a step: all but the first."""
    steps = [(clock, cpu) for name, clock, cpu in events if name == "step"]
    return tuple((b - a) / (len(steps) - 1) for a, b in zip(steps[0], steps[-1], strict=True))  # type: ignore[return-value]


def between(events: Events, first: str, last: str) -> tuple[float, float]:
    """Clock and processor seconds from the first event of one name to the first of another."""
    at = {name: (clock, cpu) for name, clock, cpu in reversed(events)}
    return at[last][0] - at[first][0], at[last][1] - at[first][1]


def compare(wish: argparse.Namespace, dtype: str, folder: Path, until: float) -> None:
    """One number format: start both, first jobs, alternated jobs, the table."""
    print(f"\n{dtype}, {wish.side}x{wish.side}, {wish.steps} steps, {wish.threads} thread(s)", flush=True)
    peer = Comfy(wish.comfy, wish.python, folder, PEER_OPTIONS[dtype], folder / f"comfyui-{dtype}.log")
    ours: Ours | None = None
    try:
        ours = Ours(folder / "models" / "checkpoints", dtype)
        ask = {"side": wish.side, "steps": wish.steps}
        sides = {
            "ours": lambda seed: ours.job(seed=seed, **ask),  # type: ignore[union-attr]
            "ComfyUI": lambda seed: peer.job(
                text_to_image(f"{MODEL}.safetensors", seed=seed, guidance=GUIDANCE, **ask), NAMES, 400
            ),
        }
        first = {name: job(1) for name, job in sides.items()}
        rows: dict[str, list[Events]] = {"ours": [], "ComfyUI": []}
        for turn in range(wish.rounds):
            if rows["ours"] and time.perf_counter() > until:
                print(f"time is up after {turn} rounds")
                break
            for name in sorted(sides, reverse=bool(turn % 2)):
                rows[name].append(sides[name](2 + turn))
        show("start to ready", [(ours.ready_s, ours.ready_cpu_s)], [(peer.ready_s, peer.ready_cpu_s)])
        loads = [[between(first[name], "asked", "step")] for name in ("ours", "ComfyUI")]
        show("first job: asked to first step done", *loads)
        for what, measure in (
            ("one step", step_of),
            ("asked to first step done, model kept", lambda events: between(events, "asked", "step")),
            ("decode and hand over", lambda events: between(events, "decode", "done")),
            ("whole job, model kept", lambda events: between(events, "asked", "done")),
        ):
            show(what, [measure(events) for events in rows["ours"]], [measure(events) for events in rows["ComfyUI"]])
    finally:
        peer.close()
        if ours is not None:
            ours.close()


def show(what: str, ours: list[tuple[float, float]], theirs: list[tuple[float, float]]) -> None:
    """Medians of both, and the median of the ratios ours / ComfyUI, by clock and by processor time."""
    text = f"{what:<38}"
    for column, unit in ((0, "clock"), (1, "processor")):
        a, b = [row[column] for row in ours], [row[column] for row in theirs]
        ratios = sorted(x / y for x, y in zip(a, b, strict=True) if y > 0) or [float("nan")]
        text += f"{statistics.median(a):8.2f} / {statistics.median(b):6.2f} s = {statistics.median(ratios):5.2f}"
        text += f" ({ratios[0]:.2f} ... {ratios[-1]:.2f}) {unit}"
    print(text, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comfy", type=Path, help="folder with ComfyUI's main.py")
    parser.add_argument("--python", type=Path, help="the Python of its environment")
    parser.add_argument("--dtype", action="append", choices=tuple(PEER_OPTIONS), help="default: both")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--core", type=int, help="bind both to this core")
    parser.add_argument("--minutes", type=float, default=8.0, help="begin no further round after this")
    parser.add_argument("--ours", nargs=2, help=argparse.SUPPRESS)  # the child
    wish = parser.parse_args()
    if wish.ours:
        serve(Path(wish.ours[0]), wish.ours[1])
        return
    if wish.comfy is None or wish.python is None or not (wish.comfy / "main.py").is_file():
        parser.error("--comfy FOLDER (with main.py) and --python FILE are needed: ComfyUI is not part of this project")
    if wish.steps < 2 or wish.rounds < 1:
        parser.error("at least 2 steps and 1 round")
    began = time.perf_counter()
    if wish.core is not None:
        os.sched_setaffinity(0, {wish.core})
    os.environ |= {"OMP_NUM_THREADS": str(wish.threads), "HF_HUB_OFFLINE": "1"}
    folder = Path(tempfile.mkdtemp(prefix="comfyui-bench-"))
    try:
        file = folder / "models" / "checkpoints" / f"{MODEL}.safetensors"
        file.parent.mkdir(parents=True)
        code = "from pathlib import Path; from tests.bench.full_size import write_checkpoint as w; import sys; w(Path(sys.argv[1]))"
        subprocess.run([sys.executable, "-c", code, str(file)], cwd=ROOT, check=True)
        print("ours / ComfyUI, medians; ratio (least ... most), by clock and by processor time")
        formats = wish.dtype or list(PEER_OPTIONS)
        for place, dtype in enumerate(formats, 1):
            compare(wish, dtype, folder, began + 60 * wish.minutes * place / len(formats))
        print(f"\n{(time.perf_counter() - began) / 60:.1f} minutes in all")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
