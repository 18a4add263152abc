"""Compare, plot and export through the real window."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from PySide6.QtCore import QItemSelectionModel, QPointF, Qt
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from studio.app import Studio
from studio.core.export import ExportFormat
from studio.core.picture import Picture
from studio.engine.fake import FakeEngine
from studio.gallery.foreign.door import read_picture
from studio.state.plot import CellState
from studio.ui.compare.canvas import Mode
from studio.ui.compare.window import CompareWindow
from studio.ui.export.dialog import ExportDialog
from studio.ui.plot.dialog import PlotDialog
from tests.ui.conftest import file_mime, paint

SELECT = QItemSelectionModel.SelectionFlag


def pictures(studio: Studio) -> list[Picture]:
    gallery = studio.state.gallery
    found = [gallery.picture(gallery.index(row)) for row in range(gallery.rowCount())]
    return [picture for picture in found if picture is not None]


def select(studio: Studio, *rows: int) -> None:
    choice, gallery = studio.window.gallery.choice, studio.state.gallery
    choice.clearSelection()
    for row in rows:
        choice.select(gallery.index(row), SELECT.Select)


@pytest.fixture
def compared(qtbot: QtBot, studio: Studio) -> CompareWindow:
    paint(qtbot, studio, "a red house", seed=1)
    paint(qtbot, studio, "a blue house", seed=2)
    select(studio, 0, 1)
    studio.window.commands["compare"].trigger()
    comparison = studio.state.comparison
    qtbot.waitUntil(lambda: comparison.distance is not None and not comparison.difference.isNull(), timeout=5000)
    assert studio.window.benches.compare is not None
    return studio.window.benches.compare


def test_compare_is_possible_with_exactly_two_selected(qtbot: QtBot, studio: Studio) -> None:
    action = studio.window.commands["compare"]
    assert not action.isEnabled()
    for seed in (1, 2, 3):
        paint(qtbot, studio, seed=seed)
    for rows, possible in (((0,), False), ((0, 1), True), ((0, 1, 2), False)):
        select(studio, *rows)
        assert action.isEnabled() is possible


def test_the_older_one_is_a_and_the_differences_are_said(compared: CompareWindow, studio: Studio) -> None:
    a, b = studio.state.comparison.sides
    assert a is not None and b is not None and (a.title, b.title) == ("a red house", "a blue house")
    rows = compared.facts.rows()
    assert ("Prompt", "a red house", "a blue house") in rows and ("Seed", "1", "2") in rows
    assert compared.facts.figures.text().startswith("PSNR ")


def test_with_the_previous_one(qtbot: QtBot, studio: Studio) -> None:
    paint(qtbot, studio, "first", seed=1)
    assert not studio.window.commands["compare_previous"].isEnabled()
    paint(qtbot, studio, "second", seed=2)
    studio.window.commands["compare_previous"].trigger()
    qtbot.waitUntil(lambda: all(studio.state.comparison.sides), timeout=5000)
    assert [side and side.title for side in studio.state.comparison.sides] == ["first", "second"]


def test_swap_turns_everything_round(compared: CompareWindow, studio: Studio, qtbot: QtBot) -> None:
    figures = compared.facts.figures.text()
    qtbot.mouseClick(compared.swap, Qt.MouseButton.LeftButton)
    assert ("Seed", "2", "1") in compared.facts.rows() and compared.facts.figures.text() == figures


def test_the_line_is_dragged_and_moved_by_keys(compared: CompareWindow, qtbot: QtBot) -> None:
    canvas = compared.canvas
    middle = canvas.rect().center()
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=middle)
    qtbot.mouseMove(canvas, middle - middle / 2)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=middle - middle / 2)
    assert canvas.split == pytest.approx(0.25, abs=0.05)
    qtbot.keyClick(canvas, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    assert canvas.split == pytest.approx(0.35, abs=0.05)


def test_zoom_is_shared_and_survives_another_mode(compared: CompareWindow) -> None:
    canvas = compared.canvas
    canvas.zoom_in()
    zoom = canvas.place.scale
    for mode in Mode:
        compared.set_mode(mode)
        assert canvas.place.scale == zoom
    canvas.fit()
    assert canvas.place.zoom is None


def test_what_is_painted_is_a_left_and_b_right(compared: CompareWindow, studio: Studio) -> None:
    """The control for all modes: the colours under the two halves are those of the two pictures."""
    canvas, ratio = compared.canvas, compared.canvas.devicePixelRatioF()
    a, b = studio.state.comparison.sides
    assert a is not None and b is not None
    for mode, left, right in ((Mode.SLIDER, a, b), (Mode.FLICKER, a, a)):
        compared.set_mode(mode)
        seen = canvas.grab().toImage()
        rect = canvas.place.rect()
        for x, side in ((0.25, left), (0.75, right)):
            at = QPointF(rect.x() + x * rect.width(), rect.y() + 0.3 * rect.height())
            shown = seen.pixelColor(int(at.x() / ratio * seen.devicePixelRatio()), int(at.y()))
            meant = side.image.pixelColor(int(x * side.image.width()), int(0.3 * side.image.height()))
            assert abs(shown.red() - meant.red()) + abs(shown.blue() - meant.blue()) < 60
    canvas.flip()
    assert canvas.front == 1


def test_a_file_dropped_on_the_right_becomes_b(
    compared: CompareWindow, studio: Studio, qtbot: QtBot, tmp_path: Path
) -> None:
    file = tmp_path / "foreign.png"
    Image.new("RGB", (300, 200), "red").save(file)
    canvas, mime = compared.canvas, file_mime(file)
    at = QPointF(canvas.width() * 0.8, canvas.height() * 0.5)
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(at.toPoint(), Qt.DropAction.CopyAction, mime, buttons, keys)
    QApplication.sendEvent(canvas, enter)
    assert enter.isAccepted()
    QApplication.sendEvent(canvas, QDropEvent(at, Qt.DropAction.CopyAction, mime, buttons, keys))
    comparison = studio.state.comparison
    qtbot.waitUntil(lambda: comparison.sides[1] is not None and comparison.sides[1].file == file, timeout=5000)
    assert "Different sizes" in compared.facts.figures.text() and "300 × 200" in compared.facts.figures.text()
    compared.set_mode(Mode.DIFFERENCE)
    assert "different sizes" in canvas.empty_words()
    assert any("does not say how it was made" in row[0] for row in compared.facts.rows())


def test_a_file_that_is_no_picture_is_said_and_changes_nothing(
    compared: CompareWindow, studio: Studio, qtbot: QtBot, tmp_path: Path
) -> None:
    file = tmp_path / "no.png"
    file.write_text("no picture")
    before = studio.state.comparison.sides
    compared.dropped.emit(0, file_mime(file))
    qtbot.waitUntil(lambda: bool(studio.state.messages.history()), timeout=5000)
    assert studio.state.comparison.sides == before


def plot_dialog(studio: Studio) -> PlotDialog:
    studio.window.commands["plot"].trigger()
    dialog = studio.window.benches.plot
    assert dialog is not None
    return dialog


def test_a_plot_from_typing_to_its_sheet(qtbot: QtBot, studio: Studio) -> None:
    studio.draft.set_prompt("a red house")
    studio.draft.set_seed(5)
    dialog = plot_dialog(studio)
    dialog.axes[0].choose("steps", "")
    dialog.axes[0].values.setFocus()
    qtbot.keyClicks(dialog.axes[0].values, "1-3")
    dialog.axes[1].choose("replace", "red, blue")
    dialog.plan_now()
    assert dialog.axes[0].chips.texts == ("1", "2", "3") and dialog.generate.text() == "Generate 6 pictures"
    qtbot.mouseClick(dialog.generate, Qt.MouseButton.LeftButton)
    plots = studio.state.plots
    qtbot.waitUntil(lambda: plots.sheet is not None, timeout=15000)
    made = pictures(studio)
    assert len(made) == 7 and made[0].id == plots.sheet.id
    words = made[0].made_with.sheet
    assert words.startswith("XY plot: Steps × Prompt: search and replace")
    assert all(picture.id in words for picture in made[1:])
    assert {(picture.recipe.steps, picture.recipe.prompt) for picture in made[1:]} == {
        (steps, prompt) for steps in (1, 2, 3) for prompt in ("a red house", "a blue house")
    }
    assert all(picture.recipe.seed == 5 for picture in made)
    assert {link.parent for link in made[0].parents} == {picture.id for picture in made[1:]}
    assert "in the history" in dialog.status.text() and not dialog.show_sheet.isHidden()


def test_an_error_in_an_axis_is_said_where_it_is(qtbot: QtBot, studio: Studio) -> None:
    dialog = plot_dialog(studio)
    dialog.axes[0].choose("steps", "5, x")
    dialog.plan_now()
    assert "“x” is neither a number nor a range" in dialog.axes[0].problem.text() and not dialog.generate.isEnabled()
    dialog.axes[0].choose("steps", "5, 0")
    dialog.plan_now()
    assert dialog.axes[0].problem.text().startswith("Steps 0: The number of steps is 0")
    assert dialog.planned is None and dialog.axes[1].problem.isHidden()
    dialog.axes[0].choose("steps", "5")
    dialog.plan_now()
    assert dialog.generate.isEnabled() and dialog.axes[0].problem.isHidden()


def test_a_failed_cell_is_drawn_and_said(qtbot: QtBot, make_studio: object) -> None:
    class Picky(FakeEngine):
        def render(self, recipe, on_progress):
            if recipe.steps == 2:
                from studio.core.errors import OutOfMemory

                raise OutOfMemory("The device has not enough memory for two steps.")
            return super().render(recipe, on_progress)

    studio = make_studio(engine=Picky())  # type: ignore[operator]
    dialog = plot_dialog(studio)
    dialog.axes[0].choose("steps", "1-3")
    dialog.axes[1].choose("", "")
    dialog.start()
    plots = studio.state.plots
    qtbot.waitUntil(lambda: plots.sheet is not None, timeout=15000)
    assert [cell.state for cell in plots.cells] == [CellState.DONE, CellState.FAILED, CellState.DONE]
    assert "two steps" in plots.cells[1].problem and "1 could not be made" in dialog.status.text()
    assert "Steps 2: not made" in plots.sheet.made_with.sheet


def test_a_cancelled_plot_keeps_what_is_made(qtbot: QtBot, make_studio: object) -> None:
    studio = make_studio(engine=FakeEngine(seconds_per_step=0.02))  # type: ignore[operator]
    dialog = plot_dialog(studio)
    dialog.axes[0].choose("seed", "1-8")
    dialog.axes[1].choose("", "")
    dialog.start()
    plots = studio.state.plots
    qtbot.waitUntil(lambda: any(cell.state is CellState.DONE for cell in plots.cells), timeout=15000)
    qtbot.mouseClick(dialog.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: plots.sheet is not None, timeout=15000)
    assert any(cell.state is CellState.CANCELLED for cell in plots.cells) and not studio.queue.waiting
    assert 2 <= len(pictures(studio)) < 9


def test_export_from_the_history(qtbot: QtBot, studio: Studio, tmp_path: Path) -> None:
    for seed in (1, 2):
        paint(qtbot, studio, "a house", seed=seed)
    select(studio, 0, 1)
    studio.state.exporter.folder = tmp_path / "out"
    studio.window.commands["export"].trigger()
    dialog = studio.window.findChild(ExportDialog)
    assert dialog is not None
    dialog.format.setCurrentIndex(dialog.format.findData(ExportFormat.JPEG.value))
    dialog.pattern.setText("{promt}")
    dialog.pattern.textEdited.emit("")
    assert not dialog.begin.isEnabled() and "{promt}" in dialog.example.text()
    dialog.pattern.setText("{prompt} {seed}")
    dialog.pattern.textEdited.emit("")
    with qtbot.waitSignal(studio.state.exporter.finished, timeout=5000):
        qtbot.mouseClick(dialog.begin, Qt.MouseButton.LeftButton)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a house 1.jpg", "a house 2.jpg"]
    assert dialog.outcome.text() == "2 files were written."
    found = read_picture(tmp_path / "out" / "a house 2.jpg").recipe
    assert found is not None and found.seed == 2
    dialog.as_sheet.click()
    with qtbot.waitSignal(studio.state.exporter.finished, timeout=5000):
        qtbot.mouseClick(dialog.begin, Qt.MouseButton.LeftButton)
    assert (tmp_path / "out" / "Contact sheet.jpg").exists()
