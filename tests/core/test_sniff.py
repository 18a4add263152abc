"""Files that are no .safetensors: said for what they are, and never opened as anything."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from studio.core.errors import ModelMissing
from studio.core.weights import read_weight_header, share_of_bytes


def zipped(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, data)
    return stream.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()


PLAIN = {"weights": [1, 2, 3]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "it is empty"),
        *[(pickle.dumps(PLAIN, protocol), "pickle") for protocol in range(2, 6)],
        (pickle.dumps(Path("x"), 0), "pickle"),
        (zipped("archive/data.pkl", pickle.dumps(PLAIN)), "pickle in a zip"),
        (zipped("model/data.pkl", b"x" * 5000), "pickle in a zip"),
        (zipped("readme.txt", b"hello"), "zip archive"),
        (tarred("pickle", pickle.dumps(PLAIN)), "old pickle archive"),
        (b"\n\n<!DOCTYPE html><html><title>404", "web page"),
        (b"<html><body>Sign in", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "the note that git keeps"),
        (b'{"error": "Repository not found"}', "server's message"),
        (b"GGUF\3\0\0\0", "gguf"),
        (b"\x93NUMPY\1\0", "numpy"),
        (gzip.compress(b"x" * 100), "compressed"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "a picture"),
        (b"hello, this is no model", "no .safetensors file"),
        (b"\xff" * 64, "no .safetensors file"),
    ],
)
def test_the_sentence_says_what_lies_there(content: bytes, says: str, tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelMissing) as caught:
        read_weight_header(file)
    assert says in caught.value.headline
    assert "\n" not in caught.value.headline and caught.value.hint
    if "pickle" in says:
        assert "convert it yourself in a separate program" in caught.value.hint


def test_a_file_cut_short_says_how_much_is_there(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    header = json.dumps({"w": {"dtype": "U8", "shape": [492_000_000], "data_offsets": [0, 492_000_000]}}).encode()
    with file.open("wb") as stream:
        stream.write(struct.pack("<Q", len(header)) + header)
        stream.truncate(447_000_000)
    with pytest.raises(ModelMissing, match=r"it is incomplete: 447 of 492 MB"):
        read_weight_header(file)


def test_a_header_whose_length_begins_like_a_pickle(tmp_path: Path) -> None:
    """The length 0x280 = 640 begins with the bytes 80 02, as a pickle does."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode().ljust(0x280)
    file = tmp_path / "model.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header + b"1")
    assert read_weight_header(file).shapes == {"w": (1,)}


@pytest.mark.parametrize(
    "entries",
    [
        {"a": ("U8", [4], [0, 4]), "b": ("U8", [4], [2, 6])},  # overlapping
        {"a": ("U8", [4], [0, 4]), "b": ("U8", [4], [6, 10])},  # a hole, where something could hide
        {"a": ("U8", [4], [2, 6])},
        {"a": ("U8", [5], [0, 4])},  # a shape of another length
        {"a": ("X9", [4], [0, 4])},
        {"a": ("U8", [-4], [0, 4])},
        {"a": ("U8", [2**62, 4], [0, 4])},
        {"a": ("U8", [True], [0, 1])},
        {"a": ("U8", [4], [4, 0])},
    ],
)
def test_tensors_lie_one_after_the_other(entries: dict, tmp_path: Path) -> None:
    fields = {n: {"dtype": d, "shape": s, "data_offsets": o} for n, (d, s, o) in entries.items()}
    header = json.dumps(fields).encode()
    file = tmp_path / "model.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(10))
    with pytest.raises(ModelMissing, match="cannot be used"):
        read_weight_header(file)


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    entry = b'"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}'
    header = b"{" + entry + b", " + entry + b"}"
    file = tmp_path / "model.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header + b"1")
    with pytest.raises(ModelMissing, match="header is damaged"):
        read_weight_header(file)


def test_a_small_file_that_is_cut_short_is_told_in_bytes() -> None:
    assert share_of_bytes(9_580, 11_580) == "9,580 of 11,580 bytes"
    assert share_of_bytes(447_200_000, 492_000_000) == "447 of 492 MB"
