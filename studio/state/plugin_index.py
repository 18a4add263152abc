"""What an index of plugins offers, read off the UI thread; its pictures come in by the one door for foreign pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage

from studio.core.errors import StudioError
from studio.state.images import image_of

_PICTURE_PX = 128
PICTURES_FETCHED = 60  # of an index on the network
ReadPicture = Callable[[Path | bytes], bytes]  # a foreign picture as a PNG of our own; raises StudioError


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One plugin that an index offers; `source` is the index's own entry, by which it is installed."""

    id: str
    name: str
    version: str
    description: str
    source: object
    picture: QImage | None = field(default=None, compare=False)


def host_of(place: str) -> str:
    """The host that reading this index would connect to; "" for a file, or for what is no usable address."""
    from studio.plugins import network

    try:
        return network.host_of(place) if network.is_address(place) else ""
    except StudioError:
        return ""


def read_offers(place: Path | str, read_picture: ReadPicture) -> tuple[Offer, ...]:
    """All offers of an index, by name. Slow: reads their pictures, of one on the network too. Raises `PluginProblem`."""
    from studio.plugins.index import read_index

    fetches = iter(range(PICTURES_FETCHED))
    return tuple(
        Offer(
            id=entry.id,
            name=entry.name,
            version=entry.version,
            description=entry.description,
            source=entry,
            picture=_small_picture(entry.picture, read_picture, fetches),
        )
        for entry in read_index(place)
    )


def _small_picture(place: Path | str | None, read_picture: ReadPicture, fetches: Iterator[int]) -> QImage | None:
    """A picture for a list; one that cannot be read, or is one too many to fetch, is none."""
    from studio.plugins.index import fetch_picture

    if place is None or (isinstance(place, str) and next(fetches, None) is None):
        return None
    try:
        return image_of(read_picture(fetch_picture(place) if isinstance(place, str) else place)).scaled(
            QSize(_PICTURE_PX, _PICTURE_PX), Qt.AspectRatioMode.KeepAspectRatioByExpanding
        )
    except StudioError:
        return None
