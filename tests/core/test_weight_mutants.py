"""Damaged headers by the thousand: each is read, or refused in words; nothing else happens, and nothing takes long."""

from __future__ import annotations

import json
import os
import random
import struct
from pathlib import Path

import pytest
from safetensors import safe_open

from studio.core.errors import ModelMissing
from studio.core.weights import WeightHeader, read_weight_header

WORDS = [
    '"shape"',
    '"dtype"',
    "[",
    "]",
    "{",
    "}",
    "-",
    "9" * 20,
    "1e999",
    "null",
    "true",
    '"F16"',
    ",",
    ":",
    '"',
    "\\u0000",
    "NaN",
]


def whole_file() -> bytes:
    entries = {f"down.{n}.weight": {"dtype": "F16", "shape": [4, n + 1], "data_offsets": [0, 0]} for n in range(12)}
    at = 0
    for entry in entries.values():
        end = at + 2 * entry["shape"][0] * entry["shape"][1]
        entry["data_offsets"], at = [at, end], end
    header = json.dumps({"__metadata__": {"by": "me"}} | entries).encode()
    return struct.pack("<Q", len(header)) + header + bytes(at)


def mutant(data: bytes, rng: random.Random) -> bytes:
    made = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(made))
        match rng.randrange(6):
            case 0:
                made[at] = rng.randrange(256)
            case 1:
                made = made[:at] or bytearray(b"\0")
            case 2:
                made[at:at] = rng.choice(WORDS).encode()
            case 3:
                del made[at : at + rng.randint(1, 40)]
            case 4:
                made[:8] = struct.pack("<Q", rng.choice([0, 1, 2, len(made), 2**63, 2**64 - 1, rng.randrange(4000)]))
            case 5:
                made[at : at + 1] = made[at : at + 1] * rng.randint(2, 3000)
        if not made:
            break
    return bytes(made)


def test_two_thousand_mutants(tmp_path: Path) -> None:
    rng, data, file = random.Random(6), whole_file(), tmp_path / "model.safetensors"
    read = refused = 0
    for _ in range(2000):
        file.write_bytes(mutant(data, rng))
        try:
            assert isinstance(read_weight_header(file), WeightHeader)
            with safe_open(file, framework="numpy"):  # what we let through, the library lets through
                read += 1
        except ModelMissing as error:
            refused += error.headline.startswith("“model.safetensors” ") and bool(error.hint)
    assert read + refused == 2000 and refused > 1500


def test_a_deep_header_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    header = b'{"a":' * 50_000
    file.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(ModelMissing, match="header is damaged"):
        read_weight_header(file)


def test_a_file_that_shrinks_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mapped into memory this would end the process (SIGBUS); read, it is a sentence."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(whole_file())
    real = os.fstat

    def shrink(descriptor: int) -> os.stat_result:
        status = real(descriptor)
        os.truncate(file, 20)
        return status

    monkeypatch.setattr(os, "fstat", shrink)
    with pytest.raises(ModelMissing, match="became shorter while it was read"):
        read_weight_header(file)
