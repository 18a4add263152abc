"""Keeps what the next start needs of a plot on disk: its axes, its plan, and which of its cells are made."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from studio.core.errors import StorageProblem, StudioError
from studio.core.plot_text import TEXT_MAX, PlotsNote, note_from_text, note_to_text
from studio.core.settings import set_aside, write_text_safely
from studio.state.background import Background
from studio.state.draft_keeper import why_not
from studio.state.plot import Plots

DELAY_MS = 300


class PlotKeeper(QObject):
    """Writes the note of a plot as it begins, and at most three times a second while it changes.

    Mutable state: `_written`, the last note that was given to be written, None where the disk refused it.
    Signals: `failed(StudioError)` - once, until writing works again.
    """

    failed = Signal(object)

    def __init__(self, plots: Plots, file: Path, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._plots, self._file, self._background = plots, file, background
        self._written: PlotsNote | None = PlotsNote()
        self._trouble = False
        self._timer = QTimer(self, singleShot=True, interval=DELAY_MS)
        self._timer.timeout.connect(self._write)
        plots.changed.connect(self._on_changed)

    def flush(self) -> None:
        """Give now what is still to be written. For closing; the thread writes what it was given."""
        if self._timer.isActive() or self._trouble:
            self._write()

    def _on_changed(self) -> None:
        before, now = self._written and self._written.plot, self._plots.note.plot
        if (before and before.plot) is not (now and now.plot):  # begun, or its sheet is there
            self._write()
        elif not self._timer.isActive():  # never restarted, so that a long plot is kept too
            self._timer.start()

    def _write(self) -> None:
        self._timer.stop()
        note = self._plots.note
        if self._written is not None and _timeless(note) == _timeless(self._written):
            return
        self._written = note
        self._background.run(partial(_write, self._file, note), self._on_written, self._on_failed)

    def _on_written(self, _nothing: None) -> None:
        self._trouble = False

    def _on_failed(self, error: StudioError) -> None:
        self._written = None  # so that the same is tried again with the next change
        if not self._trouble:
            self._trouble = True
            hint = f"Its pictures are kept all the same. {why_not(error)}"
            self.failed.emit(StorageProblem("The plot cannot be kept for the next start.", hint, error.detail))


def load_plots(file: Path) -> tuple[PlotsNote, str]:
    """The kept note and a sentence for the artist if it was damaged (then it is set aside as *.damaged)."""
    try:
        if file.stat().st_size > 4 * TEXT_MAX:
            raise ValueError("too large")
        return note_from_text(file.read_text("utf-8")), ""
    except FileNotFoundError:
        return PlotsNote(), ""
    except (OSError, ValueError, StudioError):
        return PlotsNote(), set_aside(file, "plot of last time", "its pictures are in the history")


def _write(file: Path, note: PlotsNote) -> None:
    write_text_safely(file, note_to_text(note))


def _timeless(note: PlotsNote) -> PlotsNote:
    return note if note.plot is None else replace(note, plot=replace(note.plot, seconds=0.0, at=0.0))
