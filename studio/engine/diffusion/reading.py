"""Weights out of .safetensors files by reading, never by mapping: a file that shrinks or changes meanwhile is a sentence.

A mapped file that is cut short under the program ends the process with SIGBUS, whoever cut it: a synchronised folder, a
network share, a download that writes the same name again. What is read belongs to us. Each tensor goes straight to the
place and number format it is used in, so that nothing is held twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.core.errors import ModelMissing
from studio.core.weights import header_of, refuse_changed

ALIGNMENT = 64  # bytes: kernels choose their order of summation by alignment, so that it must not depend on the file
CHUNK = 1 << 24  # bytes read at once where the number format changes on the way
_DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "I32": torch.int32, "I64": torch.int64,
    "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64, "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip
Poll = Callable[[], None]


def read_tensors(
    file: Path, dtype: torch.dtype | None, poll: Poll, wanted: Callable[[str], bool] = lambda _name: True
) -> dict[str, Tensor]:
    """All tensors of a file by name; floating-point ones in `dtype` if one is given.

    Each is in memory of its own that begins at a multiple of 64 bytes. Those not `wanted` are on the meta device: name
    and shape without numbers. `poll` is called before each and may raise. Raises `ModelMissing` for a file that is no
    whole one, or that changed while it was read.
    """
    try:
        with file.open("rb", buffering=0) as stream:
            before = _stamp(stream)
            header = header_of(file, stream)
            tensors: dict[str, Tensor] = {}
            for name in sorted(header.places, key=lambda name: header.places[name]):
                stored = _DTYPES.get(header.dtypes[name])
                if stored is None:
                    raise ModelMissing(
                        f"“{file.name}” cannot be used: its number format {header.dtypes[name]} is not known here.",
                        "Choose another file.",
                    )
                if not wanted(name):
                    tensors[name] = torch.empty(header.shapes[name], dtype=stored, device="meta")
                    continue
                poll()
                stream.seek(header.places[name][0])
                target = dtype if dtype is not None and stored.is_floating_point else stored
                tensors[name] = _read_one(file, stream, header.shapes[name], stored, target)
            if _stamp(stream) != before:
                refuse_changed(file)
            return tensors
    except OSError as error:
        raise ModelMissing(f"“{file.name}” cannot be read.", "Nothing was changed.", str(error)) from None


def room_for(shape: tuple[int, ...] | torch.Size, dtype: torch.dtype) -> Tensor:
    """An uninitialised tensor on the CPU that begins at a multiple of `ALIGNMENT` bytes."""
    nbytes = torch.Size(shape).numel() * dtype.itemsize
    room = torch.empty(nbytes + ALIGNMENT, dtype=torch.uint8)
    shift = -room.data_ptr() % ALIGNMENT
    return room[shift : shift + nbytes].view(dtype).view(shape)


def _read_one(file: Path, stream: FileIO, shape: tuple[int, ...], stored: torch.dtype, target: torch.dtype) -> Tensor:
    """The tensor that begins where the stream stands."""
    made = room_for(shape, target)
    if made.numel() == 0:
        return made
    flat = made.view(-1)
    if stored == target:
        _fill(file, stream, flat.view(torch.uint8))
        return made
    step = CHUNK // stored.itemsize
    chunk = torch.empty(min(step, flat.numel()), dtype=stored)
    for begin in range(0, flat.numel(), step):
        part = chunk[: min(step, flat.numel() - begin)]
        _fill(file, stream, part.view(torch.uint8))
        flat[begin : begin + part.numel()].copy_(part)
    return made


def _fill(file: Path, stream: FileIO, octets: Tensor) -> None:
    """Read until these bytes are full. Raises `ModelMissing` where the file ends before."""
    buffer: Any = octets.numpy()  # numpy's annotations hide that it is a buffer
    left = memoryview(buffer)
    while left:
        count = stream.readinto(left[: 1 << 30])  # Linux reads 2 GiB at once at most
        if not count:
            refuse_changed(file, "became shorter")
        left = left[count:]


def _stamp(stream: FileIO) -> tuple[int, int]:
    status = os.fstat(stream.fileno())
    return status.st_size, status.st_mtime_ns
