"""Comparing, plotting and exporting below the window: what is asked of the thread, and what becomes of its answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from studio.core.draft import Draft
from studio.core.errors import BadInputImage, StorageProblem
from studio.core.export import ExportReport, ExportWish
from studio.core.picture import Picture
from studio.core.pixels import Pixels
from studio.core.plot import Axis, Plot, plan
from studio.core.plot_fields import fields_of, read_values
from studio.core.recipe import Recipe
from studio.core.verify import Distance
from studio.state.background import Background
from studio.state.compare import Comparison
from studio.state.export import Exporter
from studio.state.job_queue import JobQueue
from studio.state.plot import CellNow, CellState, Plots
from tests.state.fakes import picture_of

BASE = Recipe(prompt="a red house", seed=1, steps=2)
FIELDS = {field.id: field for field in fields_of(BASE, ("mini",), lambda use, name: None)}


def picture(number: int) -> Picture:
    return picture_of(BASE, number)


class NoPlugins(QObject):
    def schedulers(self):
        return ()

    def part_of(self, _use):
        return None

    def problem(self, _draft):
        return None


def small_plot() -> Plot:
    axes = (("seed", "1-2"), ("replace", "red, blue"))
    return plan(BASE, [Axis(field=FIELDS[field], values=read_values(FIELDS[field], text)) for field, text in axes])


class Sheets:
    """Stands for the drawing of sheets."""

    def __init__(self, problem: StorageProblem | None = None) -> None:
        self.asked: list[tuple[CellNow, ...]] = []
        self.problem = problem

    def __call__(self, _plot, cells, _seconds, _on_tile) -> Picture:
        self.asked.append(cells)
        if self.problem is not None:
            problem, self.problem = self.problem, None
            raise problem
        return picture(99)


@pytest.fixture
def make_plots(make_queue: Callable[..., JobQueue], background: Background) -> Callable[..., tuple[Plots, JobQueue]]:
    def make(sheets: Sheets, **more: object) -> tuple[Plots, JobQueue]:
        queue = make_queue(**more)
        return Plots(queue, NoPlugins(), ("mini",), sheets, background), queue  # type: ignore[arg-type]

    return make


def test_cells_are_queued_in_their_order_of_work(
    qtbot: QtBot, make_plots: Callable[..., tuple[Plots, JobQueue]]
) -> None:
    sheets = Sheets()
    plots, queue = make_plots(sheets)
    with qtbot.waitSignal(plots.sheet_added, timeout=5000) as added:
        plots.start(small_plot())
        wanted = [(job.recipe.prompt, job.recipe.seed) for job in queue.jobs]
    assert wanted == [("a red house", 1), ("a red house", 2), ("a blue house", 1), ("a blue house", 2)]
    assert added.args[0].id == picture(99).id and plots.sheet is added.args[0]
    assert all(cell.state is CellState.DONE and cell.picture for cell in sheets.asked[0])
    assert [cell.picture.recipe.prompt for cell in plots.cells if cell.picture] == [
        cell.recipe.prompt for cell in small_plot().cells
    ]


def test_a_sheet_that_cannot_be_saved_is_said_and_can_be_drawn_again(
    qtbot: QtBot, make_plots: Callable[..., tuple[Plots, JobQueue]]
) -> None:
    plots, _ = make_plots(Sheets(StorageProblem("The disk is full.")))
    with qtbot.waitSignal(plots.failed, timeout=5000):
        plots.start(small_plot())
    assert plots.sheet is None and not plots.is_drawing
    with qtbot.waitSignal(plots.sheet_added, timeout=5000):
        plots.draw_again()


def test_an_open_seed_is_one_seed_until_the_next_plot(
    make_plots: Callable[..., tuple[Plots, JobQueue]], qtbot: QtBot
) -> None:
    plots, _ = make_plots(Sheets())
    first = plots.base(Draft(prompt="x")).seed
    assert plots.base(Draft(prompt="y", count=9)).seed == first
    with qtbot.waitSignal(plots.sheet_added, timeout=5000):
        plots.start(small_plot())
    assert plots.base(Draft(prompt="x")).seed != first
    assert plots.base(Draft(prompt="x", seed=5)).seed == 5


def test_a_queue_that_takes_nothing_refuses_the_plot_as_a_whole(
    make_plots: Callable[..., tuple[Plots, JobQueue]],
) -> None:
    plots, queue = make_plots(Sheets())
    queue.refusal = StorageProblem("This window is read-only.")
    with pytest.raises(StorageProblem):
        plots.start(small_plot())
    assert plots.plot is None and not plots.is_running and queue.jobs == ()


def test_the_window_is_told_of_a_whole_plot_once(
    qtbot: QtBot, make_plots: Callable[..., tuple[Plots, JobQueue]]
) -> None:
    plots, queue = make_plots(Sheets())
    told: list[int] = []
    queue.jobs_changed.connect(lambda: told.append(len(queue.jobs)))
    with qtbot.waitSignal(plots.sheet_added, timeout=5000):
        plots.start(small_plot())
        assert told == [4]


def test_one_plot_at_a_time(qtbot: QtBot, make_plots: Callable[..., tuple[Plots, JobQueue]]) -> None:
    plots, queue = make_plots(Sheets())
    with qtbot.waitSignal(plots.sheet_added, timeout=5000):
        plots.start(small_plot())
        plots.start(small_plot())
        assert len(queue.jobs) == 4


def noise(seed: int, side: int = 4) -> Pixels:
    return Pixels(width=side, height=side, data=random.Random(seed).randbytes(side * side * 3))


def comparison(background: Background) -> Comparison:
    def read(file: Path) -> tuple[Pixels, Recipe | None, str]:
        if file.name == "bad":
            raise BadInputImage("“bad” cannot be read.")
        return noise(len(file.name), 8 if file.name == "large" else 4), Recipe(prompt=file.name, seed=1), ""

    def measure(_first: Pixels, _second: Pixels) -> Distance:
        return Distance(psnr=20.0, largest=9, share=0.5)

    return Comparison(read, measure, lambda first, _second, _gain: first, background)


def test_figures_and_difference_follow_the_pictures(qtbot: QtBot, background: Background) -> None:
    made = comparison(background)
    made.show(Path("a"), Path("bb"))
    qtbot.waitUntil(lambda: made.distance is not None and not made.difference.isNull())
    assert made.same_size and [found.title for found in made.settings or ()] == ["Prompt"]
    made.put(1, Path("large"))
    qtbot.waitUntil(lambda: made.sides[1] is not None and made.sides[1].file.name == "large")
    assert made.distance is None and made.difference.isNull() and not made.same_size


def test_what_cannot_be_read_leaves_the_side_as_it_was(qtbot: QtBot, background: Background) -> None:
    made = comparison(background)
    made.show(Path("a"), Path("bb"))
    qtbot.waitUntil(lambda: made.distance is not None)
    before = made.sides
    with qtbot.waitSignal(made.failed, timeout=5000):
        made.put(0, Path("bad"))
    assert made.sides == before


def test_only_the_last_wish_for_a_side_counts(qtbot: QtBot, background: Background) -> None:
    made = comparison(background)
    for name in ("a", "bb", "ccc"):
        made.put(0, Path(name))
    qtbot.waitUntil(lambda: made.sides[0] is not None)
    background.wait()
    assert made.sides[0] is not None and made.sides[0].file.name == "ccc"


def test_an_export_tells_how_far_it_is_and_stops(qtbot: QtBot, background: Background) -> None:
    seen: list[tuple[int, int]] = []
    made: Exporter

    def export(files, _wish, _folder, tell) -> ExportReport:
        made.cancel()
        stopped = not tell(1, len(files))
        return ExportReport(files=("a.png",), stopped=stopped)

    made = Exporter(export, export, background)
    made.progressed.connect(lambda done, of: seen.append((done, of)))
    with qtbot.waitSignal(made.finished, timeout=5000) as finished:
        made.export([picture(1), picture(2)], ExportWish(), Path("out"))
        made.export([picture(3)], ExportWish(), Path("elsewhere"))  # one at a time
        assert made.busy
    assert finished.args[0].stopped and seen == [(1, 2)] and not made.busy and made.folder == Path("out")


def test_a_failed_export_is_said_and_the_next_may_begin(qtbot: QtBot, background: Background) -> None:
    def export(*_: object) -> ExportReport:
        raise StorageProblem("The disk is full.")

    made = Exporter(export, export, background)
    with qtbot.waitSignal(made.failed, timeout=5000):
        made.export([picture(1)], ExportWish(), Path("out"))
    assert not made.busy
