"""Where and when Python looks for reference cycles: on the UI thread, in small portions. Knows nothing of the studio.

By default the collector runs in whatever thread happens to allocate: in the engine thread it may destroy a QObject of
the window (Qt forbids that), and a full pass over everything that torch imports holds the GIL for a long time.
"""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

INTERVAL_MS = 500


class GarbageOnUiThread(QObject):
    """Takes over the cyclic garbage collector from `hold` or `start` to `close`. One per program."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self.collect)

    def hold(self) -> None:
        """Collect nothing until `start`: while libraries are imported, a full pass finds nothing and takes 0.4 s."""
        gc.disable()

    def start(self) -> None:
        """From now on cycles are looked for here only."""
        gc.disable()
        self._timer.start()

    def freeze(self) -> None:
        """Never look at what exists now again: call it once the libraries are imported."""
        gc.freeze()

    def collect(self) -> None:
        """As Python itself decides: the oldest generation whose count is above its threshold."""
        counts, thresholds = gc.get_count(), gc.get_threshold()
        for generation in (2, 1, 0):
            if counts[generation] > thresholds[generation] > 0:
                gc.collect(generation)
                return

    def close(self) -> None:
        """Give the collector back."""
        self._timer.stop()
        gc.unfreeze()
        gc.enable()
