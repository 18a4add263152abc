"""Joins what the window has of the artist's weight files: the rows of the model page and the downloads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.paths import Folders
from studio.core.settings import Settings
from studio.engine.intake.places import all_folders, folders_text

if TYPE_CHECKING:
    from PySide6.QtGui import QImage

    from studio.engine.intake.library import Library
    from studio.state.background import Background
    from studio.state.models_downloads import Downloads
    from studio.state.models_model import ModelsModel

PREVIEW_PX, PREVIEW_PIXELS_MAX = 640, 50_000_000
SCAN_AFTER_MS = 400  # when the window is painted and answers


def make_models(library: Library, scans: Background, digests: Background) -> ModelsModel:
    """The rows of the model page."""
    from studio.state.models_model import ModelsModel

    return ModelsModel(library, scans, digests, _preview)


class BaseNames:
    """The names of all base models as they are now, each time it is gone through; `first` until they are known."""

    def __init__(self, models: ModelsModel, first: tuple[str, ...]) -> None:
        self._models, self._first = models, first

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(file.name for file in self._models.bases()) or self._first)


def make_downloads(folders: Folders, settings: Settings, asks: Background, lines: Background) -> Downloads:
    """Downloads into the studio's own models folder; the artist's settings are asked each time."""
    from studio.engine.hub.tokens import TokenSafe
    from studio.state.models_downloads import Downloads

    return Downloads(
        folders.models,
        folders.root / "downloads.json",
        TokenSafe(folders.root / "hub-token"),
        lambda: bool(settings.get("offline")),
        lambda: str(settings.get("hub_endpoint")),
        asks,
        lines,
    )


def look_elsewhere(
    folders: Folders, settings: Settings, save: Callable[[], None], models: ModelsModel, own: tuple[Path, ...]
) -> None:
    """Keep the artist's list of folders and look there."""
    settings.set("model_folders", folders_text(own))
    save()
    models.set_folders(all_folders(folders, settings))


def elsewhere(
    folders: Folders, settings: Settings, save: Callable[[], None], models: ModelsModel
) -> Callable[[tuple[Path, ...]], None]:
    """`look_elsewhere` for one window."""
    return partial(look_elsewhere, folders, settings, save, models)


def _preview(file: Path) -> QImage:
    """A small picture of one beside a model. It may come from anywhere: three formats, no giants. Raises `BadInputImage`."""
    from PIL import Image

    from studio.core.errors import BadInputImage
    from studio.core.pixels import Pixels
    from studio.state.images import image_of

    try:
        with Image.open(file, formats=["PNG", "JPEG", "WEBP"]) as image:
            if image.width * image.height > PREVIEW_PIXELS_MAX:
                raise ValueError("too many pixels")
            image.draft("RGB", (PREVIEW_PX, PREVIEW_PX))
            image.thumbnail((PREVIEW_PX, PREVIEW_PX), Image.Resampling.BILINEAR, reducing_gap=2.0)
            small = image.convert("RGB")
    except Exception as error:  # decoders raise anything on damaged bytes
        raise BadInputImage("The picture beside a model cannot be shown.", "", repr(error)) from None
    return image_of(Pixels(width=small.width, height=small.height, data=small.tobytes()))
