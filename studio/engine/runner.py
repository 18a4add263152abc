"""The engine thread: one queue, one loop. Saves before telling; a failing job never stops the next. No Qt, no torch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from studio.core.errors import StudioError, in_words
from studio.core.events import (
    Cancelled,
    EngineEvent,
    Errand,
    ErrandFailed,
    Failed,
    Finished,
    Started,
    Stepped,
    Suggested,
)
from studio.core.picture import Picture
from studio.core.recipe import Recipe
from studio.engine.protocol import Engine, Progress, RenderCancelled, Rendered

Save = Callable[[Rendered, Recipe], Picture]
Post = Callable[[EngineEvent], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    job_id: int
    recipe: Recipe


class Runner:
    """Runs recipes one after the other in one plain thread.

    `post` is called in that thread with each event. All other methods may be called from any thread and return at once.
    State: `_waiting` (ordered), `_errands`, `_running`, `_cancelled` (asked to stop), all behind `_lock`.
    """

    def __init__(self, engine: Engine, save: Save, post: Post) -> None:
        self._engine, self._save, self._post = engine, save, post
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

    def submit(self, job_id: int, recipe: Recipe) -> None:
        """Put a recipe at the end of the queue."""
        with self._lock:
            self._waiting.append(_Waiting(job_id, recipe))
            self._lock.notify()

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
            before = len(self._waiting)
            self._waiting = [waiting for waiting in self._waiting if waiting.job_id != job_id]
            if len(self._waiting) == before:
                return
        self._post(Cancelled(job_id=job_id))

    def close(self, seconds: float = 10.0) -> bool:
        """Drop what waits, stop what runs at its next step, end the thread. False if it did not end in time."""
        with self._lock:
            self._closing = True
            self._waiting.clear()
            self._errands.clear()
            if self._running is not None:
                self._cancelled.add(self._running)
            self._lock.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(seconds)
        return not self._thread.is_alive()

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
                self.run_one(waiting.job_id, waiting.recipe)
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
            error.__traceback__ = None
        else:
            self._post(Suggested(id=errand.id, texts=texts))

    def run_one(self, job_id: int, recipe: Recipe) -> None:
        """Render, save, tell - in this order. Every way out posts exactly one final event."""
        self._post(Started(job_id=job_id))
        rendered: Rendered | None = None
        try:
            rendered = self._engine.render(recipe, lambda progress: self._on_progress(job_id, progress))
            picture = self._save(rendered, rendered.recipe or recipe)
        except RenderCancelled:
            self._post(Cancelled(job_id=job_id))
        except BaseException as error:  # also SystemExit and MemoryError out of foreign code: the queue goes on
            self._post(_failed(job_id, error, rendered))
            error.__traceback__ = None  # its frames hold tensors
        else:
            self._post(Finished(job_id=job_id, picture=picture, reused=rendered.reused))

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


def _failed(job_id: int, error: BaseException, rendered: Rendered | None) -> Failed:
    if rendered is None:
        return Failed(job_id=job_id, error=_in_words(error))
    return Failed(
        job_id=job_id,
        error=_in_words(error),
        unsaved=rendered.pixels,
        made_with=rendered.made_with,
        recipe=rendered.recipe,
    )


def _in_words(error: BaseException) -> StudioError:
    return in_words(error, "The picture could not be made", "The queue goes on; copy the details to report it.")
