"""Make again and verify: the recipe runs as a job like any other, then the two pictures are compared off the UI thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.core.errors import BadRecipe, StudioError
from studio.core.installed import Installed
from studio.core.job import JobState
from studio.core.library import Link, LinkKind
from studio.core.picture import Picture
from studio.core.verify import Verification, with_model_here
from studio.state.background import Background
from studio.state.job_queue import JobQueue

Compare = Callable[[Picture, Picture], Verification]  # called in the background; may raise StudioError


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The outcome for `picture`; `again` is what was made, kept in the history as its child."""

    picture: Picture
    again: Picture
    found: Verification


class Verifier(QObject):
    """Mutable state: `_asked`, the pictures that are being made again, by job.

    Signals: `started(Picture)` - its job is queued; `verified(Verified)`; `failed(StudioError)`. A job that fails or is
    cancelled says so itself.
    """

    started = Signal(object)
    verified = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        queue: JobQueue,
        compare: Compare,
        background: Background,
        forget: Callable[[], None],
        models: Callable[[], tuple[Installed, ...]] = tuple,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._queue, self._compare, self._background, self._forget = queue, compare, background, forget
        self._models = models
        self._asked: dict[int, Picture] = {}
        queue.jobs_changed.connect(self._on_jobs)

    def verify(self, picture: Picture) -> None:
        """Make a picture again from its recipe. `forget` keeps the engine from giving the picture that it still has."""
        if picture.made_with.sheet:
            hint = self.tr("Verify the pictures that it shows.")
            self.failed.emit(BadRecipe(self.tr("A sheet is drawn from pictures; no model made it."), hint))
            return
        if picture.partly:
            hint = self.tr("Verify it there.")
            self.failed.emit(BadRecipe(self.tr("This picture was made by a newer Diffusion Studio."), hint))
            return
        self._forget()
        try:
            recipe = with_model_here(picture.recipe, picture.made_with, self._models())
            job = self._queue.submit_recipe(recipe, (Link(kind=LinkKind.REMADE, parent=picture.id),))
        except StudioError as error:
            self.failed.emit(error)
            return
        self._asked[job.id] = picture
        self.started.emit(picture)

    def _on_jobs(self) -> None:
        if not self._asked:
            return
        jobs = {job.id: job for job in self._queue.jobs}
        for job_id in list(self._asked):
            job = jobs.get(job_id)
            if job is not None and not job.state.is_final:
                continue
            picture = self._asked.pop(job_id)
            if job is not None and job.state is JobState.DONE and job.picture is not None:
                work = partial(self._compare, picture, job.picture)
                done = partial(self._on_compared, picture, job.picture)
                self._background.run(work, done, self.failed.emit)

    def _on_compared(self, picture: Picture, again: Picture, found: Verification) -> None:
        self.verified.emit(Verified(picture=picture, again=again, found=found))
