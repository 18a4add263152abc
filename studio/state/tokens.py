"""How many tokens the prompts have, counted off the UI thread while the artist types."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from studio.core.errors import StudioError
from studio.state.background import Background

if TYPE_CHECKING:
    from studio.engine.tokens import TokenCount

CountTokens = Callable[[str, str], "TokenCount"]  # (model name, text); called in the background; raises StudioError


class Tokens(QObject):
    """Counts; per field the latest text wins.

    Signals: `counted(field, TokenCount)`, field "prompt" or "negative"; `failed(field, StudioError)`.
    """

    counted = Signal(str, object)
    failed = Signal(str, object)

    def __init__(self, count: CountTokens, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._count, self._background = count, background

    def request(self, field: str, model: str, text: str) -> None:
        """Count the tokens of `text` as the text encoder of `model` would; `counted` follows."""
        self._background.run_latest(
            f"tokens {field}",
            partial(self._count, model, text),
            partial(self._on_counted, field),
            partial(self._on_failed, field),
        )

    def _on_counted(self, field: str, count: object) -> None:
        self.counted.emit(field, count)

    def _on_failed(self, field: str, error: StudioError) -> None:
        self.failed.emit(field, error)
