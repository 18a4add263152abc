"""Which picture another one is to be compared with: the one it came from, otherwise the one made before it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.core.differences import Difference, differences
from studio.core.family import changes_along
from studio.core.library import Link, LinkKind
from studio.core.picture import Picture
from studio.state.background import Background
from studio.state.gallery_model import GalleryModel

KEPT = 64
GetPicture = Callable[[str], Picture | None]  # called in the background; may raise StudioError


class Forerunners(QObject):
    """Mutable state: `_read`, the parents that were read lately, None for one that is not here any more.

    Signals: `found(str)` - the parent of the picture with this id is known now: ask again.
    """

    found = Signal(str)

    def __init__(
        self, gallery: GalleryModel, get: GetPicture, background: Background, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._gallery, self._get, self._background = gallery, get, background
        self._read: OrderedDict[str, Picture | None] = OrderedDict()

    def changes(self, picture: Picture) -> tuple[Link | None, tuple[Difference, ...]] | None:
        """What a picture has changed, and the link to its parent; without one, since the picture made before it.

        None where there is nothing to compare with, or it is still read: then `found` follows. A sheet has changed
        nothing: its recipe is that of its cells.
        """
        if picture.made_with.sheet:
            return None
        link = parent_link(picture)
        if link is not None:
            parent = self._gallery.known(link.parent)
            if parent is None and link.parent not in self._read:
                work = partial(self._get, link.parent)
                self._background.run_latest("forerunner", work, partial(self._on_read, picture.id, link.parent))
                return None
            parent = parent or self._read.get(link.parent)
            if parent is not None:
                return link, changes_along(link, parent.recipe, picture.recipe)
        before = self._gallery.before(picture)
        return (None, differences(before.recipe, picture.recipe)) if before is not None else None

    def _on_read(self, picture_id: str, parent_id: str, parent: Picture | None) -> None:
        self._read[parent_id] = parent
        while len(self._read) > KEPT:
            self._read.popitem(last=False)
        self.found.emit(picture_id)


def parent_link(picture: Picture) -> Link | None:
    """The link to the picture whose settings it began with; one that only steered it is none."""
    kinds = (LinkKind.REMADE, LinkKind.VARIED, LinkKind.UPSCALED, LinkKind.BRANCHED)
    return next((link for link in picture.parents if link.kind in kinds), None)
