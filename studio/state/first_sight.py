"""At the start the pictures in sight come first: the reading of all rows is held back until they are painted.

Both need the interpreter, and only for one of them somebody waits.
"""

from __future__ import annotations

from collections.abc import Callable


class FirstSight:
    """Holds one piece of work back, and begins it once. All methods belong to the UI thread.

    Mutable state: `_begin` (the work, None while nothing is held back), `_seen` (a view shows the first rows and will
    call `end` when they are painted, or after a while).
    """

    def __init__(self) -> None:
        self._begin: Callable[[], None] | None = None
        self._seen = False

    @property
    def is_holding(self) -> bool:
        """Whether work is held back now."""
        return self._begin is not None

    def hold(self, begin: Callable[[], None]) -> None:
        """Hold this work back; what was held before is dropped. `rows_shown` or `end` must follow."""
        self._begin, self._seen = begin, False

    def drop(self) -> None:
        """Forget the work: other rows are asked for."""
        self._begin = None

    def looked_at(self) -> None:
        """A view has the first rows in sight and will call `end`."""
        self._seen = True

    def rows_shown(self) -> None:
        """The views were told of the first rows: where none of them is looked at there is nothing to wait for."""
        if not self._seen:
            self.end()

    def end(self) -> None:
        """All that is in sight is painted, or is waited for no longer: begin."""
        begin, self._begin = self._begin, None
        if begin is not None:
            begin()
