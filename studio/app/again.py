"""Joins what brings a picture back - restore, verify, family - to the gallery: what app.py hands to their state.

Holds no logic of its own. What each needs of the gallery is imported when it first works, in the thread that works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from studio.core.installed import Installed
from studio.core.paths import Folders
from studio.core.recipe import Recipe
from studio.core.settings import Settings
from studio.engine.intake.places import FilePlaces
from studio.state.background import Background
from studio.state.draft_model import DraftModel
from studio.state.family import FamilyModel
from studio.state.job_queue import JobQueue
from studio.state.models_model import ModelsModel
from studio.state.plugins_model import PluginsModel
from studio.state.restore import Restorer
from studio.state.verify import Verifier

if TYPE_CHECKING:
    from studio.core.family_tree import Family
    from studio.core.picture import Picture
    from studio.core.verify import Verification
    from studio.engine import Engine
    from studio.gallery.store import GalleryStore


def make_restorer(
    folders: Folders,
    store: GalleryStore,
    settings: Settings,
    draft: DraftModel,
    plugins: PluginsModel,
    models: Callable[[], tuple[Installed, ...]],
    background: Background,
) -> Restorer:
    """Restoring from the library, and from files of anybody's."""
    return Restorer(
        draft,
        store.found_in,
        partial(_lost_of, store),
        background,
        models=models,
        plugins=lambda: plugins.infos if plugins.known else None,
        file_folders=FilePlaces(settings, folders.models, folders.files),
        always_ask=lambda: settings.get("restore_list") == "always",
    )


def make_verifier(
    queue: JobQueue, engine: Engine, background: Background, models: Callable[[], tuple[Installed, ...]]
) -> Verifier:
    """Making pictures again; an engine that keeps its last picture is told to let go of it."""
    return Verifier(queue, _compare, background, getattr(engine, "forget", _nothing), models)


def make_family(store: GalleryStore, background: Background) -> FamilyModel:
    """The families of the library's pictures."""
    return FamilyModel(partial(_family_of, store), background)


def known_models(files: ModelsModel, names: Iterable[str]) -> Callable[[], tuple[Installed, ...]]:
    """The base models that are here with their digests, as far as they are known; `names` until they were looked for."""
    at_first = tuple(Installed(name=name) for name in names)
    return lambda: files.installed() if files.known else at_first


def _lost_of(store: GalleryStore, recipe: Recipe) -> tuple[str, ...]:
    from studio.gallery.foreign.found import lost_of

    return lost_of(recipe, store.inputs)


def _compare(picture: Picture, again: Picture) -> Verification:
    from studio.core.verify import verify
    from studio.gallery.png import pixels_of

    stored, fresh = pixels_of(picture.file), pixels_of(again.file)
    return verify(stored, picture.recipe, picture.made_with, fresh, again.recipe, again.made_with)


def _family_of(store: GalleryStore, picture_id: str) -> Family:
    from studio.core.family_tree import gather, without_trash

    family = gather(picture_id, store.get_many, store.children)
    trash = store.folders.trash
    return without_trash(family, [picture.id for picture in family.members if picture.file.is_relative_to(trash)])


def _nothing() -> None:
    """An engine that keeps nothing."""
