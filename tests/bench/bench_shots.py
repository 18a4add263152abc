"""Pictures of comparing, plotting, enlarging and exporting, to be looked at: `python tests/bench/bench_shots.py FOLDER [dark|light]`.

With QT_SCALE_FACTOR=2 in the environment they are taken at two device pixels for one.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from screenshots import Shot


def take(shot: Shot, widget: object, name: str, seconds: float = 0.3) -> None:
    """Let everything settle, then keep what the widget shows."""
    shot.wait(seconds=seconds)
    widget.grab().save(str(Path(sys.argv[1]) / f"{name}.png"))


def compare(theme: str) -> None:
    """The four ways to compare, zoomed, with different sizes, and over two identical pictures."""
    from studio.ui.compare.canvas import Mode

    shot = Shot(theme=theme)
    shot.paint(6)
    gallery, comparison = shot.studio.state.gallery, shot.studio.state.comparison
    pictures = [gallery.picture(gallery.index(row)) for row in range(6)]
    benches = shot.window.benches
    benches.show_compare(pictures[2], pictures[1])
    shot.wait(lambda: comparison.distance is not None and not comparison.difference.isNull())
    window = benches.compare
    for mode in Mode:
        window.set_mode(mode)
        take(shot, window, f"compare_{mode.name.lower()}_{theme}")
    window.set_mode(Mode.SLIDER)
    for _ in range(3):
        window.canvas.zoom_in()
    take(shot, window, f"compare_zoomed_{theme}")
    other = next(picture for picture in pictures if picture.width != pictures[2].width)
    comparison.put(1, other)
    shot.wait(lambda: comparison.sides[1] is not None and comparison.sides[1].picture is other)
    window.set_mode(Mode.SIDE_BY_SIDE)
    take(shot, window, f"compare_sizes_{theme}")
    comparison.put(1, pictures[2].file)
    shot.wait(lambda: comparison.distance is not None and not comparison.distance.largest)
    take(shot, window, f"compare_identical_{theme}")
    shot.close()


def plot(theme: str) -> None:
    """A plan with three axes, a mistake in one, a plot being made with a failed cell, its sheet in the window."""
    from studio.core.errors import OutOfMemory

    shot = Shot(theme=theme)
    shot.paint(2)
    shot.studio.draft.set_prompt("a red house on green hills, blue sky")
    shot.studio.draft.set_seed(42)
    shot.window.commands["plot"].trigger()
    dialog, plots = shot.window.benches.plot, shot.studio.state.plots
    dialog.axes[2].choose("scheduler", "DDIM, Euler, DPM++ 2M")
    dialog.plan_now()
    take(shot, dialog, f"plot_three_axes_{theme}")
    dialog.axes[0].choose("steps", "5, 10x")
    dialog.plan_now()
    take(shot, dialog, f"plot_mistake_{theme}")
    dialog.axes[0].choose("replace", "red, yellow, white, 橙色")
    dialog.axes[1].choose("seed", "1-3")
    dialog.axes[2].choose("", "")
    dialog.plan_now()
    usual = shot.engine.render

    def render(recipe, on_progress):
        if recipe.seed == 2 and "yellow" in recipe.prompt:
            raise OutOfMemory("The device has not enough memory for this picture.")
        return usual(recipe, on_progress)

    shot.engine.render, shot.engine.hold_at = render, 7
    dialog.start()
    shot.wait(lambda: (job := shot.studio.queue.running) is not None and job.step >= 6)
    take(shot, dialog, f"plot_running_{theme}")
    shot.engine.go = True
    shot.wait(lambda: plots.sheet is not None, 120)
    take(shot, dialog, f"plot_done_{theme}", 1)
    dialog.show_sheet.click()
    shot.window.centre.messages.clear()
    take(shot, shot.window, f"plot_sheet_in_window_{theme}", 1)
    shutil.copy(plots.sheet.file, Path(sys.argv[1]) / f"plot_sheet_{theme}.png")
    shot.close()


def plot_left(theme: str) -> None:
    """A plot that a power cut left half done: the offer, the window of plots, and what became of it."""
    shot = Shot(theme=theme)
    shot.studio.draft.set_prompt("a red house on green hills, blue sky")
    shot.studio.draft.set_seed(42)
    shot.window.commands["plot"].trigger()
    dialog, plots = shot.window.benches.plot, shot.studio.state.plots
    dialog.axes[0].choose("steps", "5, 10, 15, 20")
    dialog.axes[1].choose("seed", "1-3")
    usual = shot.engine.render

    def render(recipe, on_progress):
        shot.engine.hold_at = 3 if (recipe.steps, recipe.seed) == (10, 2) else 0
        return usual(recipe, on_progress)

    shot.engine.render = render
    dialog.start()
    shot.wait(lambda: (job := shot.studio.queue.running) is not None and job.step >= 3)
    shot.wait(seconds=1)
    left = Path(tempfile.mkdtemp(prefix="studio-shot-")) / "left"
    shutil.copytree(shot.folder, left)
    shot.close()
    shot = Shot(theme=theme, folder=left)
    plots = shot.studio.state.plots
    shot.wait(lambda: plots.plot is not None)
    take(shot, shot.window, f"plot_left_offer_{theme}", 1)
    shot.window.commands["plot"].trigger()
    dialog = shot.window.benches.plot
    take(shot, dialog, f"plot_left_{theme}", 1)
    dialog.go_on.click()
    shot.wait(lambda: plots.sheet is not None, 60)
    take(shot, dialog, f"plot_left_interrupted_{theme}", 1)
    shot.close()


def enlarge(theme: str) -> None:
    """The window that asks how much larger, and what it says where twice is too much."""
    from dataclasses import replace

    from studio.ui.dialogs.enlarge import EnlargeDialog

    shot = Shot(theme=theme)
    shot.paint(3)
    shot.window.commands["enlarge"].trigger()
    dialog = shot.window.findChild(EnlargeDialog)
    take(shot, dialog, f"enlarge_{theme}")
    before = shot.window.gallery.model().rowCount()
    dialog.begin.click()
    shot.wait(lambda: shot.window.gallery.model().rowCount() > before)
    shot.window.commands["details"].trigger()
    take(shot, shot.window, f"enlarged_in_window_{theme}", 1)
    shot.window.commands["library"].trigger()
    take(shot, shot.window, f"enlarged_in_library_{theme}", 1)
    picture = shot.studio.state.gallery.picture(shot.studio.state.gallery.index(1))
    wide = EnlargeDialog(replace(picture, width=1216, height=832), 2.0, 0.35, shot.window)
    wide.show()
    take(shot, wide, f"enlarge_too_large_{theme}")
    shot.window.tree.show_tree(shot.studio.state.gallery.picture(shot.studio.state.gallery.index(0)))
    take(shot, shot.window.tree.page, f"enlarge_tree_{theme}", 1)
    shot.close()


def export(theme: str) -> None:
    """Single files with a mistake in the names, a contact sheet, and what it looks like."""
    from studio.ui.export.dialog import ExportDialog

    shot = Shot(theme=theme)
    shot.paint(7)
    shot.window.gallery.choice.clearSelection()
    shot.window.gallery.selectAll()
    exporter = shot.studio.state.exporter
    exporter.folder = shot.folder / "exported"
    shot.window.commands["export"].trigger()
    dialog = shot.window.findChild(ExportDialog)
    take(shot, dialog, f"export_files_{theme}")
    dialog.format.setCurrentIndex(2)
    dialog.pattern.setText("{promt}")
    dialog.pattern.textEdited.emit("")
    take(shot, dialog, f"export_mistake_{theme}")
    dialog.as_sheet.click()
    dialog.pattern.setText("{prompt}")
    dialog.format.setCurrentIndex(0)
    dialog.export()
    shot.wait(lambda: not exporter.busy, 60)
    take(shot, dialog, f"export_contact_sheet_{theme}")
    for file in exporter.folder.glob("*.png"):
        shutil.copy(file, Path(sys.argv[1]) / f"contact_sheet_{theme}.png")
    shot.close()


ALL = (compare, plot, plot_left, enlarge, export)


def main() -> None:
    """Take all of them, in one theme or in both."""
    Path(sys.argv[1]).mkdir(parents=True, exist_ok=True)
    for theme in sys.argv[2:] or ("dark", "light"):
        for shots in ALL:
            shots(theme)
            print("took", shots.__name__, theme, flush=True)


if __name__ == "__main__":
    main()
