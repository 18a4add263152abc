"""Keeps the settings on disk as they change."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from studio.core.errors import StorageProblem, StudioError
from studio.core.settings import Settings, write_text_safely
from studio.state.background import Background
from studio.state.draft_keeper import why_not


class SettingsKeeper(QObject):
    """Writes all settings at each `save`.

    Signals: `failed(StudioError)` - once, until writing works again.
    """

    failed = Signal(object)

    def __init__(self, settings: Settings, file: Path, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings, self._file, self._background = settings, file, background
        self._trouble = False

    def save(self) -> None:
        """Returns at once."""
        work = partial(write_text_safely, self._file, self._settings.text())
        self._background.run(work, self._on_written, self._on_failed)

    def _on_written(self, _nothing: None) -> None:
        self._trouble = False

    def _on_failed(self, error: StudioError) -> None:
        if not self._trouble:
            self._trouble = True
            headline = "The settings cannot be kept for the next start."
            self.failed.emit(StorageProblem(headline, why_not(error), error.detail))
