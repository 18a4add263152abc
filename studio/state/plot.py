"""A plot being made: its cells go through the queue like any picture, then its sheet is drawn. Knows no widgets."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.core.draft import Draft, expand
from studio.core.errors import PluginProblem, StudioError
from studio.core.job import Job, JobState
from studio.core.picture import Picture
from studio.core.plot import Plot, estimate
from studio.core.plot_fields import PlotField, fields_of
from studio.core.plugins import Parameter
from studio.core.recipe import SEED_MAX, PluginUse, Recipe
from studio.state.background import Background
from studio.state.job_queue import JobQueue
from studio.state.plugins_model import PluginsModel

SEEN_MAX = 12  # pictures that the time is estimated from


class CellState(StrEnum):
    """Where a cell of a running plot stands; the last three are final."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (CellState.DONE, CellState.FAILED, CellState.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellNow:
    """A cell and what became of it so far. `problem` is the sentence of one that FAILED."""

    state: CellState = CellState.WAITING
    picture: Picture | None = None
    problem: str = ""


OnTile = Callable[[int], bool]
DrawSheet = Callable[[Plot, tuple[CellNow, ...], float, OnTile], Picture | None]  # in the background; None: stopped


class Plots(QObject):
    """One plot at a time. Mutable state: `_plot` and `_cells` of the running or last one, `_jobs` (job id -> cell),
    `_stop` while its sheet is drawn, `_seed` that stands for an open one.

    Signals: `changed()` - a cell's state, the beginning and the end; `sheet_added(Picture)`, safely on disk;
    `failed(StudioError)` - the sheet could not be drawn or saved, its cells are in the history.
    """

    changed = Signal()
    sheet_added = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        queue: JobQueue,
        plugins: PluginsModel,
        models: Iterable[str],
        draw: DrawSheet,
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._queue, self._plugins, self._models = queue, plugins, models
        self._draw, self._background = draw, background
        self._plot: Plot | None = None
        self._cells: list[CellNow] = []
        self._jobs: dict[int, int] = {}
        self._stop: threading.Event | None = None
        self._began = 0.0
        self._seed = random.Random().randrange(SEED_MAX + 1)
        self._sheet: Picture | None = None
        queue.jobs_changed.connect(self._look)

    @property
    def plot(self) -> Plot | None:
        """The one that is being made, or was made last."""
        return self._plot

    @property
    def cells(self) -> tuple[CellNow, ...]:
        return tuple(self._cells)

    @property
    def sheet(self) -> Picture | None:
        """The sheet of the last plot, once it is saved."""
        return self._sheet

    @property
    def is_running(self) -> bool:
        """Whether cells are still to be made."""
        return any(not cell.state.is_final for cell in self._cells)

    @property
    def is_drawing(self) -> bool:
        return self._stop is not None

    def base(self, draft: Draft) -> Recipe:
        """What the panels ask for, as one recipe: an open seed is one that stays until the next plot. Raises `BadRecipe`."""
        seed = self._seed if draft.seed is None else draft.seed
        return expand(replace(draft, count=1, seed=seed), random.Random(0))[0]

    def fields(self, base: Recipe) -> tuple[PlotField, ...]:
        """What can stand on an axis."""
        guests = [(name, title) for name, title, _about in self._plugins.schedulers()]
        return fields_of(base, tuple(self._models), self._parameter, guests)

    def problem(self, draft: Draft) -> PluginProblem | None:
        """What the panels' settings need and is not there."""
        return self._plugins.problem(draft)

    def seconds(self, plot: Plot, lately: Iterable[Picture]) -> float | None:
        """About how long it takes, from pictures made lately."""
        made = [picture for picture in lately if not picture.made_with.sheet][:SEEN_MAX]
        return estimate(plot, [(picture.recipe, picture.made_with.seconds) for picture in made])

    def start(self, plot: Plot) -> None:
        """Queue all cells in their order of work. Does nothing while another plot is being made.

        Raises `StudioError` before anything is queued.
        """
        if self.is_running or self.is_drawing:
            return
        jobs = self._queue.submit_recipes(plot.cells[number].recipe for number in plot.order)
        self._plot, self._cells = plot, [CellNow() for _ in plot.cells]
        self._jobs = {job.id: number for job, number in zip(jobs, plot.order, strict=True)}
        self._sheet, self._began = None, time.monotonic()
        self._seed = random.Random().randrange(SEED_MAX + 1)
        self._look()

    def cancel(self) -> None:
        """Take what waits out of the queue and stop the running cell; what is made stays, and so does its sheet."""
        if self._stop is not None:
            self._stop.set()
        going = [job_id for job_id, number in self._jobs.items() if not self._cells[number].state.is_final]
        self._queue.cancel_jobs(reversed(going))

    def draw_again(self) -> None:
        """Try once more to draw and save the sheet."""
        if self._plot is not None and not self.is_running and not self.is_drawing and self._sheet is None:
            self._draw_sheet()

    def _parameter(self, use: PluginUse, name: str) -> Parameter | None:
        part = self._plugins.part_of(use)
        return next((p for p in part.parameters if p.name == name), None) if part is not None else None

    def _look(self) -> None:
        """Take over what became of the jobs. One that the queue has forgotten counts as cancelled."""
        if not self._jobs:
            return
        jobs = {job.id: job for job in self._queue.jobs}
        changed = False
        for job_id, number in self._jobs.items():
            before = self._cells[number]
            if not before.state.is_final:
                now = _cell_of(jobs.get(job_id))
                changed = changed or now != before
                self._cells[number] = now
        if changed or not any(cell.state.is_final for cell in self._cells):
            self.changed.emit()
        if not self.is_running:
            self._jobs = {}
            self._on_all_made()

    def _on_all_made(self) -> None:
        if sum(cell.picture is not None for cell in self._cells):
            self._draw_sheet()
        self.changed.emit()

    def _draw_sheet(self) -> None:
        assert self._plot is not None
        self._stop = threading.Event()
        stop = self._stop
        seconds = time.monotonic() - self._began
        work = partial(self._draw, self._plot, tuple(self._cells), seconds, lambda _done: not stop.is_set())
        self._background.run(work, self._on_sheet, self._on_no_sheet)
        self.changed.emit()

    def _on_sheet(self, picture: Picture | None) -> None:
        self._stop, self._sheet = None, picture
        if picture is not None:
            self.sheet_added.emit(picture)
        self.changed.emit()

    def _on_no_sheet(self, error: StudioError) -> None:
        self._stop = None
        self.failed.emit(error)
        self.changed.emit()


def _cell_of(job: Job | None) -> CellNow:
    if job is None:
        return CellNow(state=CellState.CANCELLED)
    if job.picture is not None and job.state is JobState.DONE:
        return CellNow(state=CellState.DONE, picture=job.picture)
    if not job.state.is_final:
        return CellNow(state=CellState.WAITING if job.state is JobState.QUEUED else CellState.RUNNING)
    if job.state is JobState.CANCELLED:
        return CellNow(state=CellState.CANCELLED)
    return CellNow(state=CellState.FAILED, problem=job.error.headline if job.error is not None else "")
