"""The one door for pictures that are dropped, pasted or opened: checked here, read and decoded off the UI thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QUrl, Signal
from PySide6.QtGui import QImage

from studio.core.errors import BadInputImage, StudioError
from studio.core.recipe import ImageRef, Recipe
from studio.state.background import Background
from studio.state.images import png_of

NOTHING_CHANGED = "Save it to this computer and drop the file; nothing was changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """An input picture that is kept now. `invert`: it is a dark drawing on white; `note` says what was done to it."""

    ref: ImageRef
    invert: bool = False
    note: str = ""


AddInput = Callable[[bytes | Path], Added]  # these two are called in the background and raise StudioError
RecipeOf = Callable[[Path], Recipe]


class InputIntake(QObject):
    """Takes pictures in. Every method returns at once; one signal follows for each call.

    Signals: `added(Added)`; `seed_found(int)`, the seed of the recipe in a picture; `failed(StudioError)`.
    """

    added = Signal(object)
    seed_found = Signal(object)  # never Signal(int): a seed of 2**32-1 would arrive as -1
    failed = Signal(object)

    def __init__(
        self, add: AddInput, recipe_of: RecipeOf, background: Background, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._add, self._recipe_of, self._background = add, recipe_of, background

    def add_file(self, path: Path) -> None:
        """Keep a picture file as an input picture."""
        self._run(partial(self._add, path), self.added.emit)

    def add_bytes(self, data: bytes) -> None:
        """Keep an encoded picture (PNG, JPEG, ...)."""
        self._run(partial(self._add, data), self.added.emit)

    def add_image(self, image: QImage) -> None:
        """Keep a picture from the clipboard."""
        add, own = self._add, QImage(image)  # shared until either side writes: the thread may read it
        self._run(lambda: add(png_of(own)), self.added.emit)

    def keep(
        self,
        source: bytes | Path | QImage,
        done: Callable[[Added], None],
        failed: Callable[[StudioError], None],
    ) -> None:
        """Keep a picture for whoever asks: `done` or `failed` is called, no signal follows."""
        add = self._add
        if isinstance(source, QImage):
            own = QImage(source)
            self._background.run(lambda: add(png_of(own)), done, failed)
        else:
            self._background.run(partial(add, source), done, failed)

    def add_url(self, url: QUrl) -> None:
        """Keep a dropped file; anything that is not a file on this computer is refused in words."""
        self._with_file(url, self.add_file)

    def take_seed(self, path: Path) -> None:
        """Read the seed in a picture; `seed_found` follows."""
        self._run(partial(self._recipe_of, path), lambda recipe: self.seed_found.emit(recipe.seed))

    def take_seed_url(self, url: QUrl) -> None:
        """As `take_seed` for a dropped file."""
        self._with_file(url, self.take_seed)

    def _with_file(self, url: QUrl, use: Callable[[Path], None]) -> None:
        try:
            path = local_file(url)
        except StudioError as error:
            self.failed.emit(error)
        else:
            use(path)

    def _run(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:  # Any: Added or Recipe
        self._background.run(work, done, self.failed.emit)


def local_file(url: QUrl) -> Path:
    """The path of a file URL on this computer. Raises `BadInputImage` for web addresses, data URLs and other hosts.

    `QUrl.isLocalFile()` is also true for file://server/share, which would make the computer call that server.
    """
    if url.scheme().lower() != "file":
        raise BadInputImage(
            "Only files on this computer can be dropped here.", NOTHING_CHANGED, url.toDisplayString()[:500]
        )
    path = url.toLocalFile() if not url.host() else url.path() if url.host().lower() == "localhost" else ""
    if not path or path.replace("\\", "/").startswith("//") or "\x00" in path:
        raise BadInputImage(
            "This file lies on another computer and was not opened.", NOTHING_CHANGED, url.toDisplayString()[:500]
        )
    return Path(path)
