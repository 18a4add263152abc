"""Joins the benches - compare, plot, export - to the gallery: what app.py hands to their state. Holds no logic of its own.

What each needs of the gallery is imported when it first works, in the thread that works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.export import ExportReport, ExportWish, SheetWish
from studio.core.pixels import Pixels
from studio.core.plot import Plot
from studio.core.plot_text import PlotNote, PlotsNote
from studio.core.recipe import Recipe
from studio.core.verify import Distance
from studio.state.background import Background
from studio.state.compare import Comparison
from studio.state.export import Exporter, Progress
from studio.state.job_queue import JobQueue
from studio.state.messages import Messages
from studio.state.plot import CellNow, OnFound, OnTile, Plots
from studio.state.plot_keeper import load_plots
from studio.state.plugins_model import PluginsModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from studio.core.picture import Picture
    from studio.gallery.store import GalleryStore


def make_comparison(background: Background) -> Comparison:
    """Two pictures side by side."""
    return Comparison(_read_side, _distance, _difference, background)


def make_plots(
    store: GalleryStore, queue: JobQueue, plugins: PluginsModel, models: Iterable[str], background: Background
) -> Plots:
    """Plots whose sheets are saved in this store."""
    return Plots(queue, plugins, models, partial(_draw_plot, store), background)


def take_up_plot(
    store: GalleryStore, plots: Plots, messages: Messages, threads: Mapping[str, Background], done: Callable[[], None]
) -> None:
    """Read what the last session left of a plot, behind what "files" has to do already: the queue has its jobs back.

    Then `done()`. The cells' pictures are looked for once the store is open.
    """

    def find(note: PlotNote, on_found: OnFound) -> None:
        threads["store"].run(partial(_cells_of, store, note), on_found, messages.error)

    def take_up(read: tuple[PlotsNote, str]) -> None:
        note, notice = read
        if notice:
            messages.warn(notice)
        plots.take_up(note, find)
        done()

    threads["files"].run(partial(load_plots, store.folders.plot), take_up)


def make_exporter(background: Background) -> Exporter:
    """Exports into folders of the artist's."""
    return Exporter(_export_files, _export_sheet, background)


def _read_side(file: Path) -> tuple[Pixels, Recipe | None, str]:
    from studio.gallery.pixel_compare import read_side

    return read_side(file)


def _distance(first: Pixels, second: Pixels) -> Distance | None:
    from studio.gallery.pixel_compare import distance

    return distance(first, second)


def _difference(first: Pixels, second: Pixels, gain: float) -> Pixels | None:
    from studio.gallery.pixel_compare import difference

    return difference(first, second, gain)


def _cells_of(store: GalleryStore, note: PlotNote) -> tuple[Picture | None, ...]:
    from studio.gallery.just_saved import cells_of

    return cells_of(store, note)


def _draw_plot(
    store: GalleryStore, plot: Plot, cells: tuple[CellNow, ...], seconds: float, on_tile: OnTile
) -> Picture | None:
    from studio.gallery.plot_sheet import save_plot_sheet
    from studio.gallery.sheet import SheetStopped

    try:
        return save_plot_sheet(store, plot, [(cell.picture, cell.problem) for cell in cells], seconds, on_tile)
    except SheetStopped:
        return None


def _export_files(files: Sequence[Path], wish: ExportWish, folder: Path, tell: Progress) -> ExportReport:
    from studio.gallery.export import export_all

    return export_all(files, wish, folder, tell)


def _export_sheet(
    files: Sequence[Path], sheet: SheetWish, wish: ExportWish, folder: Path, tell: Progress
) -> ExportReport:
    from studio.gallery.contact import export_sheet

    return export_sheet(files, sheet, wish, folder, tell)
