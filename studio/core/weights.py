"""The header of a .safetensors file, read and checked without loading anything. Standard library only.

Format: 8 bytes little-endian length N, N bytes of JSON {name: {dtype, shape, data_offsets}}, then the tensors; a whole
file is exactly 8 + N + (largest end offset) bytes long.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.core.errors import ModelMissing

HEADER_MAX = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightHeader:
    """Names and shapes of all tensors, their number formats ("F16", "F32", "BF16"...), and the file's own metadata."""

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    metadata: dict[str, str]


def read_weight_header(file: Path) -> WeightHeader:
    """The header of a .safetensors file. Raises `ModelMissing` with a sentence for anything that is not a whole one."""
    try:
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            head = stream.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
            if not 2 <= length <= min(HEADER_MAX, max(size - 8, 0)):
                raise _unusable(file, "it is no .safetensors file, or only the beginning of one")
            fields = json.loads(stream.read(length))
    except OSError as error:
        raise ModelMissing(f"“{file.name}” cannot be read.", "Nothing was changed.", str(error)) from None
    except (ValueError, RecursionError) as error:
        raise _unusable(file, "its header is damaged", str(error)) from None
    if not isinstance(fields, dict):
        raise _unusable(file, "its header is damaged")
    metadata = fields.pop("__metadata__", {})
    shapes, dtypes, end = {}, {}, 0
    try:
        for name, entry in fields.items():
            shapes[name] = _sizes(entry["shape"])
            dtypes[name] = str(entry["dtype"])
            end = max(end, int(entry["data_offsets"][1]))
        described = {str(key): str(value) for key, value in metadata.items()}
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise _unusable(file, "its header is damaged", repr(error)) from None
    if 8 + length + end != size:
        raise _unusable(file, f"it is incomplete: {size:,} of {8 + length + end:,} bytes")
    return WeightHeader(shapes=shapes, dtypes=dtypes, metadata=described)


def _sizes(value: Any) -> tuple[int, ...]:  # Any: what json gave
    sizes = tuple(int(side) for side in value)
    if any(side < 0 for side in sizes):
        raise ValueError("negative size")
    return sizes


def _unusable(file: Path, why: str, detail: str = "") -> ModelMissing:
    return ModelMissing(f"“{file.name}” cannot be used: {why}.", "Fetch it again, or choose another file.", detail)
