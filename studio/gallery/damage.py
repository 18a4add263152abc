"""Whether a picture file is whole, told from its structure without decoding a pixel, in words for the artist."""

from __future__ import annotations

import struct
import zlib

_PNG = b"\x89PNG\r\n\x1a\n"
_NAMES = {b"IHDR": "its header", b"PLTE": "its colours", b"IDAT": "its pixels"}


def damage_of(data: bytes) -> str:
    """What is wrong with a PNG, JPEG or WebP: the rest of a sentence; "" for a whole one and for anything else.

    PNG: every chunk there to its last byte with the right CRC, up to IEND (PNG third edition, 5.3 to 5.5); JPEG: ends
    with its marker; WebP: as long as its header says.
    """
    if data.startswith(_PNG):
        return _damage_of_png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return "" if b"\xff\xd9" in data[-4096:] else "it breaks off before its end"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        length = struct.unpack("<I", data[4:8])[0] + 8
        return "" if len(data) >= length else _broken_off(len(data), length)
    return ""


def _damage_of_png(data: bytes) -> str:
    at, pixels = len(_PNG), False
    while True:
        if len(data) < at + 12:
            return "it breaks off before its end" if pixels else "it breaks off before its pixels"
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        if length >= 1 << 31 or not kind.isalpha():
            return f"it is garbled from byte {at:,} on"
        end = at + 12 + length
        if len(data) < end:
            place = _NAMES.get(kind, "a text" if kind in (b"tEXt", b"zTXt", b"iTXt") else "a part of it")
            return f"it breaks off in the middle of {place}"
        crc = zlib.crc32(memoryview(data)[at + 4 : end - 4])
        if struct.pack(">I", crc) != data[end - 4 : end]:
            place = _NAMES.get(kind, "a text" if kind in (b"tEXt", b"zTXt", b"iTXt") else "a part of it")
            return f"bytes of {place} are not those that were written"
        pixels = pixels or kind == b"IDAT"
        if kind == b"IEND":
            return "" if pixels else "it has no pixels"
        at = end


def _broken_off(here: int, whole: int) -> str:
    return f"only {here:,} of its {whole:,} bytes are there"
