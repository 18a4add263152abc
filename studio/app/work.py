"""Joins the queue to the engine, to the store that saves, and to what keeps it over a restart. For app.py."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from studio.core.errors import StorageProblem
from studio.core.job import Kept
from studio.core.library import Link
from studio.core.paths import Folders
from studio.core.session import NOTHING_BEFORE, Before, Session
from studio.engine import Engine, Rendered, Runner
from studio.engine.journal import Journal, left_over
from studio.engine.spool import Spool
from studio.gallery.store import GalleryStore
from studio.state.aftermath import read_only_words
from studio.state.background import Background
from studio.state.job_queue import JobQueue
from studio.state.messages import Messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from studio.core.events import Failed
    from studio.core.library_lock import Holder
    from studio.core.picture import Picture
    from studio.core.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How this start differs from any other. `safe_mode`: no plugin, default settings, the processor, no model at once.

    `before` is how the last one ended, `session` takes note of this one, `holder` has the library open: then this
    window may only look.
    """

    safe_mode: bool = False
    before: Before = NOTHING_BEFORE
    session: Session | None = None
    holder: Holder | None = None


def make_queue(
    folders: Folders, engine: Engine, store: GalleryStore, messages: Messages, files: Background, opening: Opening
) -> JobQueue:
    """The queue with what keeps it over restarts; a window that may only look keeps and queues nothing."""
    crumb = opening.session.at if opening.session is not None else None
    make_runner = partial(Runner, engine, partial(_save, store), crumb=crumb)
    if opening.holder is not None:
        queue = JobQueue(make_runner)
        queue.refusal = StorageProblem(*read_only_words(opening.holder))
        messages.error(queue.refusal)
        return queue
    journal, spool = Journal(folders.queue, messages.error), Spool(folders.spool)
    queue = JobQueue(
        partial(make_runner, journal=journal, spool=spool),
        save_again=partial(_save_again, store),
        background=files,
        journal=journal,
        spool=spool,
    )

    files.run(partial(left_over, journal, spool, partial(_is_saved, store, cache(store.finish_saves))), queue.restore)
    return queue


def _is_saved(store: GalleryStore, finish_saves: Callable[[], None], job: Kept) -> bool:
    """Whether the end of the studio came between a picture and the word that it is saved.

    It may have come between its last byte and its name: such a save is finished first, or it would be made twice.
    """
    from studio.gallery.just_saved import was_saved

    finish_saves()
    return was_saved(store.folders, job.recipe, job.since)


def _save(store: GalleryStore, rendered: Rendered, recipe: Recipe, parents: tuple[Link, ...]) -> Picture:
    return store.add(rendered.pixels, recipe, rendered.made_with, parents)


def _save_again(store: GalleryStore, failed: Failed, recipe: Recipe, parents: tuple[Link, ...]) -> Picture:
    if failed.unsaved is None or failed.made_with is None:
        raise StorageProblem("There is nothing to save again.")
    return store.add(failed.unsaved, failed.recipe or recipe, failed.made_with, parents)
