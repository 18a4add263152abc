"""Small pictures that carry texts the way other programs write them."""

from __future__ import annotations

import gzip
import io
import struct

from PIL import Image, PngImagePlugin

from studio.core.recipe import Recipe
from studio.gallery.foreign.door import read_foreign
from studio.gallery.foreign.reading import MatchModel, Reading

WIDTH, HEIGHT = 96, 64


def png_with(**texts: str) -> bytes:
    """A PNG with text chunks; `__` in a name stands for a dash."""
    info = PngImagePlugin.PngInfo()
    for key, text in texts.items():
        info.add_text(key.replace("__", "-"), text)
    return saved("PNG", pnginfo=info)


def saved(kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), "teal").save(stream, kind, **options)
    return stream.getvalue()


def tiff(ifd0: dict[int, bytes], exif: dict[int, bytes] | None = None, order: str = "<") -> bytes:
    """An EXIF block: values of IFD 0 as ASCII, of the Exif IFD as UNDEFINED."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    count = len(ifd0) + (exif is not None)
    at = 8 + 2 + 12 * count + 4
    rows, blobs = b"", b""
    for tag, value in sorted(ifd0.items()):
        row, blob = _entry(order, tag, 2, value, at + len(blobs))
        rows, blobs = rows + row, blobs + blob
    if exif is None:
        return head + struct.pack(order + "H", count) + rows + bytes(4) + blobs
    start = at + len(blobs)
    rows += struct.pack(order + "HHII", 0x8769, 4, 1, start)
    inner, inner_blobs = b"", b""
    inner_at = start + 2 + 12 * len(exif) + 4
    for tag, value in sorted(exif.items()):
        row, blob = _entry(order, tag, 7, value, inner_at + len(inner_blobs))
        inner, inner_blobs = inner + row, inner_blobs + blob
    second = struct.pack(order + "H", len(exif)) + inner + bytes(4) + inner_blobs
    return head + struct.pack(order + "H", count) + rows + bytes(4) + blobs + second


def _entry(order: str, tag: int, kind: int, value: bytes, at: int) -> tuple[bytes, bytes]:
    head = struct.pack(order + "HHI", tag, kind, len(value))
    if len(value) <= 4:
        return head + value.ljust(4, b"\0"), b""
    return head + struct.pack(order + "I", at), value


def jpeg_with(block: bytes) -> bytes:
    """A JPEG with this EXIF block."""
    plain = saved("JPEG")
    body = b"Exif\0\0" + block
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + plain[2:]


def webp_with(block: bytes) -> bytes:
    """A WebP with this EXIF chunk behind the pixels."""
    plain = saved("WEBP", lossless=True)
    chunk = b"EXIF" + struct.pack("<I", len(block)) + block + b"\0" * (len(block) % 2)
    return b"RIFF" + struct.pack("<I", len(plain) - 8 + len(chunk)) + plain[8:] + chunk


def commented(comment: bytes, order: str = "<") -> bytes:
    return jpeg_with(tiff({}, {0x9286: comment}, order))


def stealth(
    body: bytes, form: str = "stealth_pngcomp", bits: int | None = None, size: tuple[int, int] = (96, 64)
) -> bytes:
    """A PNG that hides a body: column by column, one bit in alpha or three in the colours of each pixel."""
    packed = gzip.compress(body) if form.endswith("comp") else body
    data = form.encode() + (len(packed) * 8 if bits is None else bits).to_bytes(4, "big") + packed
    stream = [(byte >> (7 - i)) & 1 for byte in data for i in range(8)]
    alpha = "png" in form
    image = Image.new("RGBA" if alpha else "RGB", size, (40, 90, 160, 254) if alpha else (40, 90, 160))
    pixels = image.load()
    at = 0
    for x in range(size[0]):
        for y in range(size[1]):
            colour = list(pixels[x, y])
            for channel in (3,) if alpha else (0, 1, 2):
                if at < len(stream):
                    colour[channel] = colour[channel] & ~1 | stream[at]
                    at += 1
            pixels[x, y] = tuple(colour)
    assert at == len(stream), "the picture is too small for the text"
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def understood(data: bytes, match: MatchModel | None = None) -> Reading:
    """The reading of a picture that must have one."""
    found = read_foreign(data, match)
    assert found is not None
    return found


def recipe_in(data: bytes) -> Recipe:
    recipe = understood(data).recipe
    assert recipe is not None
    return recipe


def notes_in(data: bytes) -> str:
    return "\n".join(understood(data).not_understood)
