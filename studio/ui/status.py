"""The status line: where the running picture stands, what the engine runs on, how much memory the studio uses."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QProgressBar, QStatusBar, QWidget

from studio.core.errors import StudioError
from studio.core.events import EngineReady
from studio.core.job import Job
from studio.state.job_queue import JobQueue
from studio.ui.widgets.text import ElidedLabel, PlainLabel, plain_tooltip
from studio.ui.words import memory, progress_line

_MEMORY_MS = 2000


class StatusLine(QStatusBar):
    """Shows what the queue tells. Mutable state: none beyond the widgets."""

    def __init__(self, queue: JobQueue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queue = queue
        self.setSizeGripEnabled(False)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedWidth(148)
        self.bar.setAccessibleName(self.tr("Progress of the running picture"))
        self.progress = ElidedLabel()
        self.waiting = PlainLabel()
        self.device = PlainLabel(self.tr("Engine is waking up …"))
        self.memory = PlainLabel()
        plain_tooltip(self.memory, self.tr("Memory the studio uses, with its models, of the machine's"))
        self.setContentsMargins(12, 0, 12, 0)
        self.addWidget(self.bar)
        self.addWidget(self.progress, 1)
        for label in (self.waiting, self.device, self.memory):
            label.setContentsMargins(12, 0, 0, 0)
            self.addPermanentWidget(label)
        queue.progressed.connect(self._show_job)
        queue.jobs_changed.connect(self._show_jobs)
        queue.engine_ready.connect(self._show_engine)
        queue.engine_failed.connect(self._show_no_engine)
        if queue.engine is not None:
            self._show_engine(queue.engine)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._show_memory)
        self._timer.start(_MEMORY_MS)
        self._show_jobs()
        self._show_memory()

    def _show_jobs(self) -> None:
        running = self._queue.running
        self.bar.setVisible(running is not None)
        count = len(self._queue.waiting)
        self.waiting.setText(self.tr("{n} waiting").replace("{n}", str(count)) if count else "")
        if running is not None:
            self._show_job(running)
        else:
            self.progress.setText(self.tr("Ready") if self._queue.engine is not None else "")

    def _show_job(self, job: Job) -> None:
        if self._queue.running is not None and job.id == self._queue.running.id:
            self.bar.setRange(0, job.recipe.steps)
            self.bar.setValue(job.step)
            self.progress.setText(progress_line(job))

    def _show_engine(self, ready: EngineReady) -> None:
        self.device.setText(f"{ready.device}  ·  {ready.dtype}")
        words = self.tr("The engine's device and number format")
        plain_tooltip(self.device, f"{words}\n{memory(ready.memory_bytes)}" if ready.memory_bytes else words)
        self._show_memory()
        self._show_jobs()

    def _show_no_engine(self, error: StudioError) -> None:
        self.device.setText(self.tr("No engine"))
        plain_tooltip(self.device, error.headline)

    def _show_memory(self) -> None:
        used, ready = resident_bytes(), self._queue.engine
        total = ready.memory_bytes if ready is not None and ready.device == "cpu" else 0
        both = self.tr("{a} of {b}").replace("{a}", memory(used)).replace("{b}", memory(total))
        self.memory.setText("" if not used else both if total else memory(used))


def resident_bytes() -> int:
    """Memory of this process in bytes; 0 where the system does not tell cheaply."""
    try:
        if sys.platform == "linux":
            pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE")
        if sys.platform == "darwin":
            import resource

            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    except (OSError, ValueError, IndexError):
        pass
    return 0
