"""A job and its states: the only state machine, pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from studio.core.errors import StudioError
from studio.core.events import Cancelled, Failed, Finished, JobEvent, Started, Stepped
from studio.core.picture import Picture
from studio.core.recipe import Recipe


class JobState(StrEnum):
    """Where a job stands; the last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One recipe on its way. `seconds` counts from the first step."""

    id: int
    recipe: Recipe
    state: JobState = JobState.QUEUED
    step: int = 0
    seconds: float = 0.0
    phase: str = ""
    picture: Picture | None = None
    error: StudioError | None = None

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
    if job.state is JobState.QUEUED:
        return replace(job, state=JobState.CANCELLED)
    return job if job.state.is_final else replace(job, state=JobState.CANCELLING)


def advance(job: Job, event: JobEvent) -> Job:
    """The job after an event. Final states never change; a cancelling job may still turn out done or failed."""
    if job.state.is_final:
        return job
    match event:
        case Started():
            return replace(job, state=JobState.RUNNING) if job.state is JobState.QUEUED else job
        case Stepped():
            return replace(job, step=event.step, seconds=event.seconds, phase=event.phase)
        case Finished():
            return replace(job, state=JobState.DONE, step=job.recipe.steps, picture=event.picture, phase="")
        case Failed():
            return replace(job, state=JobState.FAILED, error=event.error, phase="")
        case Cancelled():
            return replace(job, state=JobState.CANCELLED, phase="")
