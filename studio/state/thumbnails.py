"""Small pictures for the gallery, decoded off the UI thread, the most recently used kept up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPainterPath

from studio.core.errors import StudioError
from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.state.background import Background
from studio.state.images import image_of

CACHE_BYTES = 96 * 1024 * 1024
WANTED_MAX = 200  # more than a screenful: what was scrolled past is forgotten until it is painted again
BATCH = 6  # tiles made before the UI thread hears of them: about ten milliseconds of work
BATCHES = 2  # on their way at once, so that the worker never waits for the UI thread
TILE_RADIUS = 5.0  # of the rounded corners, in logical pixels

ReadThumbnail = Callable[[Picture], Pixels | bytes | Path]  # called in the background; raises StudioError
Made = tuple[str, QImage | None]


class Thumbnails(QObject):
    """Gives what it has and fetches what it has not: whole small pictures, and square tiles ready to be painted.

    `image` asks for one picture, the latest wish is served first. `wish_tiles` says what a view has in sight, in the
    order of reading; a new wish replaces the one before, so what was scrolled past is never decoded.

    Mutable state: `_images` (by id, and by id and "tile"; least recently used first), `_wanted` (latest wish last),
    `_fetching`, `_tiles` (wanted, in order), `_making` (numbers of batches to their ids), `_broken` (ids).

    Signals: `ready(id)` - there is an image or a tile of it now, or it is known that there is none.
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
        self._images: OrderedDict[tuple[str, str], QImage] = OrderedDict()
        self._bytes = 0
        self._wanted: OrderedDict[str, Picture] = OrderedDict()
        self._fetching = ""
        self._tiles: OrderedDict[str, Picture] = OrderedDict()
        self._tile_look = (0, 1.0)
        self._making: dict[int, frozenset[str]] = {}
        self._broken: set[str] = set()

    @property
    def bytes_held(self) -> int:
        """What the cache holds now; at most `cache_bytes` and one picture more."""
        return self._bytes

    def image(self, picture: Picture) -> QImage | None:
        """The thumbnail, or None for now: `ready` tells when it is worth asking again."""
        image = self._images.get((picture.id, ""))
        if image is not None:
            self._images.move_to_end((picture.id, ""))
        elif picture.id not in self._broken and picture.id != self._fetching:
            self._want(picture)
        return image

    def tile(self, picture_id: str) -> QImage | None:
        """The square tile, perhaps still of another size, or None. Asks for nothing: see `wish_tiles`."""
        key = (picture_id, "tile")
        image = self._images.get(key)
        if image is not None:
            self._images.move_to_end(key)
        return image

    def wish_tiles(self, pictures: Iterable[Picture], side: int, ratio: float = 1.0) -> None:
        """What is in sight, most wanted first; `side` in device pixels, `ratio` of them to a logical pixel."""
        self._tile_look = (side, ratio)
        making = frozenset().union(*self._making.values())
        self._tiles = OrderedDict(
            (picture.id, picture)
            for picture in pictures
            if picture.id not in self._broken and picture.id not in making and not self._is_made(picture.id)
        )
        self._make_next()

    def is_broken(self, picture_id: str) -> bool:
        """Whether the picture could not be read."""
        return picture_id in self._broken

    def forget(self, picture_id: str) -> None:
        """Let go of a thumbnail, for example because the picture was removed or repaired."""
        self._broken.discard(picture_id)
        self._wanted.pop(picture_id, None)
        self._tiles.pop(picture_id, None)
        self._drop((picture_id, ""))
        self._drop((picture_id, "tile"))

    # Whole thumbnails, one after the other
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
            partial(self._on_image, picture_id),
            partial(self._on_no_image, picture_id),
        )

    def _on_image(self, picture_id: str, image: QImage) -> None:
        self._fetching = ""
        self._broken.discard(picture_id)
        self._keep((picture_id, ""), image)
        self.ready.emit(picture_id)
        self._fetch_next()

    def _on_no_image(self, picture_id: str, _error: StudioError) -> None:
        # Shown in the view as a broken picture; a message for each of a thousand would be noise.
        self._fetching = ""
        self._broken.add(picture_id)
        self.ready.emit(picture_id)
        self._fetch_next()

    # Tiles, a few at a time
    def _is_made(self, picture_id: str) -> bool:
        image = self._images.get((picture_id, "tile"))
        return image is not None and image.width() == self._tile_look[0]

    def _make_next(self) -> None:
        for number in range(BATCHES):
            if number in self._making or not self._tiles:
                continue
            batch = [self._tiles.popitem(last=False)[1] for _ in range(min(BATCH, len(self._tiles)))]
            self._making[number] = frozenset(picture.id for picture in batch)
            self._background.run_latest(
                f"tiles {number}",
                partial(_make_tiles, self._read, batch, *self._tile_look),
                partial(self._on_tiles, number),
                partial(self._on_no_tiles, number),
            )

    def _on_tiles(self, number: int, made: list[Made]) -> None:
        del self._making[number]
        for picture_id, image in made:
            if image is None:
                self._broken.add(picture_id)
            else:
                self._keep((picture_id, "tile"), image)
        self._make_next()
        for picture_id, _ in made:
            self.ready.emit(picture_id)

    def _on_no_tiles(self, number: int, _error: StudioError) -> None:
        self._broken |= self._making.pop(number)
        self._make_next()

    # The cache
    def _keep(self, key: tuple[str, str], image: QImage) -> None:
        self._drop(key)
        self._images[key] = image
        self._bytes += image.sizeInBytes()
        while self._bytes > self._cache_bytes and len(self._images) > 1:
            self._bytes -= self._images.popitem(last=False)[1].sizeInBytes()

    def _drop(self, key: tuple[str, str]) -> None:
        image = self._images.pop(key, None)
        self._bytes -= image.sizeInBytes() if image is not None else 0


def _make_tiles(read: ReadThumbnail, pictures: list[Picture], side: int, ratio: float) -> list[Made]:
    """In the background: one tile for each picture, None for one that cannot be read."""
    made: list[Made] = []
    for picture in pictures:
        try:
            made.append((picture.id, tile_of(image_of(read(picture)), side, ratio)))
        except StudioError:
            made.append((picture.id, None))
    return made


def tile_of(image: QImage, side: int, ratio: float) -> QImage:
    """The middle of an image as a square of `side` device pixels with rounded corners, in the format that paints fastest."""
    short = min(image.width(), image.height())
    corner = QPoint((image.width() - short) // 2, (image.height() - short) // 2)
    square = image.copy(QRect(corner, QSize(short, short))).scaled(
        QSize(side, side), Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
    tile = QImage(side, side, QImage.Format.Format_ARGB32_Premultiplied)
    tile.fill(Qt.GlobalColor.transparent)
    path = QPainterPath()
    path.addRoundedRect(QRectF(0, 0, side, side), TILE_RADIUS * ratio, TILE_RADIUS * ratio)
    painter = QPainter(tile)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setClipPath(path)
    painter.drawImage(0, 0, square)
    painter.end()
    tile.setDevicePixelRatio(ratio)
    return tile
