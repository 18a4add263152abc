"""Chooses the device and its fastest trustworthy number format: CUDA, else MPS, else the CPU."""

from __future__ import annotations

import importlib
import os
import time
from dataclasses import dataclass
from typing import Any

import torch

from studio.core.errors import StudioError


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Where pictures are made. `dtype` is the fast format; a recipe may ask for `torch.float32` instead."""

    torch_device: torch.device
    name: str  # "cpu", "cuda:0 NVIDIA ...", "mps"
    dtype: torch.dtype
    memory_bytes: int


def choose_device(wanted: str = "auto") -> Device:
    """The best device, or the one that is wanted ("cpu", "cuda", "mps"). Raises `StudioError` if that is not there."""
    for kind, present, make in (
        ("cuda", torch.cuda.is_available, _cuda),
        ("mps", torch.backends.mps.is_available, _mps),
        ("cpu", lambda: True, _cpu),
    ):
        if wanted in ("auto", kind) and present():
            return make()
    raise StudioError(f"There is no device {wanted!r} on this machine.", "Choose auto or cpu.")


def use_all_cores() -> None:
    """As many threads as there are cores for this process; OMP_NUM_THREADS may say otherwise. For the calling thread."""
    asked = os.environ.get("OMP_NUM_THREADS", "")
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = _psutil().cpu_count(logical=False) or allowed
    torch.set_num_threads(int(asked) if asked.isdecimal() and int(asked) > 0 else min(cores, allowed))


def moved(module: Any, device: torch.device) -> Any:
    """A network on a device; on CUDA with channels last, as its convolutions in 16 bits want them."""
    if device.type == "cuda":
        return module.to(device, memory_format=torch.channels_last)
    return module.to(device)


def dtype_name(dtype: torch.dtype) -> str:
    """For example "float32"."""
    return str(dtype).removeprefix("torch.")


def _cuda() -> Device:
    index = torch.cuda.current_device()
    properties = torch.cuda.get_device_properties(index)
    torch.backends.cudnn.allow_tf32 = False  # 32 bits are asked for by “exact” only, and then all of them
    return Device(
        torch_device=torch.device("cuda", index),
        name=f"cuda:{index} {properties.name}",
        dtype=torch.float16,  # SD's weights are published in it; three more bits of precision than bfloat16
        memory_bytes=int(properties.total_memory),
    )


def _mps() -> Device:
    return Device(torch_device=torch.device("mps"), name="mps", dtype=torch.float16, memory_bytes=_machine_memory())


def _cpu() -> Device:
    dtype = torch.bfloat16 if _has_native_bfloat16() else torch.float32
    return Device(torch_device=torch.device("cpu"), name="cpu", dtype=dtype, memory_bytes=_machine_memory())


def _machine_memory() -> int:
    return int(_psutil().virtual_memory().total)


def _psutil() -> Any:
    return importlib.import_module("psutil")  # comes with accelerate; without annotations


def _has_native_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16 itself, and is not slower for it: emulated it takes 100 times as long."""
    try:
        native = torch.cpu.get_capabilities()
    except (AttributeError, RuntimeError):
        return False
    if not any(native.get(flag, False) for flag in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16")):
        return False
    return _product_seconds(torch.bfloat16) < _product_seconds(torch.float32)


def _product_seconds(dtype: torch.dtype) -> float:
    """Best of three 512 x 512 matrix products."""
    matrix = torch.ones((512, 512), dtype=dtype)
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        torch.mm(matrix, matrix)
        best = min(best, time.perf_counter() - began)
    return best
