"""The queue of jobs as the window sees it, and the only door to the engine thread."""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from studio.core.draft import Draft, expand
from studio.core.errors import StorageProblem, StudioError
from studio.core.events import (
    EngineEvent,
    EngineReady,
    ErrandFailed,
    Failed,
    Finished,
    JobEvent,
    Stepped,
    Suggest,
    Suggested,
)
from studio.core.family import parents_of
from studio.core.job import Job, JobState, Kept, advance, ask_to_cancel
from studio.core.library import Link
from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.core.recipe import PluginUse, Recipe
from studio.state.inbox import EventInbox

if TYPE_CHECKING:
    from studio.engine.journal import Journal
    from studio.engine.runner import Runner
    from studio.engine.spool import Spool
    from studio.state.background import Background

FINISHED_KEPT = 100
PATIENCE_MS = 20_000  # a step of a large model on a slow machine takes long, but not that long
MakeRunner = Callable[[Callable[[EngineEvent], None]], "Runner"]
SaveAgain = Callable[[Failed, Recipe, tuple[Link, ...]], Picture]  # called in a background thread; raises StudioError


class JobQueue(QObject):
    """All jobs of this session. All methods but `post` belong to the UI thread.

    Mutable state: `_jobs` (by id, oldest first), `_waiting` (ids in the order they will run), `_held` (ids that came
    back after a restart and wait for `go_on`), `_unsaved` (failures that still hold their picture), `_saving` (those of
    them being saved). While `refusal` is set, nothing can be queued: it is raised instead.

    Signals: `jobs_changed()` - jobs came, went, moved or changed state; `progressed(Job)`, at most ten times a second;
    `previewed(Pixels)` of the running job; `picture_added(Picture)`, safely on disk; `job_failed(Job)`: `job.error`;
    `engine_ready(EngineReady)`; `engine_failed(StudioError)`, the libraries could not be loaded; `cancel_stalled(Job)`,
    the engine has not answered a cancel for 20 s; `suggested(int, tuple of str)` and `errand_failed(int, StudioError)`,
    the answer to `suggest`.
    """

    jobs_changed = Signal()
    progressed = Signal(object)
    previewed = Signal(object)
    picture_added = Signal(object)
    job_failed = Signal(object)
    engine_ready = Signal(object)
    engine_failed = Signal(object)
    cancel_stalled = Signal(object)
    suggested = Signal(int, object)
    errand_failed = Signal(int, object)

    def __init__(
        self,
        make_runner: MakeRunner,
        rng: random.Random | None = None,
        save_again: SaveAgain | None = None,
        background: Background | None = None,
        journal: Journal | None = None,
        spool: Spool | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.refusal: StudioError | None = None
        self._rng = rng or random.Random()
        self._save_again, self._background = save_again, background
        self._journal, self._spool = journal, spool
        self._ids = itertools.count(1)  # 0 is the engine's own preparation
        self._jobs: dict[int, Job] = {}
        self._waiting: list[int] = []
        self._held: list[int] = []
        self._unsaved: dict[int, Failed] = {}
        self._saving: set[int] = set()
        self._engine: EngineReady | None = None
        self._patience_ms = PATIENCE_MS
        self._closed = False
        self._inbox = EventInbox(self)
        self._inbox.arrived.connect(self._take)
        self._runner = make_runner(self.post)

    @property
    def jobs(self) -> tuple[Job, ...]:
        """Oldest first; of the finished ones the last 100."""
        return tuple(self._jobs.values())

    @property
    def running(self) -> Job | None:
        states = (JobState.RUNNING, JobState.CANCELLING)
        return next((job for job in self._jobs.values() if job.state in states), None)

    @property
    def waiting(self) -> tuple[Job, ...]:
        """In the order they will run."""
        return tuple(self._jobs[job_id] for job_id in self._waiting)

    @property
    def held(self) -> tuple[Job, ...]:
        """Jobs of an earlier session that wait for the artist's word, in their order."""
        return tuple(self._jobs[job_id] for job_id in self._held)

    @property
    def engine(self) -> EngineReady | None:
        """What the engine runs on, once it has said so."""
        return self._engine

    @property
    def unsaved_jobs(self) -> tuple[Job, ...]:
        """Jobs whose picture is made but not on disk: ask before closing."""
        return tuple(self._jobs[job_id] for job_id in self._unsaved)

    def prepare(self) -> None:
        """Load the engine's libraries now; `engine_ready` or `engine_failed` follows."""
        self._runner.prepare()

    def submit(self, draft: Draft) -> tuple[Job, ...]:
        """Queue all pictures of a draft. Raises `BadRecipe` before anything is queued."""
        return self._enqueue((recipe, parents_of(draft, recipe)) for recipe in expand(draft, self._rng))

    def submit_recipe(self, recipe: Recipe, parents: tuple[Link, ...] = ()) -> Job:
        """Queue one recipe as it is."""
        return self._enqueue([(recipe, parents)])[0]

    def submit_recipes(self, recipes: Iterable[Recipe]) -> tuple[Job, ...]:
        """Queue recipes as they are, in this order. Raises `StudioError` before anything is queued."""
        return self._enqueue((recipe, ()) for recipe in recipes)

    def restore(self, left: Iterable[Kept]) -> None:
        """Take in what earlier sessions left: what waited is held until `go_on`, what ran was interrupted."""
        for kept in left:
            state = JobState.INTERRUPTED if kept.started else JobState.HELD
            job = Job(
                id=next(self._ids),
                recipe=kept.recipe,
                parents=kept.parents,
                key=kept.key,
                state=state,
                undecoded=kept.undecoded,
            )
            self._jobs[job.id] = job
            if state is JobState.HELD:
                self._held.append(job.id)
        self.jobs_changed.emit()

    def go_on(self, job_id: int | None = None) -> None:
        """Let what is held run: one job, or all."""
        for held in [job_id] if job_id is not None else list(self._held):
            if held not in self._held or self.refusal is not None:
                continue
            self._held.remove(held)
            job = replace(self._jobs[held], state=JobState.QUEUED)
            self._jobs[held] = job
            self._waiting.append(held)
            self._runner.submit(job.id, job.recipe, job.parents, job.key)
        self.jobs_changed.emit()

    def run_again(self, job_id: int) -> None:
        """Queue the same recipe once more; an interrupted job of which nothing else is kept makes room for it."""
        job = self._jobs.get(job_id)
        if job is None or not job.state.is_final:
            return
        self._enqueue([(job.recipe, job.parents)])
        if job.state is JobState.INTERRUPTED and not job.undecoded:
            self.forget(job_id)

    def decode_again(self, job_id: int) -> None:
        """Make the picture of latents that are kept of a job; it takes its place at the end of the queue."""
        job = self._jobs.get(job_id)
        if job is None or not job.state.is_final or not job.undecoded or self.refusal is not None:
            return
        if job_id in self._saving:  # the picture is on its way to the disk already
            return
        self._unsaved.pop(job_id, None)
        self._jobs[job_id] = replace(job, state=JobState.QUEUED, error=None, step=0, seconds=0.0)
        self._waiting.append(job_id)
        self._runner.decode(job.id, job.recipe, job.parents, job.key)
        self.jobs_changed.emit()

    def forget(self, job_id: int) -> None:
        """Take a job that ended off the list, with what is kept of it on disk. A picture in memory stays."""
        job = self._jobs.get(job_id)
        if job is not None and job.state.is_final and job_id not in self._unsaved:
            del self._jobs[job_id]
            self._clear_disk(job)
            self.jobs_changed.emit()

    def suggest(self, use: PluginUse, prompt: str, seed: int, count: int) -> int:
        """Ask a prompt tool for texts, between two jobs; `suggested` or `errand_failed` follows with this number."""
        errand = Suggest(id=next(self._ids), use=use, prompt=prompt, seed=seed, count=count)
        self._runner.ask(errand)
        return errand.id

    def cancel(self, job_id: int) -> None:
        """Take a waiting job out, or stop the running one at its next step. It says so at once."""
        self._cancel([job_id])

    def cancel_jobs(self, job_ids: Iterable[int]) -> None:
        """As `cancel`, of several: the one that would run last comes first, so that none starts in between."""
        self._cancel(list(job_ids))

    def cancel_current(self) -> None:
        """Stop the running job."""
        if self.running is not None:
            self._cancel([self.running.id])

    def cancel_all(self) -> None:
        """Stop the running job and take all others out."""
        # from the back, so that the engine does not start the next one in between
        self._cancel([job.id for job in reversed((*filter(None, (self.running,)), *self.waiting, *self.held))])

    def move(self, job_id: int, to: int) -> None:
        """Bring a waiting job to place `to` (0 runs next) among the waiting ones."""
        if job_id not in self._waiting:
            return
        self._waiting.remove(job_id)
        self._waiting.insert(max(0, to), job_id)
        self._runner.reorder(self._waiting)
        if self._journal is not None:
            self._journal.order([job.key for job in (*self.waiting, *self.held)])
        self.jobs_changed.emit()

    def clear_finished(self) -> None:
        """Forget the jobs that ended, except those whose picture is not saved or not decoded yet."""
        for job in [job for job in self._jobs.values() if job.state is JobState.INTERRUPTED and not job.undecoded]:
            self.forget(job.id)
        self._keep_finished(0)
        self.jobs_changed.emit()

    def unsaved(self, job_id: int) -> Pixels | None:
        """The picture of a job that was made but could not be saved."""
        failed = self._unsaved.get(job_id)
        return failed.unsaved if failed else None

    def retry_save(self, job_id: int) -> None:
        """Try again to save such a picture; `picture_added` or `job_failed` follows."""
        failed = self._unsaved.get(job_id)
        if failed is None or job_id in self._saving or self._save_again is None or self._background is None:
            return
        self._saving.add(job_id)
        job = self._jobs[job_id]
        work = partial(self._save_again, failed, job.recipe, job.parents)
        self._background.run(work, partial(self._on_saved, job_id), partial(self._on_not_saved, job_id))

    def post(self, event: EngineEvent) -> None:
        """Hand in an event of the engine. Any thread."""
        self._inbox.post(event)

    def close(self, seconds: float = 5.0) -> bool:
        """Stop the running job at its next step, save what is made, keep the rest for the next start, end the threads.

        False if that took too long.
        """
        self._closed = True
        self._inbox.close()
        return self._runner.close(seconds)

    def _enqueue(self, wished: Iterable[tuple[Recipe, tuple[Link, ...]]]) -> tuple[Job, ...]:
        if self.refusal is not None:
            raise self.refusal
        jobs = tuple(
            Job(id=next(self._ids), recipe=recipe, parents=parents, key=secrets.token_hex(8))
            for recipe, parents in wished
        )
        if self._journal is not None:
            self._journal.add(Kept(key=job.key, recipe=job.recipe, parents=job.parents) for job in jobs)
        for job in jobs:
            self._jobs[job.id] = job
            self._waiting.append(job.id)
            self._runner.submit(job.id, job.recipe, job.parents, job.key)
        self.jobs_changed.emit()
        return jobs

    def _cancel(self, job_ids: list[int]) -> None:
        for job_id in job_ids:
            self._runner.cancel(job_id)
        self._inbox.take()  # a job that was still waiting has its Cancelled here by now
        for job_id in job_ids:
            job = self._jobs.get(job_id)
            if job is None or job.state.is_final:
                continue
            if job.state is JobState.HELD:  # the engine has never heard of it
                self._set(ask_to_cancel(job))
                self._clear_disk(job)
            elif job.state is not JobState.SAVING:
                # The engine has taken it, even if Started is not here yet: so it is cancelling, not cancelled.
                self._set(ask_to_cancel(replace(job, state=JobState.RUNNING)))
                QTimer.singleShot(self._patience_ms, self, partial(self._look_after, job_id))
        self.jobs_changed.emit()

    def _clear_disk(self, job: Job) -> None:
        """Nothing of this job is wanted after a restart."""
        if self._journal is not None:
            self._journal.over(job.key)
        if self._spool is not None and self._background is not None and job.undecoded:
            self._background.run(partial(self._spool.remove, job.key), lambda _: None)

    def _look_after(self, job_id: int) -> None:
        job = self._jobs.get(job_id)
        if job is not None and job.state is JobState.CANCELLING and not self._closed:
            self.cancel_stalled.emit(job)

    def _take(self, events: tuple[EngineEvent, ...]) -> None:
        changed = False
        for event in events:
            if isinstance(event, EngineReady):
                self._engine = event
                self.engine_ready.emit(event)
            elif isinstance(event, Failed) and event.job_id == 0:
                self.engine_failed.emit(event.error)
            elif isinstance(event, Suggested):
                self.suggested.emit(event.id, event.texts)
            elif isinstance(event, ErrandFailed):
                self.errand_failed.emit(event.id, event.error)
            else:
                changed = self._take_job_event(event) or changed
        if changed:
            self._keep_finished(FINISHED_KEPT)
            self.jobs_changed.emit()

    def _take_job_event(self, event: JobEvent) -> bool:
        """Whether the job changed its state."""
        before = self._jobs.get(event.job_id)
        changed = False
        if before is not None and not before.state.is_final:
            job = advance(before, event)
            self._set(job)
            self._tell(job, event)
            changed = job.state is not before.state
        if isinstance(event, Finished):  # it is on disk, whatever became of the job here
            self.picture_added.emit(event.picture)
        return changed

    def _tell(self, job: Job, event: JobEvent) -> None:
        if isinstance(event, Stepped):
            self.progressed.emit(job)
            if event.preview is not None and job.state is JobState.RUNNING:
                self.previewed.emit(event.preview)
        elif isinstance(event, Failed):
            if event.unsaved is not None:
                self._unsaved[job.id] = event
            self.job_failed.emit(job)

    def _set(self, job: Job) -> None:
        self._jobs[job.id] = job
        if job.state is not JobState.QUEUED and job.id in self._waiting:
            self._waiting.remove(job.id)
        if job.state is not JobState.HELD and job.id in self._held:
            self._held.remove(job.id)

    def _keep_finished(self, count: int) -> None:
        kept = (JobState.INTERRUPTED,)
        over = (job for job in self._jobs.values() if job.state.is_final and job.state not in kept)
        ended = [job.id for job in over if job.id not in self._unsaved and not job.undecoded]
        for job_id in ended[: max(0, len(ended) - count)]:
            del self._jobs[job_id]

    def _on_saved(self, job_id: int, picture: Picture) -> None:
        self._saving.discard(job_id)
        del self._unsaved[job_id]
        job = self._jobs[job_id]
        self._clear_disk(job)
        done = replace(job, state=JobState.DONE, step=job.recipe.steps, picture=picture, error=None)
        self._jobs[job_id] = replace(done, undecoded=False)
        self.picture_added.emit(picture)
        self.jobs_changed.emit()

    def _on_not_saved(self, job_id: int, error: StudioError) -> None:
        self._saving.discard(job_id)
        if not isinstance(error, StorageProblem):
            error = StorageProblem("The picture could still not be saved.", "It is kept in memory.", error.detail)
        self._jobs[job_id] = replace(self._jobs[job_id], error=error)
        self.job_failed.emit(self._jobs[job_id])
        self.jobs_changed.emit()
