"""The full picture for the large view, read off the UI thread."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from studio.core.errors import StudioError
from studio.core.picture import Picture
from studio.state.background import Background
from studio.state.images import image_of

KEPT = 4  # leafing back and forth shows at once


class FullImage(QObject):
    """Loads one picture at a time; the latest wish wins. Mutable state: `_images`, the last few read.

    Signals: `ready(Picture, QImage)`; `failed(Picture, StudioError)`.
    """

    ready = Signal(object, object)
    failed = Signal(object, object)

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._images: OrderedDict[str, QImage] = OrderedDict()

    def load(self, picture: Picture) -> None:
        """`ready` follows - at once if the picture was read lately."""
        image = self._images.get(picture.id)
        if image is not None:
            self._background.drop("full")
            self._images.move_to_end(picture.id)
            self.ready.emit(picture, image)
            return
        self._background.run_latest(
            "full", partial(image_of, picture.file), partial(self._keep, picture), partial(self._on_failed, picture)
        )

    def cancel(self) -> None:
        """Nobody wants the picture asked for any more."""
        self._background.drop("full")

    def _keep(self, picture: Picture, image: QImage) -> None:
        self._images[picture.id] = image
        while len(self._images) > KEPT:
            self._images.popitem(last=False)
        self.ready.emit(picture, image)

    def _on_failed(self, picture: Picture, error: StudioError) -> None:
        self.failed.emit(picture, error)
