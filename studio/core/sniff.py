"""What a file that is no .safetensors really is, told by its first bytes. Nothing is unpacked and nothing is run.

A pickle (.ckpt, .pt, .pth, .bin) is a program: opening it runs it. So it is recognised here and opened nowhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

HEAD_BYTES = 1024  # as much of a file as `foreign` wants to see
CONVERT = (
    "It is not opened here. Get the .safetensors version; or, if you trust who made it, convert it yourself in a separate "
    "program that you start knowingly: main.py convert FILE"
)
_AGAIN = "Fetch it again; the studio's “Get models …” checks what arrives."


@dataclass(frozen=True, slots=True)
class Foreign:
    """Why a file is not used: the end of the sentence “name cannot be used: ...”, and what to do."""

    why: str
    hint: str
    is_pickle: bool = False


def foreign(head: bytes, size: int) -> Foreign | None:
    """What a file with these first bytes is, or None if they could begin a .safetensors file."""
    if not size:
        return Foreign("it is empty", _AGAIN)
    if _is_pickle(head):
        return Foreign("it is a pickle, a format that can run programs when it is opened", CONVERT, True)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        if _looks_like_torch(head):
            return Foreign("it is a pickle in a zip, a format that can run programs when it is opened", CONVERT, True)
        return Foreign("it is a zip archive", "Unpack it, then point the studio at the .safetensors file inside.")
    if head[257:262] == b"ustar":
        return Foreign("it is an old pickle archive, a format that can run programs when it is opened", CONVERT, True)
    for start, what in _STARTS:
        if head.startswith(start):
            return Foreign(f"it is {what}, not a .safetensors file", "Get the .safetensors version.")
    return _text(head)


def _text(head: bytes) -> Foreign | None:
    words = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:200].lower()
    if words.startswith((b"<!doctype html", b"<html", b"<head", b"<!--", b"<?xml", b"<body")):
        return Foreign("it is a web page that was saved in place of the model", _AGAIN)
    if words.startswith(b"version https://git-lfs"):
        return Foreign(
            "it is only the note that git keeps in place of the model",
            "Fetch the file itself, for example with git lfs pull.",
        )
    if words.startswith(
        (b'{"error', b'{"message', b'{"detail', b"access to model", b"invalid username", b"entry not found")
    ):
        return Foreign("it is a server's message that was saved in place of the model", _AGAIN)
    return None


_STARTS = (
    (b"GGUF", "a .gguf file"),
    (b"\x93NUMPY", "a numpy array"),
    (b"\x89HDF\r\n", "a Keras file (.h5)"),
    (b"\x1f\x8b", "a compressed file (.gz)"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed file (.7z)"),
    (b"Rar!", "a compressed file (.rar)"),
    (b"\xfd7zXZ", "a compressed file (.xz)"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x08\x03\x12", "an ONNX file"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
)


def _is_pickle(head: bytes) -> bool:
    """Protocols 2 to 5 begin with 0x80 and their number and then an opcode; a .safetensors file of that header length
    would have zeros from the sixth byte on. Protocols 0 and 1 begin with opcodes in plain letters."""
    if len(head) >= 2 and head[0] == 0x80 and 2 <= head[1] <= 5:
        return not (len(head) >= 9 and head[4:8] == b"\0\0\0\0" and head[8:9] == b"{")
    return bool(_OLD.match(head))


_OLD = re.compile(
    rb"\(?(c[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n|dp\d+\n|lp\d+\n|\(dp|\(lp|ccopy_reg|i[A-Za-z_][\w.]*\n[A-Za-z_][\w.]*\n)"
)


def _looks_like_torch(head: bytes) -> bool:
    names = re.findall(rb"PK\x03\x04.{22}(.{1,200}?)(?:PK|\x80|FB|$)", head, re.DOTALL)
    joined = b" ".join(names) or head
    return any(
        mark in joined
        for mark in (b"data.pkl", b"/version", b".format_version", b"constants.pkl", b"archive/", b"byteorder", b".pkl")
    )


_TORCH_NAMES = (b"data.pkl", b"/version", b".format_version", b"constants.pkl", b"archive/", b"byteorder", b".pkl")
