"""What is kept of a plot while it is made without a window, so that one that was cut off can be continued."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.plot import Plot
from studio.core.plot_text import TEXT_MAX, CellNote, PlotNote, PlotsNote, note_from_text, note_to_text
from studio.core.plot_values import BadPlot
from studio.core.safe_files import write_whole

if TYPE_CHECKING:
    from studio.core.picture import Picture
    from studio.gallery.store import GalleryStore

Cells = list[tuple["Picture | None", str]]  # of each cell its picture, or why there is none


class PlotKept:
    """A file that says which cells of a plot are made. A disk that refuses it is told once and costs no picture.

    State: `_before`, seconds that earlier runs worked on it, `_began`, on this one's clock; `_is_told`.
    """

    def __init__(self, file: Path, plot: Plot, before: float = 0.0) -> None:
        self._file, self._plot = file, plot
        self._before, self._began = before, time.monotonic()
        self._is_told = False

    @property
    def seconds(self) -> float:
        """How long the plot was worked on, by all runs together."""
        return self._before + time.monotonic() - self._began

    def note(self, cells: Cells) -> None:
        """These are made, or cannot be."""
        notes = tuple(
            CellNote(picture=picture.id) if picture is not None else CellNote(over=bool(problem), problem=problem)
            for picture, problem in cells
        )
        note = PlotNote(plot=self._plot, cells=notes, seconds=self.seconds, at=time.time())
        try:
            write_whole(self._file, note_to_text(PlotsNote(plot=note)).encode("utf-8", "replace"))
        except OSError as error:
            if not self._is_told:
                print(f"The plot could not be continued if it were cut off now ({error}).", file=sys.stderr)
            self._is_told = True

    def settle(self, cells: Cells) -> None:
        """The sheet is saved: nothing is left to do, unless a cell could not be made."""
        self.note(cells)
        if all(picture is not None for picture, _ in cells):
            with suppress(OSError):
                self._file.unlink()


def read_left(file: Path) -> PlotNote:
    """The plot that was cut off, or some of whose cells could not be made. Raises `BadPlot`, `BadRecipe`."""
    hint = "Give --columns FIELD=VALUES for a new one."
    try:
        if file.stat().st_size > 4 * TEXT_MAX:
            raise BadPlot("What is kept of the last plot cannot be read.", hint)
        note = note_from_text(file.read_text("utf-8", "replace")).plot
    except OSError:
        note = None
    if note is None:
        raise BadPlot("No plot was cut off, so there is none to go on with.", hint)
    return note


def cells_left(store: GalleryStore, note: PlotNote) -> Cells:
    """What there is of its cells; those that failed may have another try."""
    from studio.gallery.just_saved import cells_of

    return [(picture, "") for picture in cells_of(store, note)]
