"""Keeps the draft on disk while the artist works, so that a crash costs at most two seconds of typing."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from studio.core.draft import Draft
from studio.core.errors import StorageProblem, StudioError
from studio.core.recipe_text import TEXT_MAX, draft_from_text, draft_to_text
from studio.core.settings import set_aside, write_text_safely
from studio.state.background import Background
from studio.state.draft_model import DraftModel

DELAY_SECONDS = 1.0
FLUSH_SECONDS = 3.0


class DraftKeeper(QObject):
    """Writes the draft one second after the first unsaved change, also while more changes come.

    Signals: `failed(StudioError)` - once, until writing works again.
    """

    failed = Signal(object)

    def __init__(
        self,
        model: DraftModel,
        file: Path,
        background: Background,
        parent: QObject | None = None,
        delay_seconds: float = DELAY_SECONDS,
    ) -> None:
        super().__init__(parent)
        self._model, self._file, self._background = model, file, background
        self._trouble = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(round(delay_seconds * 1000))
        self._timer.timeout.connect(self._write)
        model.changed.connect(self._on_changed)

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Write now if there is something to write, and wait for it. False if it took too long. For closing."""
        if self._timer.isActive() or self._trouble:  # what the disk refused: it may be there again
            self._write()
        return self._background.wait(seconds)

    def _on_changed(self, _draft: Draft) -> None:
        if not self._timer.isActive():  # never restarted: who types without a pause is kept too
            self._timer.start()

    def _write(self) -> None:
        self._timer.stop()
        text = draft_to_text(self._model.draft)
        self._background.run(partial(write_text_safely, self._file, text), self._on_written, self._on_failed)

    def _on_written(self, _nothing: None) -> None:
        self._trouble = False

    def _on_failed(self, error: StudioError) -> None:
        if not self._trouble:
            self._trouble = True
            headline = "What you type cannot be kept for the next start."
            self.failed.emit(StorageProblem(headline, why_not(error), error.detail))


def why_not(error: StudioError) -> str:
    """What to do where a small file cannot be kept: the error's own words, where it has any that fit."""
    ours = isinstance(error, StorageProblem)
    return str(error) if ours else "Check that the disk has room and the folder can be written."


def load_draft(file: Path) -> tuple[Draft, str]:
    """The kept draft and a sentence for the artist if it was damaged (then it is set aside as *.damaged)."""
    try:
        if file.stat().st_size > 4 * TEXT_MAX:
            raise ValueError("too large")
        return draft_from_text(file.read_text("utf-8")), ""
    except FileNotFoundError:
        return Draft(), ""
    except (OSError, ValueError, StudioError):
        return Draft(), set_aside(file, "last draft", "the panels start empty")
