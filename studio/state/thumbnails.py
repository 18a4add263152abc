"""Small pictures for the gallery, decoded off the UI thread, the most recently used kept up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from studio.core.errors import StudioError
from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.state.background import Background
from studio.state.images import image_of

CACHE_BYTES = 64 * 1024 * 1024
WANTED_MAX = 200  # more than a screenful: what was scrolled past is forgotten until it is painted again

ReadThumbnail = Callable[[Picture], Pixels | bytes | Path]  # called in the background; raises StudioError


class Thumbnails(QObject):
    """Gives what it has and fetches what it has not, the latest wish first.

    Mutable state: `_images` (least recently used first), `_wanted` (latest wish last), `_fetching`, `_broken` (ids).

    Signals: `ready(id)` - `image(picture)` has it now, or knows that there is none.
    """

    ready = Signal(str)

    def __init__(
        self,
        read: ReadThumbnail,
        background: Background,
        cache_bytes: int = CACHE_BYTES,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._read, self._background, self._cache_bytes = read, background, cache_bytes
        self._images: OrderedDict[str, QImage] = OrderedDict()
        self._bytes = 0
        self._wanted: OrderedDict[str, Picture] = OrderedDict()
        self._fetching = ""
        self._broken: set[str] = set()

    def image(self, picture: Picture) -> QImage | None:
        """The thumbnail, or None for now: `ready` tells when it is worth asking again."""
        image = self._images.get(picture.id)
        if image is not None:
            self._images.move_to_end(picture.id)
        elif picture.id not in self._broken and picture.id != self._fetching:
            self._want(picture)
        return image

    def is_broken(self, picture_id: str) -> bool:
        """Whether the picture could not be read."""
        return picture_id in self._broken

    def forget(self, picture_id: str) -> None:
        """Let go of a thumbnail, for example because the picture was removed or repaired."""
        self._broken.discard(picture_id)
        self._wanted.pop(picture_id, None)
        image = self._images.pop(picture_id, None)
        self._bytes -= image.sizeInBytes() if image is not None else 0

    def _want(self, picture: Picture) -> None:
        self._wanted[picture.id] = picture
        self._wanted.move_to_end(picture.id)
        if len(self._wanted) > WANTED_MAX:
            self._wanted.popitem(last=False)
        self._fetch_next()

    def _fetch_next(self) -> None:
        if self._fetching or not self._wanted:
            return
        picture_id, picture = self._wanted.popitem()
        self._fetching = picture_id
        read = self._read
        self._background.run_latest(
            "thumbnail",
            lambda: image_of(read(picture)),
            partial(self._keep, picture_id),
            partial(self._give_up, picture_id),
        )

    def _keep(self, picture_id: str, image: QImage) -> None:
        self._fetching = ""
        self.forget(picture_id)
        self._images[picture_id] = image
        self._bytes += image.sizeInBytes()
        while self._bytes > self._cache_bytes and len(self._images) > 1:
            self._bytes -= self._images.popitem(last=False)[1].sizeInBytes()
        self.ready.emit(picture_id)
        self._fetch_next()

    def _give_up(self, picture_id: str, _error: StudioError) -> None:
        # Shown in the view as a broken picture; a message for each of a thousand would be noise.
        self._fetching = ""
        self._broken.add(picture_id)
        self.ready.emit(picture_id)
        self._fetch_next()
