"""How much memory the picture in the panels would take, told while the artist chooses, off the UI thread."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal

from studio.core.budget import Budget
from studio.core.draft import Draft, expand
from studio.core.errors import BadRecipe, StudioError
from studio.core.events import EngineReady
from studio.core.recipe import Recipe
from studio.state.background import Background
from studio.state.draft_model import DraftModel
from studio.state.job_queue import JobQueue

Tell = Callable[[Recipe, EngineReady], Budget | None]  # called in the background; reads headers
WAIT_MS = 200  # a slider that is dragged asks once it rests


class Budgets(QObject):
    """Asks again whenever what decides the memory changes; the latest draft wins.

    Mutable state: `budget`, the last answer (None: not known), and `_asked`, what it was asked for.
    Signal: `changed()`.
    """

    changed = Signal()

    def __init__(self, draft: DraftModel, queue: JobQueue, tell: Tell, background: Background) -> None:
        super().__init__()
        self._draft, self._queue, self._tell, self._background = draft, queue, tell, background
        self.budget: Budget | None = None
        self._asked: tuple[object, ...] = ()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WAIT_MS)
        self._timer.timeout.connect(self._ask)
        draft.changed.connect(self._on_changed)
        queue.engine_ready.connect(lambda _: self.ask_again())
        queue.picture_added.connect(lambda _: self.ask_again())  # what is free is another amount now

    def ask_again(self) -> None:
        """Also if the draft is the same."""
        self._asked = ()
        self._on_changed(self._draft.draft)

    def _on_changed(self, draft: Draft) -> None:
        if self._queue.engine is not None and _demand(draft) != self._asked:
            self._timer.start()

    def _ask(self) -> None:
        draft, ready = self._draft.draft, self._queue.engine
        if ready is None:
            return
        self._asked = _demand(draft)
        try:
            recipe = expand(draft, random.Random(0))[0]  # whatever its seed
        except BadRecipe:
            self._show(None)
            return
        self._background.run_latest("budget", partial(self._tell, recipe, ready), self._show, self._on_failed)

    def _on_failed(self, _error: StudioError) -> None:
        self._show(None)

    def _show(self, budget: Budget | None) -> None:
        if budget != self.budget:
            self.budget = budget
            self.changed.emit()


def _demand(draft: Draft) -> tuple[object, ...]:
    """What of a draft decides how much memory it takes."""
    nets = tuple((layer.use.kind, layer.use.net) for layer in draft.controls if layer.enabled)
    guided = draft.guidance_scale > 1
    plugins = tuple(layer.use.files for layer in draft.plugins if layer.enabled)
    return draft.model, draft.refiner, draft.vae, draft.size, draft.exact, nets, guided, plugins
