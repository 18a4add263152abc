"""What an index of plugins offers, read off the UI thread; its pictures come in by the one door for foreign pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage

from studio.core.errors import StudioError
from studio.state.images import image_of

_PICTURE_PX = 128
ReadPicture = Callable[[Path], bytes]  # a foreign picture as a PNG of our own; raises StudioError


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One plugin that an index offers; `source` is the index's own entry, by which it is installed."""

    id: str
    name: str
    version: str
    description: str
    source: object
    picture: QImage | None = field(default=None, compare=False)


def read_offers(file: Path, read_picture: ReadPicture) -> tuple[Offer, ...]:
    """All offers of an index file, by name. Slow: reads their pictures. Raises `PluginProblem`."""
    from studio.plugins.index import read_index

    return tuple(
        Offer(
            id=entry.id,
            name=entry.name,
            version=entry.version,
            description=entry.description,
            source=entry,
            picture=_small_picture(entry.picture, read_picture),
        )
        for entry in read_index(file)
    )


def _small_picture(file: Path | None, read_picture: ReadPicture) -> QImage | None:
    """A picture for a list; one that cannot be read is none."""
    if file is None:
        return None
    try:
        return image_of(read_picture(file)).scaled(
            QSize(_PICTURE_PX, _PICTURE_PX), Qt.AspectRatioMode.KeepAspectRatioByExpanding
        )
    except StudioError:
        return None
