"""Small pictures for the history: a cache on disk that may be deleted, damaged or unwritable at any time."""

from __future__ import annotations

import io
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from PIL import Image

from studio.core.errors import BadInputImage
from studio.core.own_root import make_folders
from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.gallery.durable import PART, read_regular
from studio.gallery.names import is_id
from studio.gallery.png import FILE_MAX

SIDE = 256  # long side in pixels
BYTES_MAX = 2_000_000_000  # of the whole cache
_QUALITY = 85
_KINDS = ("PNG", "JPEG", "WEBP")  # pictures of other folders may be any of these
_CACHE_FILE_MAX = 1_000_000


class Thumbnails:
    """Thumbnails of pictures, made when first asked for. Thread-safe: it holds nothing but its folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def thumbnail(self, picture: Picture) -> Pixels:
        """RGB pixels with a long side of at most 256. Raises BadInputImage when the picture's file cannot be read."""
        cached = self._file(picture.id)
        if cached is not None:
            with suppress(Exception):  # a cache: whatever is wrong with it, it is made again
                return _pixels(read_regular(cached, _CACHE_FILE_MAX), ("JPEG",), SIDE)
        small = _small(picture)
        if cached is not None:
            with suppress(OSError):
                _keep(cached, small)
        return small

    def forget(self, picture_id: str) -> None:
        """The picture is deleted for good."""
        cached = self._file(picture_id)
        if cached is not None:
            with suppress(OSError):
                cached.unlink()

    def _file(self, picture_id: str) -> Path | None:
        return self._folder / picture_id[:8] / f"{picture_id}.jpg" if is_id(picture_id) else None

    def prune(self) -> None:
        """Delete the oldest thumbnails when all together take more than 2 GB; they are made again when needed."""
        files = []
        for entry in _files(self._folder):
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                files.append((status.st_mtime, status.st_size, entry.path))
        room = BYTES_MAX - sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if room >= 0:
                break
            with suppress(OSError):
                os.unlink(path)
            room += size


def _files(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry


def _small(picture: Picture) -> Pixels:
    try:
        return _pixels(read_regular(picture.file, FILE_MAX), _KINDS, SIDE)
    except FileNotFoundError as error:
        hint = "It may have been moved or deleted."
        raise BadInputImage("The picture's file is no longer there.", hint, repr(error)) from None
    except Exception as error:  # a decoder may raise anything on damaged bytes
        raise BadInputImage("The picture's file cannot be read.", "It may be damaged.", repr(error)) from None


def _pixels(data: bytes, kinds: tuple[str, ...], side: int) -> Pixels:
    with Image.open(io.BytesIO(data), formats=kinds) as image:
        small = image.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return Pixels(width=small.width, height=small.height, data=small.tobytes())


def _keep(file: Path, pixels: Pixels) -> None:
    stream = io.BytesIO()
    image = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)
    image.save(stream, "JPEG", quality=_QUALITY)
    make_folders(file.parent)
    part = file.with_name(f"{file.name}.{secrets.token_hex(4)}{PART}")
    try:
        part.write_bytes(stream.getvalue())
        os.replace(part, file)
    finally:
        with suppress(OSError):
            part.unlink()
