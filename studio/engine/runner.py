"""The engine thread: one queue, one loop. Saved before told; a failing job never stops the next. No Qt, no torch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from studio.core.errors import StudioError, in_words
from studio.core.events import (
    Cancelled,
    EngineEvent,
    Errand,
    ErrandFailed,
    Failed,
    Finished,
    Saving,
    Started,
    Stepped,
    Suggested,
)
from studio.core.library import Link
from studio.core.picture import Picture
from studio.core.recipe import Recipe
from studio.engine.journal import Journal
from studio.engine.protocol import Engine, Progress, RenderCancelled, Rendered
from studio.engine.saver import Saver
from studio.engine.spool import Spool

Save = Callable[[Rendered, Recipe, tuple[Link, ...]], Picture]
Post = Callable[[EngineEvent], None]
SAVE_SECONDS = 10.0  # what a disk is given at least to take the last pictures when the studio closes
Crumb = Callable[[str], None]  # told before each risky stretch ("decoding with mini"), so that a crash leaves its place


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A job on its way. `key` names it on disk, "" where nothing is kept; `again`: its latents are there already."""

    job_id: int
    recipe: Recipe
    parents: tuple[Link, ...] = ()
    key: str = ""
    again: bool = False


class Runner:
    """Runs recipes one after the other in one plain thread, and saves what they gave in another.

    `post` is called in those threads with each event. All other methods may be called from any thread and return at
    once. `journal` and `spool` keep on disk what is on its way; neither is needed to make pictures.
    State: `_waiting` (ordered), `_errands`, `_running`, `_cancelled` (asked to stop), all behind `_lock`.
    """

    def __init__(
        self,
        engine: Engine,
        save: Save,
        post: Post,
        journal: Journal | None = None,
        spool: Spool | None = None,
        crumb: Crumb | None = None,
    ) -> None:
        self._engine, self._save, self._post = engine, save, post
        self._journal, self._spool, self._crumb = journal, spool, crumb
        self._saver = Saver()
        self._lock = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._errands: list[Errand] = []
        self._running: int | None = None
        self._cancelled: set[int] = set()
        self._closing = False
        self._prepare = False
        self._thread = threading.Thread(target=self._loop, name="engine", daemon=True)
        self._thread.start()

    def prepare(self) -> None:
        """Load the libraries now rather than with the first job; EngineReady follows."""
        with self._lock:
            self._prepare = True
            self._lock.notify()

    def submit(self, job_id: int, recipe: Recipe, parents: tuple[Link, ...] = (), key: str = "") -> None:
        """Put a recipe at the end of the queue."""
        self._put(_Waiting(job_id, recipe, parents, key))

    def decode(self, job_id: int, recipe: Recipe, parents: tuple[Link, ...], key: str) -> None:
        """Put a job at the end of the queue whose latents are in the spool: only decoding is left of it."""
        self._put(_Waiting(job_id, recipe, parents, key, again=True))

    def ask(self, errand: Errand) -> None:
        """Let the engine thread run an errand before the next job; `Suggested` or `ErrandFailed` of its id follows."""
        with self._lock:
            self._errands.append(errand)
            self._lock.notify()

    def reorder(self, job_ids: Sequence[int]) -> None:
        """Bring the waiting jobs into this order; jobs not named keep their order at the end."""
        place = {job_id: i for i, job_id in enumerate(job_ids)}
        with self._lock:
            self._waiting.sort(key=lambda waiting: place.get(waiting.job_id, len(place)))

    def cancel(self, job_id: int) -> None:
        """Take a waiting job out, or stop the running one at its next step; Cancelled follows."""
        with self._lock:
            if self._running == job_id:
                self._cancelled.add(job_id)
                return
            taken = [waiting for waiting in self._waiting if waiting.job_id == job_id]
            self._waiting = [waiting for waiting in self._waiting if waiting.job_id != job_id]
        for waiting in taken:
            self._over(waiting.key)
            self._post(Cancelled(job_id=job_id))

    def close(self, seconds: float = 10.0) -> bool:
        """Drop what waits, stop what runs at its next step, save what is made, end the threads. False: not in time.

        For the journal, what waited still waits and what ran was interrupted.
        """
        until = time.monotonic() + seconds
        with self._lock:
            self._closing = True
            self._waiting.clear()
            self._errands.clear()
            if self._running is not None:
                self._cancelled.add(self._running)
            self._lock.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(seconds)
        saved = self._saver.close(max(SAVE_SECONDS, until - time.monotonic()))
        noted = self._journal is None or self._journal.close()
        return saved and noted and not self._thread.is_alive()

    def _put(self, waiting: _Waiting) -> None:
        with self._lock:
            self._waiting.append(waiting)
            self._lock.notify()

    def _loop(self) -> None:
        while True:
            with self._lock:
                self._lock.wait_for(lambda: bool(self._waiting or self._errands or self._closing or self._prepare))
                if self._closing:
                    break
                prepare, self._prepare = self._prepare, False
                errand = self._errands.pop(0) if self._errands and not prepare else None
                waiting = None if prepare or errand else self._waiting.pop(0)
                self._running = waiting.job_id if waiting else None
            if waiting is not None:
                self._run_one(waiting)
                with self._lock:
                    self._running = None
                    self._cancelled.discard(waiting.job_id)
            elif errand is not None:
                self._run_errand(errand)
            else:
                self._get_ready()
        self._engine.close()

    def _get_ready(self) -> None:
        try:
            self._post(self._engine.prepare())
        except BaseException as error:  # whatever the libraries throw, the thread must live and the artist must know
            self._post(Failed(job_id=0, error=_in_words(error)))

    def _run_errand(self, errand: Errand) -> None:
        try:
            texts = self._engine.suggest(errand)
        except BaseException as error:  # as in `run_one`
            self._post(ErrandFailed(id=errand.id, error=in_words(error, "There are no suggestions")))
            let_frames_go(error)
        else:
            self._post(Suggested(id=errand.id, texts=texts))

    def _run_one(self, waiting: _Waiting) -> None:
        """Render, hand to the saver. Every way out posts exactly one final event."""
        job_id = waiting.job_id
        self._tell_crumb(_place("starting", waiting.recipe))
        self._post(Started(job_id=job_id))
        if self._journal is not None and waiting.key:
            self._journal.started(waiting.key)
        try:
            rendered = self._made(waiting)
        except RenderCancelled:
            self._on_cancelled(waiting)
        except BaseException as error:  # also SystemExit and MemoryError out of foreign code: the queue goes on
            self._over(waiting.key)
            self._post(Failed(job_id=job_id, error=_in_words(error), undecoded=self._is_spooled(waiting)))
            let_frames_go(error)
        else:
            self._post(Saving(job_id=job_id))
            self._saver.put(partial(self._save_one, waiting, rendered))
        self._tell_crumb("")

    def _made(self, waiting: _Waiting) -> Rendered:
        phases = [""]

        def on_progress(progress: Progress) -> bool:
            if progress.phase != phases[0]:
                phases[0] = progress.phase
                self._tell_crumb(_place(progress.phase or "painting", waiting.recipe))
            if progress.undecoded is not None and self._spool is not None and waiting.key:
                self._spool.put(waiting.key, progress.undecoded, waiting.parents)
            return self._on_progress(waiting.job_id, progress)

        if waiting.again and self._spool is not None:
            return self._engine.decode(self._spool.read(waiting.key), on_progress)
        return self._engine.render(waiting.recipe, on_progress)

    def _on_cancelled(self, waiting: _Waiting) -> None:
        """The artist wants it no more, or the studio closes: then it was interrupted, and what there is of it is kept."""
        with self._lock:
            closing = self._closing
        if not closing:
            self._over(waiting.key)
            if self._spool is not None and waiting.key and not waiting.again:
                self._spool.remove(waiting.key)
        self._post(Cancelled(job_id=waiting.job_id))

    def _save_one(self, waiting: _Waiting, rendered: Rendered) -> None:
        """In the saver's thread: the file first, then the word; what was kept for the worst case goes last."""
        recipe = rendered.recipe or waiting.recipe
        try:
            picture = self._save(rendered, recipe, waiting.parents)
        except BaseException as error:  # as in `_run_one`; the job is not over: its latents and its picture are kept
            self._post(
                Failed(
                    job_id=waiting.job_id,
                    error=_in_words(error),
                    unsaved=rendered.pixels,
                    made_with=rendered.made_with,
                    recipe=rendered.recipe,
                    undecoded=self._is_spooled(waiting),
                )
            )
            let_frames_go(error)
        else:
            self._post(Finished(job_id=waiting.job_id, picture=picture, reused=rendered.reused))
            self._over(waiting.key)
            if self._spool is not None and waiting.key:
                self._spool.remove(waiting.key)

    def _over(self, key: str) -> None:
        if self._journal is not None and key:
            self._journal.over(key)

    def _is_spooled(self, waiting: _Waiting) -> bool:
        return self._spool is not None and bool(waiting.key) and self._spool.has(waiting.key)

    def _tell_crumb(self, words: str) -> None:
        if self._crumb is not None:
            self._crumb(words)

    def _on_progress(self, job_id: int, progress: Progress) -> bool:
        with self._lock:
            if job_id in self._cancelled:
                return False
        self._post(
            Stepped(
                job_id=job_id,
                step=progress.step,
                steps=progress.steps,
                seconds=progress.seconds,
                phase=progress.phase,
                preview=progress.preview,
            )
        )
        return True


def let_frames_go(error: BaseException) -> None:
    """Take the traces from an error and from those that it was made of: the window keeps it, and frames hold tensors."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            waiting += [one.__cause__, one.__context__]


def _place(phase: str, recipe: Recipe) -> str:
    """Where a job has come to, for a crash report: "loading mini", "decoding with mini"."""
    name = recipe.model.name
    return phase if name in phase else f"{phase} with {name}"


def _in_words(error: BaseException) -> StudioError:
    return in_words(error, "The picture could not be made", "The queue goes on; copy the details to report it.")
