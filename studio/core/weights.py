"""The header of a .safetensors file, read and checked without loading anything. Standard library only.

Format: 8 bytes little-endian length N, N bytes of JSON {name: {dtype, shape, data_offsets}}, then the tensors one after
the other without holes; a whole file is exactly 8 + N + (largest end offset) bytes long. The file is read, never mapped
into memory: one that shrinks under the reader is a short read and a sentence, not the end of the process.
"""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn

from studio.core.errors import ModelMissing
from studio.core.sniff import HEAD_BYTES, foreign

HEADER_MAX = 100_000_000  # bytes, the limit of the safetensors format
TENSORS_MAX = 200_000
_NAME_MAX, _RANK_MAX = 1000, 16
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "U16": 16, "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightHeader:
    """Names and shapes of all tensors, their number formats ("F16", "F32", "BF16"...), and the file's own metadata.

    `places` says where in the file each tensor's bytes begin and end.
    """

    shapes: dict[str, tuple[int, ...]]
    dtypes: dict[str, str]
    metadata: dict[str, str]
    places: dict[str, tuple[int, int]] = field(default_factory=dict, repr=False)


def read_weight_header(file: Path) -> WeightHeader:
    """The header of a .safetensors file. Raises `ModelMissing` with a sentence for anything that is not a whole one."""
    try:
        with file.open("rb", buffering=0) as stream:
            return header_of(file, stream)
    except OSError as error:
        raise ModelMissing(f"“{file.name}” cannot be read.", "Nothing was changed.", str(error)) from None


def header_of(file: Path, stream: FileIO) -> WeightHeader:
    """As `read_weight_header`, of a file that is open, unbuffered, at its beginning. Raises `ModelMissing`, `OSError`."""
    size = os.fstat(stream.fileno()).st_size
    head = stream.read(HEAD_BYTES)
    length = _length(file, head, size)
    stream.seek(8)
    text = _read(stream.fileno(), length)
    if len(text) < length:
        refuse_changed(file, "became shorter")
    return parse_header(file, text, size)


def refuse_changed(file: Path, how: str = "was changed") -> NoReturn:
    """Say that somebody wrote to a file while it was read."""
    _refuse(file, f"it {how} while it was read", "Wait until it is written whole, then try again.")


def parse_header(file: Path, text: bytes, size: int) -> WeightHeader:
    """The header whose JSON is `text`, of a file that is `size` bytes long. Raises `ModelMissing`."""
    try:
        fields = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        _refuse(file, "its header is damaged", detail=str(error))
    if not isinstance(fields, dict) or len(fields) > TENSORS_MAX:
        _refuse(file, "its header is damaged")
    metadata = fields.pop("__metadata__", {})
    try:
        described = {str(key): str(value) for key, value in metadata.items()}
        shapes = {name: _sizes(entry["shape"]) for name, entry in fields.items()}
        dtypes = {name: str(entry["dtype"]) for name, entry in fields.items()}
        places = [_place(name, entry, shapes[name], dtypes[name]) for name, entry in fields.items()]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        _refuse(file, "its header is damaged", detail=repr(error))
    whole = 8 + len(text) + _end_without_holes(file, places)
    if size < whole:
        _refuse(file, f"it is incomplete: {share_of_bytes(size, whole)}")
    if size > whole:
        _refuse(file, f"it has {size - whole:,} bytes more than its header says")
    first = 8 + len(text)
    found = {name: (first + begin, first + end) for name, (begin, end) in zip(fields, places, strict=True)}
    return WeightHeader(shapes=shapes, dtypes=dtypes, metadata=described, places=found)


def share_of_bytes(size: int, whole: int) -> str:
    """How much is there of a file: "447 of 492 MB", in bytes where megabytes would not show the difference."""
    if abs(size - whole) >= 1_000_000:
        return f"{size / 1e6:,.0f} of {whole / 1e6:,.0f} MB"
    return f"{size:,} of {whole:,} bytes"


def _length(file: Path, head: bytes, size: int) -> int:
    """N. Raises `ModelMissing` for what is no .safetensors file at all, saying what it is."""
    length = struct.unpack("<Q", head[:8])[0] if len(head) >= 8 else 0
    begins = 2 <= length <= HEADER_MAX and head[8:9] == b"{"
    other = None if begins and length + 8 <= size else foreign(head, size)
    if other is not None:
        _refuse(file, other.why, other.hint)
    if begins and length + 8 > size:
        _refuse(file, f"it is incomplete: {size:,} bytes are there, and its header alone takes {length + 8:,}")
    if not begins:
        _refuse(file, "it is no .safetensors file, or only the beginning of one")
    return int(length)


def _read(descriptor: int, length: int) -> bytes:
    parts, left = [], length
    while left > 0 and (part := os.read(descriptor, min(left, 1 << 24))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: what json gave
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name stands there twice")
    return fields


def _sizes(value: Any) -> tuple[int, ...]:  # Any: what json gave
    if not isinstance(value, list) or len(value) > _RANK_MAX:
        raise ValueError("not a shape")
    if any(type(side) is not int or not 0 <= side < 1 << 48 for side in value):
        raise ValueError("not a size")
    return tuple(value)


def _place(name: str, entry: Any, shape: tuple[int, ...], dtype: str) -> tuple[int, int]:  # Any: what json gave
    begin, end = entry["data_offsets"]
    if type(begin) is not int or type(end) is not int or not 0 <= begin <= end or len(name) > _NAME_MAX:
        raise ValueError(f"{name:.80} has no place")
    bits = math.prod(shape) * _BITS[dtype]
    if bits != (end - begin) * 8:
        raise ValueError(f"{name:.80} takes {end - begin} bytes, not {bits / 8:g}")
    return begin, end


def _end_without_holes(file: Path, places: list[tuple[int, int]]) -> int:
    """Where the last tensor ends. Raises `ModelMissing` if tensors overlap or leave room for something hidden."""
    at = 0
    for begin, end in sorted(places):
        if begin != at:
            _refuse(file, "its header is damaged", detail=f"a tensor begins at {begin}, the one before ends at {at}")
        at = end
    return at


def _refuse(file: Path, why: str, hint: str = "", detail: str = "") -> NoReturn:
    hint = hint or "Fetch it again, or choose another file."
    raise ModelMissing(f"“{file.name}” cannot be used: {why}.", hint, detail) from None
