"""A job and its states: the only state machine, pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from studio.core.errors import StudioError
from studio.core.events import Cancelled, Failed, Finished, JobEvent, Saving, Started, Stepped
from studio.core.library import Link
from studio.core.picture import Picture
from studio.core.recipe import Recipe


class JobState(StrEnum):
    """Where a job stands; the last four are final.

    HELD waited when the studio closed and waits for the artist's word now; INTERRUPTED was running then, and is never
    run again by itself: it may be what ended the studio.
    """

    QUEUED = "queued"
    HELD = "held"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SAVING = "saving"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"

    @property
    def is_final(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED, JobState.INTERRUPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A job as the disk keeps it. `key` is its name there, the same over all restarts.

    `started`: the engine had begun it, `since` (seconds since 1970). `undecoded`: its latents are in the spool.
    """

    key: str
    recipe: Recipe
    parents: tuple[Link, ...] = ()
    started: bool = False
    since: float = 0.0
    undecoded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One recipe on its way. `seconds` counts from the first step; `parents` are the pictures it comes from.

    `key` names it on disk. `undecoded`: its latents are kept there, so that it can be decoded again.
    """

    id: int
    recipe: Recipe
    state: JobState = JobState.QUEUED
    step: int = 0
    seconds: float = 0.0
    phase: str = ""
    picture: Picture | None = None
    error: StudioError | None = None
    parents: tuple[Link, ...] = ()
    key: str = ""
    undecoded: bool = False

    @property
    def steps_per_second(self) -> float:
        return self.step / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float:
        """Estimate from the steps done so far; 0 when nothing is known."""
        rate = self.steps_per_second
        return (self.recipe.steps - self.step) / rate if rate > 0 else 0.0


def ask_to_cancel(job: Job) -> Job:
    """What the job is at once when the artist cancels it."""
    if job.state in (JobState.QUEUED, JobState.HELD):
        return replace(job, state=JobState.CANCELLED)
    if job.state.is_final or job.state is JobState.SAVING:  # a picture that is made is kept
        return job
    return replace(job, state=JobState.CANCELLING)


def advance(job: Job, event: JobEvent) -> Job:
    """The job after an event. Final states never change; a cancelling job may still turn out done or failed."""
    if job.state.is_final:
        return job
    match event:
        case Started():
            return replace(job, state=JobState.RUNNING) if job.state is JobState.QUEUED else job
        case Stepped():
            return replace(job, step=event.step, seconds=event.seconds, phase=event.phase)
        case Saving():
            return replace(job, state=JobState.SAVING, step=job.recipe.steps, phase="")
        case Finished():
            done = replace(job, state=JobState.DONE, step=job.recipe.steps, picture=event.picture, phase="")
            return replace(done, undecoded=False)
        case Failed():
            return replace(job, state=JobState.FAILED, error=event.error, phase="", undecoded=event.undecoded)
        case Cancelled():
            return replace(job, state=JobState.CANCELLED, phase="")
