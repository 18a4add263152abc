"""The jobs as rows for a list view: running, waiting, left from last time, then the recent ones. Rows are updated, never reset."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from studio.core.job import Job, JobState
from studio.state.job_queue import JobQueue

Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()


class JobListModel(QAbstractListModel):
    """Rows over a `JobQueue`. Role `JobRole` gives the `Job`, the display role its prompt.

    `_shown` is what the views know; it follows the queue by removing, moving and inserting rows: a selection lives.
    """

    JobRole = Qt.ItemDataRole.UserRole + 1

    def __init__(self, queue: JobQueue, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self._shown: list[Job] = list(_in_order(queue))
        queue.jobs_changed.connect(self._follow)
        queue.progressed.connect(self._update)

    def job(self, index: Index) -> Job:
        """The job of a valid index."""
        return self._shown[index.row()]

    def rowCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(self._shown)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # Any: Qt's own return type
        if not index.isValid() or index.row() >= len(self._shown):
            return None
        job = self._shown[index.row()]
        if role == self.JobRole:
            return job
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
            return job.recipe.prompt
        return None

    def flags(self, index: Index) -> Qt.ItemFlag:
        return super().flags(index) | Qt.ItemFlag.ItemNeverHasChildren if index.isValid() else Qt.ItemFlag.NoItemFlags

    def _follow(self) -> None:
        wanted = _in_order(self._queue)
        places = {job.id: place for place, job in enumerate(wanted)}
        for row in reversed(range(len(self._shown))):
            if self._shown[row].id not in places:
                self.beginRemoveRows(ROOT, row, row)
                del self._shown[row]
                self.endRemoveRows()
        for row, job in enumerate(wanted):
            self._bring(job, row, places)

    def _bring(self, job: Job, row: int, places: dict[int, int]) -> None:
        """Make `job` stand at `row`; the rows above stand right already."""
        now = next((i for i in range(row, len(self._shown)) if self._shown[i].id == job.id), None)
        if now is None:
            self.beginInsertRows(ROOT, row, row)
            self._shown.insert(row, job)
            self.endInsertRows()
            return
        if now == row + 1:  # the job in the way has just ended: send it to its place instead of moving all others
            self._move(row, min(places[self._shown[row].id], len(self._shown) - 1))
        elif now != row:
            self._move(now, row)
        self._set(row, job)

    def _move(self, row: int, to: int) -> None:
        # Qt counts the target before the row is taken out
        self.beginMoveRows(ROOT, row, row, ROOT, to + 1 if to > row else to)
        self._shown.insert(to, self._shown.pop(row))
        self.endMoveRows()

    def _update(self, job: Job) -> None:
        for row, shown in enumerate(self._shown):
            if shown.id == job.id:
                self._set(row, job)
                return

    def _set(self, row: int, job: Job) -> None:
        if self._shown[row] != job:
            self._shown[row] = job
            self.dataChanged.emit(self.index(row), self.index(row))


def _in_order(queue: JobQueue) -> tuple[Job, ...]:
    active = (JobState.RUNNING, JobState.CANCELLING, JobState.SAVING)
    running = tuple(job for job in queue.jobs if job.state in active)
    interrupted = tuple(job for job in queue.jobs if job.state is JobState.INTERRUPTED)
    recent = tuple(job for job in reversed(queue.jobs) if job.state.is_final and job.state is not JobState.INTERRUPTED)
    return running + queue.waiting + queue.held + interrupted + recent
