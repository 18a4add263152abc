"""Control pictures, each kept once under the digest of its bytes. Everything enters through the intake."""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress
from pathlib import Path

from PIL import Image

from studio.core.errors import BadInputImage
from studio.core.recipe import ImageRef
from studio.gallery.durable import storage_problem, write_new
from studio.gallery.intake import SIDE_MAX, Loaded, load

STORED_MAX = 32_000_000  # bytes; 2048 x 2048 RGB without compression is 12.6 MB
_KEPT = "the panels are as they were"
_AGAIN = "Drop it onto its layer again."


class Inputs:
    """The folder of control pictures. Safe to use from several threads: files are only ever added whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, source: Path | bytes) -> ImageRef:
        """Take a foreign picture in and give its reference. Raises BadInputImage, StorageProblem."""
        return self.take(source)[0]

    def take(self, source: Path | bytes) -> tuple[ImageRef, Loaded]:
        """As `add`, with the normalised picture and the note on what was changed."""
        loaded = load(source)
        return self._keep(loaded.png), loaded

    def read(self, ref: ImageRef) -> bytes:
        """The stored bytes, a PNG in RGB. Raises BadInputImage when they are missing or damaged."""
        try:
            data = self._file(ref.digest).read_bytes()
        except FileNotFoundError:
            raise BadInputImage("The control picture is missing.", _AGAIN, ref.digest) from None
        except (OSError, ValueError) as error:
            raise BadInputImage("The control picture cannot be read.", _AGAIN, repr(error)) from None
        if hashlib.sha256(data).hexdigest() != ref.digest:
            raise BadInputImage("The control picture is damaged.", _AGAIN, ref.digest)
        return data

    def restore(self, digest: str, data: bytes) -> ImageRef:
        """Keep bytes that came embedded in a picture, unchanged, so that their digest stays what the recipe says.

        They are foreign bytes and are looked at first. Raises BadInputImage, StorageProblem.
        """
        if len(data) > STORED_MAX or hashlib.sha256(data).hexdigest() != digest or not _is_normal(data):
            raise BadInputImage("The control picture inside this picture is damaged; nothing was changed.", "", digest)
        return self._keep(data)

    def _keep(self, data: bytes) -> ImageRef:
        ref = ImageRef(digest=hashlib.sha256(data).hexdigest())
        file = self._file(ref.digest)
        try:
            if file.exists() and not self._is_readable(ref):
                file.unlink()  # its bytes no longer are what its name says
            with suppress(FileExistsError):
                write_new(file, data)
        except OSError as error:
            raise storage_problem("The control picture could not be stored", _KEPT, self._folder, error) from None
        return ref

    def _is_readable(self, ref: ImageRef) -> bool:
        try:
            self.read(ref)
        except BadInputImage:
            return False
        return True

    def _file(self, digest: str) -> Path:
        # a digest may come out of a foreign file and must not become a path
        if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
            raise BadInputImage("The control picture is missing.", _AGAIN, digest[:80])
        return self._folder / f"{digest}.png"


def _is_normal(data: bytes) -> bool:
    """Whether bytes are as the intake makes them: a PNG, RGB, within the size limit, decodable."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.mode != "RGB" or max(image.size) > SIDE_MAX:
                return False
            image.load()
    except Exception:  # a decoder may raise anything on foreign bytes
        return False
    return True
