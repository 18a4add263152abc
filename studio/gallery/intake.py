"""The one door for foreign pictures: whatever comes in, a plain RGB PNG or one clear refusal goes out. Pillow only."""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from studio.core.errors import BadInputImage
from studio.gallery.durable import read_regular
from studio.gallery.names import shown

FILE_MAX = 256_000_000
PIXELS_MAX = 64_000_000
SIDE_MAX = 2048

_ACCEPTED = "Use a PNG, JPEG, WebP, GIF or BMP picture."
_REFUSED = (
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"8BPS", "a Photoshop file"),
    (b"%PDF", "a PDF document"),
    (b"\0\0\1\0", "an icon file"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\0\0\0\x0cjP", "a JPEG 2000 picture"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"gimp xcf", "a GIMP file"),
)
_TURNS = {  # EXIF 2.32, tag 0x0112: what undoes each orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Pillow's own advice: its bomb warning is an error for us. A filter, because Pillow's limits are never touched.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A picture that was let in: RGB PNG bytes without metadata, its size in pixels, a note if something changed."""

    png: bytes
    width: int
    height: int
    note: str = ""


def load(source: Path | bytes) -> Loaded:
    """Read a PNG, JPEG, WebP, GIF or BMP from a file or from bytes and make it plain.

    Known by its content, not its name. At most 256 MB and 64 megapixels; of several frames the first; turned upright
    as EXIF says; palette, grey, 16-bit and CMYK become 8-bit RGB, transparency lies on white; a longer side than
    2048 px is scaled down. Raises BadInputImage for everything else.
    """
    name, data = _read(source)
    kind = _sniff(name, data)
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            return _normalised(name, image)
    except BadInputImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _refusal(name, "has too many pixels", _SMALLER, repr(error)) from None
    except MemoryError as error:
        raise _refusal(name, "needs more memory than there is", _SMALLER, repr(error)) from None
    except Exception as error:  # decoders raise anything on damaged bytes, from OSError to IndexError
        raise _refusal(name, "is damaged or incomplete", "Open and save it in another program.", repr(error)) from None


_SMALLER = f"Use a picture of at most {PIXELS_MAX // 1_000_000} megapixels."


def _refusal(name: str, reason: str, hint: str = _ACCEPTED, detail: str = "") -> BadInputImage:
    return BadInputImage(f"{name} cannot be used because it {reason}; nothing was changed.", hint, detail)


def _read(source: Path | bytes) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        if len(source) > FILE_MAX:
            raise _refusal("The picture", f"is above {FILE_MAX // 1_000_000} MB")
        return "The picture", source
    name = f"“{shown(source.name)}”"
    try:
        return name, read_regular(source, FILE_MAX)
    except FileNotFoundError as error:
        raise _refusal(name, "does not exist", "It may have been moved or deleted.", repr(error)) from None
    except OSError as error:
        raise _refusal(name, f"cannot be read ({(error.strerror or 'error').lower()})", "", repr(error)) from None
    except ValueError as error:
        reason = str(error) if str(error).startswith(("is", "grew")) else "has a name that no file can have"
        raise _refusal(name, reason, _ACCEPTED, repr(error)) from None


def _sniff(name: str, data: bytes) -> str:
    if not data:
        raise _refusal(name, "is empty")
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith(b"BM"):
        return "BMP"
    raise _refusal(name, f"is {_what_else(data)}")


def _what_else(data: bytes) -> str:
    for magic, words in _REFUSED:
        if data.startswith(magic):
            return f"{words}, which the studio does not read"
    if data[4:12] in (b"ftypavif", b"ftypheic", b"ftypheix", b"ftypmif1"):
        return "a HEIC or AVIF picture, which the studio does not read"
    if b"<svg" in data[:4096].lower():
        return "an SVG drawing, which the studio does not read"
    return "not a picture"


def _normalised(name: str, image: Image.Image) -> Loaded:
    if image.width * image.height > PIXELS_MAX:
        raise _refusal(name, f"has {image.width} x {image.height} pixels, which is too many", _SMALLER)
    if min(image.size) < 1:
        raise _refusal(name, "has no pixels")
    notes = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        notes.append(f"It holds {frames} frames; the first is used.")
    image.load()
    upright = _turned(_on_white(_eight_bit(image)), image)
    if max(upright.size) > SIDE_MAX:
        before, upright = upright.size, _scaled(upright)
        notes.append(f"Scaled down from {before[0]} x {before[1]} to {upright.width} x {upright.height} pixels.")
    stream = io.BytesIO()
    _without_metadata(upright).save(stream, "PNG")
    return Loaded(png=stream.getvalue(), width=upright.width, height=upright.height, note=" ".join(notes))


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit grey to 8 bits by 1/257 rounded: `convert` alone clips or cuts, depending on the version of Pillow.

    Pillow reads 16-bit RGB as 8-bit by itself but leaves its transparent colour in 16 bits.
    """
    see_through = image.info.get("transparency")
    if isinstance(see_through, tuple) and max(see_through) > 255:
        image.info["transparency"] = tuple(value >> 8 for value in see_through)
    if not image.mode.startswith("I"):
        return image
    wide = image if image.mode == "I" else image.convert("I")
    narrow = wide.point(lambda value: value * (1 / 257) + 0.5).convert("L")
    narrow.info = {"transparency": round(see_through / 257)} if isinstance(see_through, int) else {}
    return narrow


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("RGB")


def _turned(image: Image.Image, source: Image.Image) -> Image.Image:
    try:
        orientation = source.getexif().get(0x0112, 1)
    except Exception:  # damaged EXIF raises many things and says nothing about the pixels, which are fine
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _scaled(image: Image.Image) -> Image.Image:
    factor = SIDE_MAX / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _without_metadata(image: Image.Image) -> Image.Image:
    image.info = {}
    return image
