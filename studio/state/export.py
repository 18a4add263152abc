"""Exports in the background: files or a contact sheet, with progress and a way to stop. Knows no widgets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from studio.core.errors import StudioError
from studio.core.export import ExportReport, ExportWish, SheetWish
from studio.core.picture import Picture
from studio.state.background import Background

Progress = Callable[[int, int], bool]
ExportFiles = Callable[[Sequence[Path], ExportWish, Path, Progress], ExportReport]  # these two run in the background
ExportSheet = Callable[[Sequence[Path], SheetWish, ExportWish, Path, Progress], ExportReport]


class Exporter(QObject):
    """One export at a time. Mutable state: `_stop` of the running one, None while none runs; `folder`, the last used.

    Signals: `progressed(int, int)`, done of all; `finished(ExportReport)`; `failed(StudioError)`.
    """

    progressed = Signal(int, int)
    finished = Signal(object)
    failed = Signal(object)

    def __init__(
        self, files: ExportFiles, sheet: ExportSheet, background: Background, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._files, self._sheet, self._background = files, sheet, background
        self._stop: threading.Event | None = None
        self.folder: Path | None = None

    @property
    def busy(self) -> bool:
        return self._stop is not None

    def export(
        self, pictures: Sequence[Picture], wish: ExportWish, folder: Path, sheet: SheetWish | None = None
    ) -> None:
        """Write the pictures, or one sheet of them, into a folder. Does nothing while an export runs."""
        if self._stop is not None:
            return
        self._stop, self.folder = threading.Event(), folder
        files = tuple(picture.file for picture in pictures)
        tell = partial(self._tell, self._stop)
        one_by_one = partial(self._files, files, wish, folder, tell)
        work = one_by_one if sheet is None else partial(self._sheet, files, sheet, wish, folder, tell)
        self._background.run(work, self._on_done, self._on_failed)

    def cancel(self) -> None:
        """Stop after the picture that is being written; what is written stays."""
        if self._stop is not None:
            self._stop.set()

    def _tell(self, stop: threading.Event, done: int, of: int) -> bool:
        """In the background: Qt brings the signal to the window's thread."""
        self.progressed.emit(done, of)
        return not stop.is_set()

    def _on_done(self, report: ExportReport) -> None:
        self._stop = None
        self.finished.emit(report)

    def _on_failed(self, error: StudioError) -> None:
        self._stop = None
        self.failed.emit(error)
