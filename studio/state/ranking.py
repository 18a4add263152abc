"""The pictures of the last press of Generate, best first, where scorers gave them figures."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QObject, Signal

from studio.core.job import Job
from studio.core.picture import Picture
from studio.state.job_queue import JobQueue


class Ranking(QObject):
    """Mutable state: `_jobs` (ids of the batch), `_pictures` (those of it that are done).

    Signals: `changed()`.
    """

    changed = Signal()

    def __init__(self, queue: JobQueue, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._jobs: frozenset[int] = frozenset()
        self._pictures: dict[str, Picture] = {}
        queue.picture_added.connect(self._on_picture)

    @property
    def rows(self) -> tuple[tuple[Picture, float], ...]:
        """Picture and first score, best first; empty for a single picture or where nothing scored."""
        scored = [
            (picture, picture.made_with.scores[0][1]) for picture in self._pictures.values() if picture.made_with.scores
        ]
        if len(self._jobs) < 2 or not scored:
            return ()
        return tuple(sorted(scored, key=lambda row: (-row[1], row[0].recipe.seed)))

    def begin(self, jobs: Iterable[Job]) -> None:
        """A new batch was queued; the former one is ranked no more."""
        self._jobs = frozenset(job.id for job in jobs)
        self._pictures.clear()
        self.changed.emit()

    def forget(self, picture_id: str) -> None:
        """A picture left the gallery."""
        if self._pictures.pop(picture_id, None) is not None:
            self.changed.emit()

    def clear(self) -> None:
        """Rank nothing until the next batch."""
        self.begin(())

    def _on_picture(self, picture: Picture) -> None:
        made = {job.picture.id for job in self._queue.jobs if job.id in self._jobs and job.picture is not None}
        if picture.id in made:
            self._pictures[picture.id] = picture
            self.changed.emit()
