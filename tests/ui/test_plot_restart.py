"""A plot over the end of the studio: what was made is there, nothing is made without a word, the sheet comes at last."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.errors import StorageProblem
from studio.core.recipe import Recipe
from studio.engine.fake import FakeEngine
from studio.state.plot import CellState
from studio.ui.plot.dialog import PlotDialog
from tests.ui.test_benches import pictures, plot_dialog

D, R, H, Z = CellState.DONE, CellState.RUNNING, CellState.HELD, CellState.INTERRUPTED


class Stops(FakeEngine):
    """Stands still at the picture of this seed until it is let go; counts what it was asked for."""

    def __init__(self, seed: int = -1) -> None:
        super().__init__()
        self.seed, self.entered, self.go = seed, threading.Event(), threading.Event()
        self.asked: list[int] = []

    def render(self, recipe: Recipe, on_progress):
        self.asked.append(recipe.seed)
        if recipe.seed == self.seed:
            self.entered.set()
            self.go.wait(20)
        return super().render(recipe, on_progress)


def states(studio: Studio) -> list[CellState]:
    return [cell.state for cell in studio.state.plots.cells]


def begin(studio: Studio, values: str = "1-4") -> PlotDialog:
    dialog = plot_dialog(studio)
    dialog.axes[0].choose("seed", values)
    dialog.axes[1].choose("", "")
    dialog.start()
    return dialog


@pytest.fixture
def died(qtbot: QtBot, make_studio: Callable[..., Studio], data: Path) -> Path:
    """The folder of a studio as a power cut left it, in the third of four cells."""
    engine = Stops(seed=3)
    studio = make_studio(engine=engine)
    begin(studio)
    qtbot.waitUntil(lambda: engine.entered.is_set() and states(studio) == [D, D, R, CellState.WAITING], timeout=10000)
    qtbot.waitUntil(lambda: (data / "0" / "plot.json").read_text().count('"picture"') == 2, timeout=5000)
    shutil.copytree(data / "0", data / "died", ignore=shutil.ignore_patterns("*.lock"))
    engine.go.set()
    studio.close()
    return data / "died"


def open_again(qtbot: QtBot, make_studio: Callable[..., Studio], folder: Path) -> tuple[Studio, Stops]:
    engine = Stops()
    studio = make_studio(engine=engine, folder=folder)
    qtbot.waitUntil(lambda: studio.state.plots.plot is not None, timeout=5000)
    return studio, engine


def offer(studio: Studio):
    return next(card.message for card in studio.window.centre.messages.cards() if "plot" in card.message.headline)


def test_a_half_done_plot_is_offered_and_goes_on_when_the_artist_says_so(
    qtbot: QtBot, make_studio: Callable[..., Studio], died: Path
) -> None:
    studio, engine = open_again(qtbot, make_studio, died)
    assert states(studio) == [D, D, Z, H]
    qtbot.waitUntil(lambda: bool(studio.window.centre.messages.cards()))
    message = offer(studio)
    assert message.headline == "A plot of last time is half done: 2 of 4 pictures are made."
    assert message.hint.startswith("1 waits, 1 was interrupted.") and message.stays
    assert not any("was left" in card.message.headline for card in studio.window.centre.messages.cards())
    qtbot.wait(200)
    assert engine.asked == []
    dialog = plot_dialog(studio)
    assert dialog.axes[0].typed == ("seed", "1-4") and dialog.axes[1].typed == ("", "")
    assert dialog.go_on.isVisible() and dialog.generate.isHidden() and not dialog.axes[0].isEnabled()
    assert dialog.status.text() == "2 of 4 pictures are made · 1 waits, 1 was interrupted"
    plots = studio.state.plots
    dialog.go_on.click()
    qtbot.waitUntil(lambda: plots.sheet is not None, timeout=10000)
    assert engine.asked == [4] and states(studio) == [D, D, Z, D]  # what may have ended the studio is not made again
    assert "Seed 3: not made" in plots.sheet.made_with.sheet
    qtbot.waitUntil(lambda: not any("plot" in c.message.headline for c in studio.window.centre.messages.cards()))
    first = plots.sheet
    dialog.missing.click()
    qtbot.waitUntil(lambda: plots.sheet is not None and plots.sheet.id != first.id, timeout=10000)
    assert engine.asked == [4, 3] and states(studio) == [D, D, D, D] and dialog.missing.isHidden()
    assert "not made" not in plots.sheet.made_with.sheet and not studio.queue.held
    assert not any(job.state.value == "interrupted" for job in studio.queue.jobs)


def test_cells_that_were_saved_but_not_noted_are_found(
    qtbot: QtBot, make_studio: Callable[..., Studio], died: Path
) -> None:
    note = died / "plot.json"
    text = note.read_text()
    for part in text.split('"picture": "')[1:]:
        text = text.replace(f', "picture": "{part[: part.index(chr(34))]}"', "")
    assert '"picture"' not in text
    note.write_text(text)
    studio, _ = open_again(qtbot, make_studio, died)
    assert states(studio) == [D, D, Z, H]
    found = [cell.picture.recipe.seed for cell in studio.state.plots.cells if cell.picture]
    assert found == [1, 2]


def test_a_plot_whose_cells_are_all_there_gets_its_sheet_by_itself(
    qtbot: QtBot, make_studio: Callable[..., Studio], data: Path
) -> None:
    studio = make_studio(engine=Stops())

    def no_room(*_args):
        raise StorageProblem("The disk is full.")

    plots = studio.state.plots
    plots._draw = no_room
    with qtbot.waitSignal(plots.failed, timeout=10000):
        begin(studio)
    studio.close()
    again, engine = open_again(qtbot, make_studio, data / "0")
    qtbot.waitUntil(lambda: again.state.plots.sheet is not None, timeout=10000)
    assert states(again) == [D, D, D, D] and engine.asked == []
    again.close()
    third = make_studio(engine=Stops(), folder=data / "0")
    qtbot.waitUntil(lambda: third.state.plots.typed != (), timeout=5000)
    assert third.state.plots.plot is None and len(pictures(third)) == 5  # the sheet is drawn once
    assert plot_dialog(third).axes[0].typed == ("seed", "1-4")


def test_a_half_done_plot_is_still_half_done_at_the_next_start_but_one(
    qtbot: QtBot, make_studio: Callable[..., Studio], died: Path
) -> None:
    for _ in range(2):
        studio, engine = open_again(qtbot, make_studio, died)
        assert states(studio) == [D, D, Z, H] and engine.asked == []
        studio.close()


def test_cancelling_it_draws_what_is_there_and_empties_the_queue(
    qtbot: QtBot, make_studio: Callable[..., Studio], died: Path
) -> None:
    studio, engine = open_again(qtbot, make_studio, died)
    dialog, plots = plot_dialog(studio), studio.state.plots
    dialog.cancel.click()
    qtbot.waitUntil(lambda: plots.sheet is not None, timeout=10000)
    assert states(studio) == [D, D, Z, CellState.CANCELLED] and engine.asked == [] and not studio.queue.held
    assert dialog.generate.isVisible() and dialog.axes[0].isEnabled()


def test_going_on_from_the_queue_is_the_same(qtbot: QtBot, make_studio: Callable[..., Studio], died: Path) -> None:
    studio, engine = open_again(qtbot, make_studio, died)
    studio.window.commands["go_on"].trigger()
    interrupted = next(job for job in studio.queue.jobs if job.state.value == "interrupted")
    studio.queue.run_again(interrupted.id)
    qtbot.waitUntil(lambda: states(studio) == [D, D, D, D], timeout=10000)
    qtbot.waitUntil(lambda: studio.state.plots.sheet is not None, timeout=10000)
    assert engine.asked == [4, 3]


def test_a_damaged_note_costs_the_plot_and_nothing_else(
    qtbot: QtBot, make_studio: Callable[..., Studio], died: Path
) -> None:
    (died / "plot.json").write_text("{")
    studio = make_studio(engine=Stops(), folder=died)
    said = studio.state.messages.history
    qtbot.waitUntil(lambda: any("plot of last time was damaged" in m.headline for m in said()), timeout=5000)
    qtbot.waitUntil(lambda: len(studio.queue.held) == 1, timeout=5000)  # its jobs are pictures like any others
    assert (died / "plot.json.damaged").exists() and studio.state.plots.plot is None
    assert any("was left" in m.headline for m in said())
