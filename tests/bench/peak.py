"""What a process takes of memory, as Linux counts it: pages that are really there, files that are mapped included."""

from __future__ import annotations

from pathlib import Path


def peak_kib() -> int:
    """The most that was resident in this process's life, or since `forget_peak`, in KiB (VmHWM)."""
    return _field("VmHWM")


def resident_kib() -> int:
    """What is resident now, in KiB (VmRSS)."""
    return _field("VmRSS")


def forget_peak() -> None:
    """Let the peak begin anew at what is resident now (proc(5), clear_refs 5)."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")


def _field(name: str) -> int:
    for line in Path("/proc/self/status").read_text("ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise OSError(f"no {name} here")
