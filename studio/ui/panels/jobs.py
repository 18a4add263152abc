"""The queue panel: what runs, what waits in which order, what ended how."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import QHelpEvent, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractItemView, QListView, QMenu, QToolTip, QWidget

from studio.core.job import Job, JobState
from studio.core.picture import Picture
from studio.state.job_list_model import JobListModel
from studio.state.job_queue import JobQueue
from studio.ui.icons import icon
from studio.ui.panels.jobs_delegate import JobsDelegate, wish_at, wish_words
from studio.ui.theme import colors
from studio.ui.widgets.text import plain
from studio.ui.words import facts_line, progress_line


class JobsView(QListView):
    """A list of jobs. Delete cancels, or takes off the list what was interrupted; Alt+Up and Alt+Down reorder.

    Signals: `picture_wished(Picture)` - show what a job made; `problem_wished(Job)` - say again why it failed;
    `recipe_wished(Recipe)` - use its settings.
    """

    picture_wished = Signal(object)
    problem_wished = Signal(object)
    recipe_wished = Signal(object)

    def __init__(self, queue: JobQueue, model: JobListModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("queueView")
        self.setAccessibleName(self.tr("Queue"))
        self._queue = queue
        self.setModel(model)
        delegate = JobsDelegate(self)
        delegate.wished.connect(self._on_wish)
        self.setItemDelegate(delegate)
        self.setUniformItemSizes(True)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(True)
        self.setMinimumHeight(56)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._on_menu)
        self.doubleClicked.connect(lambda index: self._open(index.data(JobListModel.JobRole)))

    def current_job(self) -> Job | None:
        """The job of the current row."""
        index = self.currentIndex()
        return index.data(JobListModel.JobRole) if index.isValid() else None

    def cancel_selected(self) -> None:
        """Cancel the current row's job; one that was interrupted leaves the list."""
        job = self.current_job()
        if job is not None and job.state is JobState.INTERRUPTED:
            self._queue.forget(job.id)
        elif job is not None:
            self._queue.cancel(job.id)

    def move_selected(self, by: int) -> None:
        """Bring the current row's job up (-1) or down (1) among the waiting ones."""
        job = self.current_job()
        ids = [waiting.id for waiting in self._queue.waiting]
        if job is not None and job.id in ids:
            self._queue.move(job.id, min(len(ids) - 1, max(0, ids.index(job.id) + by)))

    def menu_for(self, job: Job) -> QMenu:
        """What can be done with a job."""
        menu = QMenu(self)
        waiting = job.state is JobState.QUEUED
        menu.addAction(icon("up"), self.tr("Run next"), lambda: self._queue.move(job.id, 0)).setEnabled(waiting)
        menu.addAction(icon("cancel"), self.tr("Cancel"), lambda: self._queue.cancel(job.id)).setEnabled(
            not job.state.is_final
        )
        self._add_left_over(menu, job)
        menu.addSeparator()
        menu.addAction(icon("reuse"), self.tr("Use these settings"), lambda: self.recipe_wished.emit(job.recipe))
        if isinstance(job.picture, Picture):
            menu.addAction(icon("image"), self.tr("Show the picture"), lambda: self._open(job))
        if job.state is JobState.FAILED:
            menu.addAction(icon("info"), self.tr("Why it failed"), lambda: self._open(job))
        if self._queue.unsaved(job.id) is not None:
            menu.addAction(icon("save"), self.tr("Save the picture again"), lambda: self._queue.retry_save(job.id))
        menu.addSeparator()
        menu.addAction(self.tr("Clear what is over"), self._queue.clear_finished)
        return menu

    def _add_left_over(self, menu: QMenu, job: Job) -> None:
        """What can be done with jobs of an earlier session, and with pictures that are not decoded."""
        if job.state is JobState.HELD:
            menu.addAction(icon("play"), self.tr("Let it run"), lambda: self._queue.go_on(job.id))
            menu.addAction(icon("play"), self.tr("Let all run that waited"), lambda: self._queue.go_on())
        if job.undecoded and job.state.is_final:
            menu.addAction(icon("retry"), self.tr("Decode again"), lambda: self._queue.decode_again(job.id))
        if job.state in (JobState.INTERRUPTED, JobState.FAILED, JobState.CANCELLED):
            menu.addAction(icon("retry"), self.tr("Run again"), lambda: self._queue.run_again(job.id))
        if job.state is JobState.INTERRUPTED or (job.undecoded and job.state.is_final):
            forget = menu.addAction(icon("close"), self.tr("Take it off the list"), lambda: self._queue.forget(job.id))
            forget.setEnabled(self._queue.unsaved(job.id) is None)

    def _on_wish(self, job: Job, wish: str) -> None:
        getattr(self._queue, wish)(job.id)

    def _open(self, job: Job | None) -> None:
        if job is not None and job.picture is not None:
            self.picture_wished.emit(job.picture)
        elif job is not None and job.error is not None:
            self.problem_wished.emit(job)

    def _on_menu(self, at: QPoint) -> None:
        index = self.indexAt(at)
        if index.isValid():
            menu = self.menu_for(index.data(JobListModel.JobRole))
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.popup(self.viewport().mapToGlobal(at))

    # Qt overrides
    def keyPressEvent(self, event: QKeyEvent) -> None:
        alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        if event.key() == Qt.Key.Key_Delete:
            self.cancel_selected()
        elif alt and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.move_selected(-1 if event.key() == Qt.Key.Key_Up else 1)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._open(self.current_job())
        else:
            super().keyPressEvent(event)

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            index = self.indexAt(event.pos())
            job = index.data(JobListModel.JobRole) if index.isValid() else None
            if job is None:
                QToolTip.hideText()
            else:
                wish = wish_at(self.visualRect(index), event.pos(), job)
                words = f"{job.recipe.prompt}\n{facts_line(job.recipe)}\n{progress_line(job)}"
                words = wish_words(wish) if wish else words
                QToolTip.showText(event.globalPos(), plain(words), self)
            return True
        return super().viewportEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.model().rowCount() == 0:
            painter = QPainter(self.viewport())
            painter.setPen(colors().color("text_faint"))
            painter.drawText(self.viewport().rect(), int(Qt.AlignmentFlag.AlignCenter), self.tr("Nothing in the queue"))
