"""Text chunks of a PNG, read without decoding a pixel, so that even a cut-off file gives its text. Knows no recipes."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHUNK_MAX = 8_000_000  # bytes of one text chunk: libpng's own limit, so what we write opens everywhere
_TOTAL_MAX = 48_000_000
_CHUNKS_MAX = 200_000
_UNPACKED_MAX = 1 << 20


@dataclass(slots=True)
class PngTexts:
    """What stands in a PNG besides its pixels: size from the header, texts by keyword in file order."""

    width: int = 0
    height: int = 0
    texts: dict[str, list[str]] = field(default_factory=dict)


def read_texts(stream: BinaryIO, prefixes: tuple[str, ...], stop_after: str = "") -> PngTexts | None:
    """Size and wanted texts of a PNG, or None when the stream is no PNG.

    Takes tEXt, zTXt and iTXt (PNG third edition, 11.3.3) whose keyword begins with one of `prefixes` and whose CRC
    is right. A damaged or truncated file gives what stands before the damage. Reads at most 48 MB of text;
    with `stop_after` no further than that keyword or the first pixels.
    """
    if stream.read(8) != SIGNATURE:
        return None
    found = PngTexts()
    budget = _TOTAL_MAX
    for _ in range(_CHUNKS_MAX):
        head = stream.read(8)
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        if length >= 1 << 31 or kind == b"IEND" or (stop_after and kind == b"IDAT"):
            break
        if kind not in (b"IHDR", b"tEXt", b"zTXt", b"iTXt") or length > min(CHUNK_MAX, budget):
            stream.seek(length + 4, 1)
            continue
        body = stream.read(length)
        if stream.read(4) != struct.pack(">I", zlib.crc32(kind + body)):
            continue
        budget -= length
        _take(found, kind, body, prefixes)
        if stop_after in found.texts:
            break
    return found


def _take(found: PngTexts, kind: bytes, body: bytes, prefixes: tuple[str, ...]) -> None:
    if kind == b"IHDR":
        if len(body) == 13:
            found.width, found.height = struct.unpack(">II", body[:8])
        return
    raw_key, _, rest = body.partition(b"\0")
    key = raw_key.decode("latin-1")
    if key.startswith(prefixes):
        text = _text(kind, rest)
        if text is not None:
            found.texts.setdefault(key, []).append(text)


def _text(kind: bytes, rest: bytes) -> str | None:
    if kind == b"tEXt":
        return rest.decode("latin-1")
    if kind == b"zTXt":
        unpacked = _unpack(rest[1:])
        return None if unpacked is None else unpacked.decode("latin-1")
    packed, parts = rest[:1] == b"\x01", rest[2:].split(b"\0", 2)
    if len(parts) < 3:
        return None
    data = _unpack(parts[2]) if packed else parts[2]
    return None if data is None else data.decode("utf-8", "replace")


def _unpack(data: bytes) -> bytes | None:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, _UNPACKED_MAX)
    except zlib.error:
        return None
    return text if unpacker.eof else None
