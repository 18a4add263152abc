"""Where the artist's weight files lie, and the library over all of it; for the window and for the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from studio.core.paths import RESOURCES, Folders, model_folders
from studio.core.settings import Settings
from studio.engine.intake.library import Library
from studio.engine.intake.said import NAME, Said


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


class FilePlaces:
    """Where the artist's files lie, as the settings say each time it is gone through: a folder that was added reaches
    everyone who holds this, plugins included, without a restart."""

    def __init__(self, settings: Settings, *others: Path) -> None:
        self._settings, self._others = settings, others

    def __iter__(self) -> Iterator[Path]:
        return iter((*self._others, *own_folders(self._settings)))


def make_library(folders: Folders, settings: Settings) -> Library:
    """The library over all model folders; nothing is walked yet."""
    return Library(
        all_folders(folders, settings),
        folders.root / "cache" / "models.json",
        ships=RESOURCES,
        said=Said(folders.root / NAME),
    )
