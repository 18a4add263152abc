"""What loading a full-size checkpoint costs: processor seconds and peak memory, read against mapped, each in a process of its own.

`python tests/bench/loading.py [ROUNDS] [FOLDER]` writes a synthetic SD 1.5 of 2 GiB. "mapped" is how the stock libraries open
it: safetensors' mapped file through diffusers' converters, then a copy of each weight. Alternated; not part of the tests.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

MIB = 1 << 20
RATIO_GOAL = 1.1


def one(way: str, file: Path, dtype_name: str) -> None:
    """Load once; print processor seconds and the growth of this process's peak (VmHWM)."""
    import torch

    from studio.engine.diffusion import parts, single_file
    from studio.engine.libraries import be_quiet
    from tests.bench.peak import peak_kib, resident_kib

    be_quiet()
    dtype = getattr(torch, dtype_name)
    if way == "mapped":
        from safetensors.torch import load_file

        single_file.read_tensors = lambda file, *_: load_file(file)  # type: ignore[assignment]  # the old way
        parts.own_copy = lambda tensor: parts.room_for(tensor.shape, tensor.dtype).copy_(tensor)  # type: ignore[assignment]
    for warm in (parts.unet_class, parts.vae_class, lambda: parts.clip_class(False)):
        warm()
    torch.ones(4).add(1)
    before = resident_kib()
    began = time.process_time()  # user and system: the wall clock says more of who else is at work
    made = single_file.load_file("x", file, dtype, lambda: None)
    seconds = time.process_time() - began
    weights = sum(t.nbytes for m in (made.unet, made.vae, made.text.text_model) for t in m.state_dict().values())
    print(json.dumps({"s": seconds, "peak_mib": (peak_kib() - before) / 1024, "weights_mib": weights / MIB}))


def main(rounds: int, folder: Path) -> None:
    from tests.bench.full_size import write_checkpoint

    file = folder / "synthetic_sd15.safetensors"
    write_checkpoint(file)
    file.read_bytes()  # into the system's cache, for both ways
    for dtype in ("float16", "float32"):
        seen: dict[str, list[dict[str, float]]] = {"mapped": [], "read": []}
        for number in range(rounds):
            for way in ("mapped", "read") if number % 2 else ("read", "mapped"):
                command = [sys.executable, __file__, "--one", way, str(file), dtype]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                seen[way].append(json.loads(done.stdout.splitlines()[-1]))
        ratios = [read["s"] / mapped["s"] for read, mapped in zip(seen["read"], seen["mapped"], strict=True)]
        for way, runs in seen.items():
            seconds, peak = (statistics.median(run[key] for run in runs) for key in ("s", "peak_mib"))
            print(f"{dtype} {way:7} {seconds:6.2f} s, peak {peak:7.0f} MiB for {runs[0]['weights_mib']:.0f} of weights")
        told = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} ... {max(ratios):.2f})"
        print(f"{dtype} read / mapped {told}, goal {RATIO_GOAL}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
    else:
        place = Path(tempfile.mkdtemp(prefix="loading-", dir=sys.argv[2] if len(sys.argv) > 2 else None))
        try:
            main(int(sys.argv[1]) if len(sys.argv) > 1 else 5, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
