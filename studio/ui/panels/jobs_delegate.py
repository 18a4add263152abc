"""How a job looks in the queue: its sign, its prompt, where it stands, and a cross to take it out."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QModelIndex, QPersistentModelIndex, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetrics, QMouseEvent, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from studio.core.job import Job, JobState
from studio.state.job_list_model import JobListModel
from studio.ui.icons import render
from studio.ui.theme import colors, ui_font
from studio.ui.widgets.text import one_line
from studio.ui.words import progress_line

ROW_PX = 48
_SIGNS = {
    JobState.QUEUED: ("clock", "text_faint"),
    JobState.RUNNING: ("generate", "accent"),
    JobState.CANCELLING: ("cancel", "warning"),
    JobState.DONE: ("check", "success"),
    JobState.FAILED: ("error", "danger"),
    JobState.CANCELLED: ("cancel", "text_faint"),
}


class JobsDelegate(QStyledItemDelegate):
    """Signals: `cancel_wished(Job)` - the cross of a job that is not over was clicked."""

    cancel_wished = Signal(object)

    def paint_job(self, painter: QPainter, rect: QRect, job: Job, ratio: float, hover: bool) -> None:
        """Draw one row within `rect`."""
        tokens = colors()
        self._draw_icon(painter, QRect(rect.left() + 12, rect.top() + 8, 16, 16), *_SIGNS[job.state], ratio)
        left, right = rect.left() + 38, rect.right() - (34 if not job.state.is_final else 12)
        title = QRect(left, rect.top() + 5, right - left, 20)
        quiet = job.state in (JobState.DONE, JobState.CANCELLED)
        prompt = one_line(job.recipe.prompt) or self.tr("(no prompt)")
        self._draw_line(painter, title, prompt, 13, tokens.text_muted if quiet else tokens.text)
        state = progress_line(job)
        if job.state in (JobState.QUEUED, JobState.DONE):
            state += "  ·  " + self.tr("seed {n}").replace("{n}", str(job.recipe.seed))
        color = tokens.danger if job.state is JobState.FAILED else tokens.text_faint
        self._draw_line(painter, title.translated(0, 18), state, 12, color)
        if job.state in (JobState.RUNNING, JobState.CANCELLING):
            self._draw_bar(
                painter, QRectF(left, rect.bottom() - 4, right - left, 3), job.step / max(1, job.recipe.steps)
            )
        if not job.state.is_final:
            self._draw_icon(painter, cross_rect(rect), "close", "text" if hover else "text_faint", ratio)

    def _draw_line(self, painter: QPainter, rect: QRect, text: str, px: int, color: str) -> None:
        font = ui_font(px)
        painter.setFont(font)
        painter.setPen(color)
        shown = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideRight, rect.width())
        painter.drawText(rect, int(Qt.AlignmentFlag.AlignVCenter), shown)

    def _draw_icon(self, painter: QPainter, rect: QRect, name: str, token: str, ratio: float) -> None:
        painter.drawImage(rect, render(name, round(rect.width() * ratio), getattr(colors(), token)))

    def _draw_bar(self, painter: QPainter, rect: QRectF, share: float) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colors().color("track"))
        painter.drawRoundedRect(rect, 1.5, 1.5)
        rect.setWidth(max(3.0, rect.width() * min(1.0, share)))
        painter.setBrush(colors().color("accent"))
        painter.drawRoundedRect(rect, 1.5, 1.5)

    # Qt overrides
    def sizeHint(self, option: QStyleOptionViewItem, _index: QModelIndex | QPersistentModelIndex) -> QSize:
        return QSize(option.rect.width(), ROW_PX)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        job = index.data(JobListModel.JobRole)
        if job is None:
            return
        rect, state = option.rect, option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        hover = bool(state & QStyle.StateFlag.State_MouseOver)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        if selected or hover:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colors().color("accent_soft" if selected else "raised"))
            painter.drawRoundedRect(QRectF(rect).adjusted(4, 1, -4, -1), 6, 6)
        self.paint_job(painter, rect, job, painter.device().devicePixelRatioF(), hover)
        painter.restore()

    def editorEvent(
        self, event: QEvent, model: object, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> bool:
        if event.type() == QEvent.Type.MouseButtonRelease and isinstance(event, QMouseEvent):
            job = index.data(JobListModel.JobRole)
            on_cross = cross_rect(option.rect).adjusted(-6, -6, 6, 6).contains(event.position().toPoint())
            if on_cross and job is not None and not job.state.is_final:
                self.cancel_wished.emit(job)
                return True
        return super().editorEvent(event, model, option, index)  # type: ignore[arg-type]


def cross_rect(row: QRect) -> QRect:
    """Where the cross of a row is."""
    return QRect(row.right() - 28, row.center().y() - 7, 14, 14)
