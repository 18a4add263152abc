"""Text hidden in the lowest bits of a PNG's pixels ("stealth" info of NovelAI, Forge and others). Pillow only.

Layout: bits go column by column; in the alpha forms one bit a pixel, in the rgb forms three (red, green, blue). First
15 letters of signature, then 32 bits that count the data's bits, then the data: UTF-8, in the "comp" forms in gzip.
"""

from __future__ import annotations

import io
import zlib

from PIL import Image

PIXELS_MAX = 25_000_000
HIDDEN_MAX = 2_000_000  # bytes as they lie in the pixels
UNPACKED_MAX = 8_000_000
_NAME = 15
_HEAD = _NAME + 4
_FORMS = {  # channels, and the two signatures: plain, packed
    "A": (b"stealth_pnginfo", b"stealth_pngcomp"),
    "RGB": (b"stealth_rgbinfo", b"stealth_rgbcomp"),
}
_BIT = bytes(ord("0") + (value & 1) for value in range(256))


def hidden_text(data: bytes) -> str | None:
    """The text in a PNG's pixels, or None. Never raises: whatever cannot be decoded hides nothing."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.mode not in ("RGBA", "RGB") or image.width * image.height > PIXELS_MAX:
                return None
            image.load()
            return _in_alpha(image) or _in_colours(image)
    except Exception:  # a decoder may raise anything on foreign bytes
        return None


def _in_alpha(image: Image.Image) -> str | None:
    return _text(image.getchannel("A"), "A") if image.mode == "RGBA" else None


def _in_colours(image: Image.Image) -> str | None:
    return _text(image.convert("RGB"), "RGB")


def _text(channels: Image.Image, form: str) -> str | None:
    head = _bytes(channels, _HEAD)
    if head[:_NAME] not in _FORMS[form]:
        return None
    count = int.from_bytes(head[_NAME:_HEAD], "big") // 8
    room = channels.width * channels.height * len(channels.getbands()) // 8 - _HEAD
    if not 0 < count <= min(room, HIDDEN_MAX):
        return None
    body = _bytes(channels, _HEAD + count)[_HEAD:]
    if head[:_NAME] == _FORMS[form][1]:
        body = _unpacked(body)
    return body.decode("utf-8", "replace") or None


def _bytes(channels: Image.Image, count: int) -> bytes:
    """The first `count` bytes in the lowest bits, column by column; fewer where the picture is smaller."""
    bands = len(channels.getbands())
    columns = min(channels.width, -(-count * 8 // (channels.height * bands)))
    part = channels.crop((0, 0, columns, channels.height)).transpose(Image.Transpose.TRANSPOSE)
    bits = part.tobytes().translate(_BIT)[: count * 8]
    bits = bits[: len(bits) // 8 * 8]
    return int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        text = unpacker.decompress(body, UNPACKED_MAX)
    except zlib.error:
        return b""
    return text if unpacker.eof else b""
