"""What the history can be filed and searched by: boards and tags with their counts, and completions while one types."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QObject, Signal

from studio.core.library import Completion
from studio.state.background import Background
from studio.state.gallery_listing import PictureStore

Counted = tuple[tuple[str, int], ...]


class Catalogue(QObject):
    """Mutable state: `boards` and `tags`, each with how many pictures it has, as read last; `_begun`, boards that were
    named in this session and have no picture yet.

    Signals: `changed()` - boards or tags are others.
    """

    changed = Signal()

    def __init__(self, store: PictureStore, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._store, self._background = store, background
        self._boards: Counted = ()
        self._begun: tuple[str, ...] = ()
        self.tags: Counted = ()

    @property
    def boards(self) -> Counted:
        """All boards in alphabetical order, with those begun in this session."""
        there = {name for name, _ in self._boards}
        return tuple(sorted(self._boards + tuple((name, 0) for name in self._begun if name not in there)))

    def begin_board(self, name: str) -> None:
        """A board without pictures: it is kept from the first picture on."""
        if name and name not in self._begun:
            self._begun = (*self._begun, name)
            self.changed.emit()

    def refresh(self) -> None:
        """Read them anew; `changed` follows if they are others."""
        self._background.run_latest("catalogue", partial(_read, self._store), self._on_read, lambda _: None)

    def complete(self, text: str, cursor: int, done: Callable[[Sequence[Completion]], None]) -> None:
        """Give `done` what the word at the cursor may become; only the latest question is answered."""
        self._background.run_latest("complete", partial(self._store.complete, text, cursor), done, lambda _: None)

    def _on_read(self, read: tuple[Counted, Counted]) -> None:
        if read != (self._boards, self.tags):
            self._boards, self.tags = read
            self.changed.emit()


def _read(store: PictureStore) -> tuple[Counted, Counted]:
    return tuple(store.boards()), tuple(store.tags())
