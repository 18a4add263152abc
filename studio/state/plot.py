"""A plot being made: its cells go through the queue like any picture, then its sheet is drawn. Knows no widgets.

A plot outlives the studio: `note` is what has to be kept of it, `take_up` begins where the last session ended.
"""

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
from studio.core.plot_text import CellNote, PlotNote, PlotsNote
from studio.core.plugins import Parameter
from studio.core.recipe import SEED_MAX, PluginUse, Recipe
from studio.state.background import Background
from studio.state.job_queue import JobQueue
from studio.state.plugins_model import PluginsModel

SEEN_MAX = 12  # pictures that the time is estimated from


class CellState(StrEnum):
    """Where a cell of a plot stands; the last three are final.

    HELD waited when the studio closed and waits for the artist's word; INTERRUPTED was running then, and is made again
    only on a wish of its own: it may be what ended the studio.
    """

    WAITING = "waiting"
    RUNNING = "running"
    HELD = "held"
    INTERRUPTED = "interrupted"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (CellState.DONE, CellState.FAILED, CellState.CANCELLED)

    @property
    def is_going(self) -> bool:
        return self in (CellState.WAITING, CellState.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellNow:
    """A cell and what became of it so far. `picture` of one that is DONE, `problem` the sentence of one that FAILED."""

    state: CellState = CellState.WAITING
    picture: Picture | None = None
    problem: str = ""


OnTile = Callable[[int], bool]
DrawSheet = Callable[[Plot, tuple[CellNow, ...], float, OnTile], Picture | None]  # in the background; None: stopped
FindCells = Callable[[PlotNote], tuple[Picture | None, ...]]  # in the background: the cells' pictures, as far as made


OnFound = Callable[[tuple[Picture | None, ...]], None]


class Plots(QObject):
    """One plot at a time. Mutable state: `_plot` and `_cells` of the running or last one, `_keys` of its jobs on disk,
    `_jobs` (job id -> cell) of those that are not settled, `_resting` while no cell is being made, `_settled` once
    nothing of it needs to be kept, `_left` of the last session until its pictures are found, `_stop` while the sheet is
    drawn, `_seed` that stands for an open one.

    Signals: `changed()` - a cell's state, the beginning and the end; `sheet_added(Picture)`, safely on disk;
    `failed(StudioError)` - the sheet could not be drawn or saved, its cells are in the history; `taken_up()` - a half
    done plot of the last session stands here and waits for the artist's word.
    """

    changed = Signal()
    sheet_added = Signal(object)
    failed = Signal(object)
    taken_up = Signal()

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
        self._keys: list[str] = []
        self._jobs: dict[int, int] = {}
        self._resting = self._settled = True
        self._left: PlotNote | None = None
        self._stop: threading.Event | None = None
        self._began, self._before = 0.0, 0.0  # of this session, on its clock; seconds of earlier ones
        self._seed = random.Random().randrange(SEED_MAX + 1)
        self._sheet: Picture | None = None
        self._typed: tuple[tuple[str, str], ...] = ()
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
        """Whether cells are being made, or will be without another word."""
        return any(cell.state.is_going for cell in self._cells)

    @property
    def is_held(self) -> bool:
        """Whether cells of an earlier session wait for the artist's word, and none is being made."""
        return any(cell.state is CellState.HELD for cell in self._cells) and not self.is_running

    @property
    def is_drawing(self) -> bool:
        return self._stop is not None

    @property
    def typed(self) -> tuple[tuple[str, str], ...]:
        """The field's id and the text of each axis, as they stood last."""
        return self._typed

    def remember(self, typed: tuple[tuple[str, str], ...]) -> None:
        """The axes stand like this now."""
        if typed != self._typed:
            self._typed = typed
            self.changed.emit()

    @property
    def note(self) -> PlotsNote:
        """What has to be kept for the next start."""
        if self._plot is None or self._settled:
            return PlotsNote(typed=self._typed, plot=self._left)
        cells = tuple(_note_of(cell, key) for cell, key in zip(self._cells, self._keys, strict=True))
        plot = PlotNote(plot=self._plot, cells=cells, seconds=self._seconds(), at=time.time())
        return PlotsNote(typed=self._typed, plot=plot)

    def take_up(self, note: PlotsNote, find: Callable[[PlotNote, OnFound], None]) -> None:
        """Begin with what the last session left, once the queue has its jobs back; `find` looks for the cells' pictures.

        A plot whose cells are all there gets its sheet; one that is half done is only shown: see `taken_up`.
        """
        self._typed = self._typed or note.typed
        if note.plot is not None and self._plot is None:
            self._left = note.plot
            find(note.plot, self._on_found)

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

        Cells of a former plot that still wait for the artist's word go on doing so in the queue, as pictures of
        their own. Raises `StudioError` before anything is queued.
        """
        if self.is_running or self.is_drawing:
            return
        jobs = self._queue.submit_recipes(plot.cells[number].recipe for number in plot.order)
        self._plot, self._cells, self._left = plot, [CellNow() for _ in plot.cells], None
        self._jobs, self._keys = {}, [""] * len(plot.cells)
        self._sheet, self._before, self._resting = None, 0.0, True
        self._expect(zip(jobs, plot.order, strict=True))
        self._seed = random.Random().randrange(SEED_MAX + 1)
        self._look()

    def go_on(self) -> None:
        """Make the cells that waited when the last session ended."""
        for job_id in [i for i, number in self._jobs.items() if self._cells[number].state is CellState.HELD]:
            self._queue.go_on(job_id)

    def make_missing(self) -> None:
        """Make every cell that is not there: those that failed, were cancelled or interrupted. Then the sheet again.

        Raises `StudioError` before anything is queued.
        """
        if self._plot is None or self.is_running or self.is_drawing:
            return
        self.go_on()
        undecoded = {job.id for job in self._queue.jobs if job.undecoded and job.state.is_final}
        jobs = dict(self._jobs)
        kept = [number for job_id, number in jobs.items() if job_id in undecoded]
        gone = [n for n in self._plot.order if n not in kept and not self._is_there(n)]
        made = self._queue.submit_recipes(self._plot.cells[number].recipe for number in gone) if gone else ()
        self._sheet = None
        for job_id, number in jobs.items():
            if job_id in undecoded:
                self._cells[number] = CellNow()
                self._queue.decode_again(job_id)
            elif number in gone:
                del self._jobs[job_id]
                self._queue.forget(job_id)
        self._expect(zip(made, gone, strict=True))
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

    def _begin(self) -> None:
        self._settled = False
        if self._resting:
            self._resting, self._began = False, time.monotonic()

    def _rest(self) -> None:
        self._before, self._resting = self._seconds(), True

    def _seconds(self) -> float:
        return self._before + (0.0 if self._resting else time.monotonic() - self._began)

    def _expect(self, jobs: Iterable[tuple[Job, int]]) -> None:
        """These jobs make these cells from now on."""
        for job, number in jobs:
            self._jobs[job.id], self._keys[number], self._cells[number] = number, job.key, CellNow()
        self._begin()

    def _is_there(self, number: int) -> bool:
        state = self._cells[number].state
        return state is CellState.DONE or state.is_going or state is CellState.HELD

    def _look(self) -> None:
        """Take over what became of the jobs. One that the queue has forgotten counts as cancelled."""
        if not self._jobs:
            return
        jobs = {job.id: job for job in self._queue.jobs}
        was_open, changed = self.is_running or self.is_held, False
        for job_id, number in list(self._jobs.items()):
            before = self._cells[number]
            if before.state is CellState.INTERRUPTED and job_id not in jobs:
                del self._jobs[job_id]
                self._adopt(number)
            elif not before.state.is_final:
                self._cells[number] = _cell_of(jobs.get(job_id))
            changed = changed or self._cells[number] != before
        if self.is_running:  # also held or interrupted ones that go on, whoever wished it
            self._begin()
        else:
            self._rest()
        if changed or not any(cell.state.is_final for cell in self._cells):
            self.changed.emit()
        if was_open and not self.is_running and not self.is_held:
            self._on_all_made()

    def _adopt(self, number: int) -> None:
        """An interrupted job left the list: made again from there, or dismissed."""
        assert self._plot is not None
        recipe = self._plot.cells[number].recipe
        again = [job for job in self._queue.jobs if job.recipe == recipe and job.id not in self._jobs]
        if again and not again[-1].state.is_final:
            self._expect([(again[-1], number)])
        else:
            self._cells[number] = CellNow(state=CellState.CANCELLED)

    def _on_all_made(self) -> None:
        self._jobs = {i: n for i, n in self._jobs.items() if self._cells[n].state is CellState.INTERRUPTED}
        if any(cell.picture is not None for cell in self._cells):
            self._draw_sheet()
        else:
            self._settled = not self._jobs
        self.changed.emit()

    def _on_found(self, found: tuple[Picture | None, ...]) -> None:
        """The pictures of a plot of the last session: nothing is made before the artist says so."""
        note, self._left = self._left, None
        if note is None:  # another one was begun meanwhile
            return
        jobs = {job.key: job for job in self._queue.jobs if job.key}
        self._plot, self._keys = note.plot, [cell.key for cell in note.cells]
        self._cells = [
            _cell_again(cell, picture, jobs.get(cell.key)) for cell, picture in zip(note.cells, found, strict=True)
        ]
        unsettled = [n for n, cell in enumerate(self._cells) if not cell.state.is_final and self._keys[n] in jobs]
        self._jobs = {jobs[self._keys[number]].id: number for number in unsettled}
        self._before, self._resting, self._settled = note.seconds, True, False
        if all(cell.state.is_final for cell in self._cells):
            self._on_all_made()
        else:
            self.changed.emit()
            self.taken_up.emit()

    def _draw_sheet(self) -> None:
        assert self._plot is not None
        self._stop = threading.Event()
        stop = self._stop
        work = partial(self._draw, self._plot, tuple(self._cells), self._seconds(), lambda _done: not stop.is_set())
        self._background.run(work, self._on_sheet, self._on_no_sheet)
        self.changed.emit()

    def _on_sheet(self, picture: Picture | None) -> None:
        self._stop, self._sheet, self._settled = None, picture, True
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
    if job.state is JobState.FAILED or (job.state.is_final and job.error is not None):
        return CellNow(state=CellState.FAILED, problem=job.error.headline if job.error is not None else "")
    return CellNow(state=_STATES.get(job.state, CellState.RUNNING))


_STATES = {
    JobState.QUEUED: CellState.WAITING,
    JobState.HELD: CellState.HELD,
    JobState.CANCELLED: CellState.CANCELLED,
    JobState.INTERRUPTED: CellState.INTERRUPTED,
}


def _note_of(cell: CellNow, key: str) -> CellNote:
    if cell.picture is not None:
        return CellNote(key=key, picture=cell.picture.id)
    return CellNote(key=key, over=cell.state.is_final, problem=cell.problem)


def _cell_again(note: CellNote, picture: Picture | None, job: Job | None) -> CellNow:
    """A cell after a restart. One that is in no list any more was being made, or saved, when the studio ended."""
    if picture is not None:
        return CellNow(state=CellState.DONE, picture=picture)
    if job is not None:
        return _cell_of(job)
    if note.over or note.picture:  # that picture is gone: the artist has deleted it
        return CellNow(state=CellState.FAILED if note.problem else CellState.CANCELLED, problem=note.problem)
    return CellNow(state=CellState.INTERRUPTED)
