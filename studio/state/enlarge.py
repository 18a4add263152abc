"""Enlarging a picture: its pixels are kept as an input, then the larger one goes through the queue. Knows no widgets."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.core.draft import draft_of
from studio.core.enlarge import FACTORS, STRENGTH, enlarged, enlarged_parents, enlarged_size
from studio.core.errors import StudioError
from studio.core.picture import Picture
from studio.core.recipe import ImageRef
from studio.state.intake import Added, InputIntake
from studio.state.job_queue import JobQueue
from studio.state.plugins_model import PluginsModel


class Enlarger(QObject):
    """Mutable state: `factor` and `strength` as they were wished last.

    Signals: `queued(Job)`; `failed(StudioError)` - nothing was queued.
    """

    queued = Signal(object)
    failed = Signal(object)

    def __init__(
        self, intake: InputIntake, queue: JobQueue, plugins: PluginsModel, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._intake, self._queue, self._plugins = intake, queue, plugins
        self.factor, self.strength = FACTORS[0], STRENGTH

    def enlarge(self, picture: Picture, factor: float, strength: float) -> None:
        """Queue a larger version of a picture; `queued` or `failed` follows."""
        self.factor, self.strength = factor, strength
        try:
            enlarged_size(picture, factor)
        except StudioError as error:
            self.failed.emit(error)
        else:
            self._intake.keep(picture.file, partial(self._on_kept, picture, factor, strength), self.failed.emit)

    def _on_kept(self, picture: Picture, factor: float, strength: float, added: Added) -> None:
        try:
            recipe = enlarged(picture, factor, ImageRef(digest=added.ref.digest), strength)
            if problem := self._plugins.problem(draft_of(recipe)):
                raise problem
            job = self._queue.submit_recipe(recipe, enlarged_parents(picture))
        except StudioError as error:
            self.failed.emit(error)
        else:
            self.queued.emit(job)
