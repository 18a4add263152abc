"""The control pictures as the artist gave them, read off the UI thread for the cards of the control panel."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from studio.core.errors import StudioError
from studio.core.recipe import ImageRef
from studio.state.background import Background
from studio.state.images import image_of

KEPT = 16
ReadInput = Callable[[ImageRef], bytes]  # the stored PNG; called in the background; raises StudioError


class InputImages(QObject):
    """Reads stored input pictures and keeps the last 16.

    Signals: `failed(ImageRef, StudioError)`.
    """

    failed = Signal(object, object)

    def __init__(self, read: ReadInput, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._read, self._background = read, background
        self._images: OrderedDict[str, QImage] = OrderedDict()

    def read(self, ref: ImageRef, done: Callable[[QImage], None]) -> None:
        """Call `done(image)` on the UI thread, at once if the picture is known; if it cannot be read, see `failed`."""
        image = self._images.get(ref.digest)
        if image is not None:
            self._images.move_to_end(ref.digest)
            done(image)
            return
        read = self._read
        self._background.run(lambda: image_of(read(ref)), partial(self._keep, ref, done), partial(self._on_failed, ref))

    def _keep(self, ref: ImageRef, done: Callable[[QImage], None], image: QImage) -> None:
        self._images[ref.digest] = image
        while len(self._images) > KEPT:
            self._images.popitem(last=False)
        done(image)

    def _on_failed(self, ref: ImageRef, error: StudioError) -> None:
        self.failed.emit(ref, error)
