"""The recipe in a JPEG or WebP of the studio: written into EXIF and read back. Knows the place, not the meaning.

UserComment holds the A1111 text as other programs look for it ("UNICODE", UTF-16, big-endian, as piexif writes it);
MakerNote holds a mark and the JSON that a PNG has in its "studio" chunk.
"""

from __future__ import annotations

import io

from PIL import Image, PngImagePlugin

from studio.gallery.foreign import exif

_MARK = b"diffusion-studio\0"
_NOT_IN = "The recipe is too long for a JPEG; {} Choose PNG or WebP to keep all of it."


def exif_with(card: str, comment: str, room: int = 0) -> tuple[bytes, tuple[str, ...]]:
    """An EXIF block with both texts, at most `room` bytes unless that is 0; and a sentence on what did not fit."""
    whole = _block(_MARK + card.encode() if card else b"", comment)
    if not room or len(whole) <= room:
        return whole, ()
    partly = _block(b"", comment)
    if len(partly) <= room:
        return partly, (_NOT_IN.format("only the part that other programs read was written."),)
    return b"", (_NOT_IN.format("it was left out."),)


def card_of(data: bytes) -> bytes | None:
    """A PNG of one pixel with the "studio" text of a JPEG or WebP, so that there is one reader of it; None without one."""
    note = exif.tags_of(exif.exif_block(data)).get(exif.MAKER_NOTE, b"")
    if not note.startswith(_MARK):
        return None
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("studio", note[len(_MARK) :].decode("utf-8", "replace").replace("\0", ""))
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "PNG", pnginfo=texts)
    return stream.getvalue()


def _block(note: bytes, comment: str) -> bytes:
    tags = Image.Exif()
    tags[exif.SOFTWARE] = "Diffusion Studio"
    below = tags.get_ifd(0x8769)
    below[exif.COMMENT] = b"UNICODE\0" + comment.encode("utf-16-be", "replace")
    if note:
        below[exif.MAKER_NOTE] = note
    return tags.tobytes()
