"""Joins what brings a picture back - restore, verify, family - to the gallery: what app.py hands to their state.

Holds no logic of its own. What each needs of the gallery is imported when it first works, in the thread that works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.found import Found
from studio.core.installed import Installed
from studio.core.paths import Folders
from studio.core.recipe import Recipe
from studio.core.settings import Settings
from studio.state.background import Background
from studio.state.draft_model import DraftModel
from studio.state.plugins_model import PluginsModel
from studio.state.restore import Restorer

if TYPE_CHECKING:
    from studio.gallery.foreign.door import AskPlugins
    from studio.gallery.store import GalleryStore


def make_restorer(
    folders: Folders,
    store: GalleryStore,
    settings: Settings,
    draft: DraftModel,
    plugins: PluginsModel,
    models: Callable[[], tuple[Installed, ...]],
    background: Background,
    ask_plugins: AskPlugins | None = None,
) -> Restorer:
    """Restoring from the library, and from files of anybody's."""
    return Restorer(
        draft,
        partial(_found_in, store, ask_plugins),
        partial(_lost_of, store),
        background,
        models=models,
        plugins=lambda: plugins.infos if plugins.known else None,
        file_folders=(folders.models, folders.files),
        always_ask=lambda: settings.get("restore_list") == "always",
    )


def by_name(names: Iterable[str]) -> Callable[[], tuple[Installed, ...]]:
    """Models of which only the names are known."""
    installed = tuple(Installed(name=name) for name in names)
    return lambda: installed


def _found_in(store: GalleryStore, ask_plugins: AskPlugins | None, file: Path) -> Found:
    from studio.gallery.foreign.found import found_in

    return found_in(file, store.inputs, ask_plugins)


def _lost_of(store: GalleryStore, recipe: Recipe) -> tuple[str, ...]:
    from studio.gallery.foreign.found import lost_of

    return lost_of(recipe, store.inputs)
