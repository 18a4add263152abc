"""Joins what is about the artist's weight files: the library over all model folders, and its rows for the window."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.paths import RESOURCES, Folders, model_folders
from studio.core.settings import Settings

if TYPE_CHECKING:
    from PySide6.QtGui import QImage

    from studio.engine.intake.library import Library
    from studio.state.background import Background
    from studio.state.models_model import ModelsModel

PREVIEW_PX = 640
SCAN_AFTER_MS = 400  # when the window is painted and answers


def own_folders(settings: Settings) -> tuple[Path, ...]:
    """The folders that the artist pointed the studio at; damaged text is no folder."""
    try:
        names = json.loads(str(settings.get("model_folders")) or "[]")
    except ValueError:
        return ()
    return tuple(Path(name) for name in names if isinstance(name, str) and name) if isinstance(names, list) else ()


def folders_text(folders: Iterable[Path]) -> str:
    """As the setting “model_folders” keeps them."""
    return json.dumps([str(folder) for folder in folders], ensure_ascii=False)


def all_folders(folders: Folders, settings: Settings) -> tuple[Path, ...]:
    """What ships, the studio's own models folder, then the artist's."""
    return (*model_folders(folders), *own_folders(settings))


def make_library(folders: Folders, settings: Settings) -> Library:
    """The library over all model folders; nothing is walked yet."""
    from studio.engine.intake.library import Library

    return Library(all_folders(folders, settings), folders.root / "cache" / "models.json", ships=RESOURCES)


def make_models(library: Library, scans: Background, digests: Background) -> ModelsModel:
    """The rows of the model page."""
    from studio.state.models_model import ModelsModel

    return ModelsModel(library, scans, digests, _preview)


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
    """A small picture of one beside a model. It may come from anywhere, so it goes through the door for pictures."""
    from studio.gallery.intake import load
    from studio.state.images import image_of

    image = image_of(load(file).png)
    from PySide6.QtCore import Qt

    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return (
        image.scaled(PREVIEW_PX, PREVIEW_PX, keep, smooth) if max(image.width(), image.height()) > PREVIEW_PX else image
    )
