"""Small pictures for the history: a cache on disk that may be deleted, damaged or unwritable at any time."""

from __future__ import annotations

import io
import os
import secrets
from contextlib import suppress
from pathlib import Path

from PIL import Image

from studio.core.errors import BadInputImage
from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.gallery.durable import PART, read_regular
from studio.gallery.names import is_id
from studio.gallery.png import FILE_MAX

SIDE = 256  # long side in pixels
_QUALITY = 90
_CACHE_FILE_MAX = 1_000_000


class Thumbnails:
    """Thumbnails of pictures, made when first asked for. Thread-safe: it holds nothing but its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def thumbnail(self, picture: Picture) -> Pixels:
        """RGB pixels with a long side of at most 256. Raises BadInputImage when the picture's file cannot be read."""
        cached = self._folder / f"{picture.id}.jpg" if is_id(picture.id) else None
        if cached is not None:
            with suppress(Exception):  # a cache: whatever is wrong with it, it is made again
                return _pixels(read_regular(cached, _CACHE_FILE_MAX), "JPEG", SIDE)
        small = _small(picture)
        if cached is not None:
            with suppress(OSError):
                _keep(cached, small)
        return small


def _small(picture: Picture) -> Pixels:
    try:
        return _pixels(read_regular(picture.file, FILE_MAX), "PNG", SIDE)
    except FileNotFoundError as error:
        hint = "It may have been moved or deleted."
        raise BadInputImage("The picture's file is no longer there.", hint, repr(error)) from None
    except Exception as error:  # a decoder may raise anything on damaged bytes
        raise BadInputImage("The picture's file cannot be read.", "It may be damaged.", repr(error)) from None


def _pixels(data: bytes, kind: str, side: int) -> Pixels:
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return Pixels(width=small.width, height=small.height, data=small.tobytes())


def _keep(file: Path, pixels: Pixels) -> None:
    stream = io.BytesIO()
    image = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)
    image.save(stream, "JPEG", quality=_QUALITY, subsampling=0)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}{PART}")
    try:
        part.write_bytes(stream.getvalue())
        os.replace(part, file)
    finally:
        with suppress(OSError):
            part.unlink()
