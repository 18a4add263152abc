"""Headers of .safetensors files: a whole one is read, whatever else lies there is refused in words."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from studio.core.errors import ModelMissing
from studio.core.weights import read_weight_header

GOOD = {"a": {"dtype": "F16", "shape": [2, 1], "data_offsets": [0, 4]}}


def write(file: Path, header: bytes, data: bytes = b"1234") -> Path:
    file.write_bytes(struct.pack("<Q", len(header)) + header + data)
    return file


def test_a_whole_header_is_read(tmp_path: Path) -> None:
    header = json.dumps(GOOD | {"__metadata__": {"by": "me"}}).encode()
    found = read_weight_header(write(tmp_path / "a.safetensors", header))
    assert (found.shapes, found.dtypes, found.metadata) == ({"a": (2, 1)}, {"a": "F16"}, {"by": "me"})


@pytest.mark.parametrize(
    "header",
    [
        b"{", b"[]", b"[" * 100_000, b"\xff\xff", b'{"a": 1}', b'{"a": {}}', b'{"__metadata__": 3}',
        json.dumps(GOOD).replace("[0, 4]", "[0, 5]").encode(), json.dumps(GOOD).replace("[2, 1]", "[-2]").encode(),
        json.dumps(GOOD).replace("[2, 1]", "[1e999]").encode(), json.dumps(GOOD).replace("[0, 4]", "[0, 1e999]").encode(),
        json.dumps(GOOD).replace("[0, 4]", "[0]").encode(), json.dumps(GOOD).replace("[2, 1]", "null").encode(),
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_words(header: bytes, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"“a\.safetensors” cannot be used"):
        read_weight_header(write(tmp_path / "a.safetensors", header))


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.safetensors", json.dumps(GOOD).encode())
    whole = file.read_bytes()
    for length in (0, 7, 8, 20, len(whole) - 1):
        file.write_bytes(whole[:length])
        with pytest.raises(ModelMissing):
            read_weight_header(file)
