"""The texts in the EXIF data of a JPEG or WebP: a small strict reader of the TIFF structure. Decodes no pixel."""

from __future__ import annotations

import struct

TEXT_MAX = 8_000_000  # bytes of one value
_ENTRIES_MAX = 512
_SEGMENTS_MAX = 4096
_TEXT_TYPES = (1, 2, 7)  # BYTE, ASCII, UNDEFINED: one byte each (TIFF 6.0, section 2)
_EXIF_IFD = 0x8769
DESCRIPTION, MAKE, MODEL, SOFTWARE, MAKER_NOTE, COMMENT = 0x010E, 0x010F, 0x0110, 0x0131, 0x927C, 0x9286

Tags = dict[int, bytes]


def exif_block(data: bytes) -> bytes:
    """The TIFF block of a JPEG's APP1 or a WebP's EXIF chunk, b"" when there is none."""
    block = _of_jpeg(data) if data.startswith(b"\xff\xd8\xff") else _of_webp(data)
    while block.startswith(b"Exif\0\0"):  # some programs write this prefix where it does not belong, or twice
        block = block[6:]
    return block


def _of_jpeg(data: bytes) -> bytes:
    at = 2
    for _ in range(_SEGMENTS_MAX):
        head = data[at : at + 4]
        if len(head) < 4 or head[0] != 0xFF or head[1] == 0xDA:
            break
        length = int.from_bytes(head[2:], "big")
        if head[1] == 0xE1 and data[at + 4 : at + 10] == b"Exif\0\0":
            return data[at + 4 : at + 2 + length]
        at += 2 + max(length, 2)
    return b""


def _of_webp(data: bytes) -> bytes:
    if not (data.startswith(b"RIFF") and data[8:12] == b"WEBP"):
        return b""
    at = 12
    for _ in range(_SEGMENTS_MAX):
        head = data[at : at + 8]
        if len(head) < 8:
            break
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"EXIF":
            return data[at + 8 : at + 8 + min(length, 4 * TEXT_MAX)]
        at += 8 + length + length % 2
    return b""


def tags_of(block: bytes) -> Tags:
    """The byte values of IFD 0 and of the Exif IFD by tag number; damaged entries are left out."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return {}
    found, exif_at = _directory(block, order, _u32(block, order, 4))
    if exif_at is not None:
        found.update(_directory(block, order, exif_at)[0])
    return found


def _directory(block: bytes, order: str, at: int) -> tuple[Tags, int | None]:
    found: Tags = {}
    exif_at = None
    if at + 2 > len(block):
        return found, exif_at
    count = struct.unpack_from(order + "H", block, at)[0]
    for i in range(min(count, _ENTRIES_MAX)):
        entry = at + 2 + 12 * i
        if entry + 12 > len(block):
            break
        tag, kind, length = struct.unpack_from(order + "HHI", block, entry)
        if tag == _EXIF_IFD:
            exif_at = _u32(block, order, entry + 8)
        elif kind in _TEXT_TYPES and length <= TEXT_MAX:
            place = entry + 8 if length <= 4 else _u32(block, order, entry + 8)
            found[tag] = block[place : place + length]
    return found, exif_at


def _u32(block: bytes, order: str, at: int) -> int:
    return int(struct.unpack_from(order + "I", block, at)[0])


def comment_text(data: bytes) -> str:
    """A UserComment in any of its encodings: eight bytes name one (EXIF 2.32, table 9), or nothing does.

    "UNICODE" is UTF-16 whose byte order no standard says; the reading with more ASCII in it is taken, as every text
    of settings is mostly ASCII. Some programs write UTF-8 behind that name all the same.
    """
    head, body = data[:8], data[8:]
    if head == b"UNICODE\0":
        readings = [body.decode(code, "replace") for code in ("utf-16-be", "utf-16-le", "utf-8")]
        return max(readings, key=_sense).strip("\0\ufeff ")
    if head == b"JIS\0\0\0\0\0":
        return body.decode("iso2022_jp", "replace").strip("\0 ")
    if head in (b"ASCII\0\0\0", b"\0" * 8):
        return _narrow(body)
    return _narrow(data)


def ascii_text(data: bytes) -> str:
    """The text of an ASCII tag, which today is mostly UTF-8."""
    return _narrow(data)


def _narrow(data: bytes) -> str:
    data = data.strip(b"\0 ")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _sense(text: str) -> int:
    """How much a reading looks like a text: by its ASCII letters, and against it what no text has in it."""
    head = text[:20_000]
    return sum(" " <= c <= "~" or c == "\n" for c in head) - 2 * (head.count("\0") + head.count("\ufffd"))
