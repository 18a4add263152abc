"""How a job looks in the queue: its sign, its prompt, where it stands, and small buttons for what can be done with it."""

from __future__ import annotations

from PySide6.QtCore import (
    QCoreApplication,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QFontMetrics, QMouseEvent, QPainter
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem

from studio.core.job import Job, JobState
from studio.state.job_list_model import JobListModel
from studio.ui.icons import render
from studio.ui.theme import colors, ui_font
from studio.ui.widgets.text import one_line
from studio.ui.words import progress_line

ROW_PX = 48
BUTTON_PX, BUTTON_STEP_PX = 14, 24
_SIGNS = {
    JobState.QUEUED: ("clock", "text_faint"),
    JobState.HELD: ("pause", "accent"),
    JobState.SAVING: ("save", "accent"),
    JobState.INTERRUPTED: ("warning", "warning"),
    JobState.RUNNING: ("generate", "accent"),
    JobState.CANCELLING: ("cancel", "warning"),
    JobState.DONE: ("check", "success"),
    JobState.FAILED: ("error", "danger"),
    JobState.CANCELLED: ("cancel", "text_faint"),
}


def wishes_of(job: Job) -> tuple[str, ...]:
    """What a job's small buttons offer, from the right: "cancel", "go_on", "run_again", "decode_again", "forget"."""
    if job.state is JobState.HELD:
        return ("cancel", "go_on")
    if job.state is JobState.INTERRUPTED:
        return ("forget", "decode_again" if job.undecoded else "run_again")
    if job.state is JobState.FAILED:
        return ("decode_again",) if job.undecoded else ()
    return () if job.state.is_final or job.state is JobState.SAVING else ("cancel",)


def wish_words(wish: str) -> str:
    """What a small button does, in words."""

    def tr(text: str) -> str:
        return QCoreApplication.translate("jobs", text)

    return {
        "cancel": tr("Take it out"),
        "go_on": tr("Let it run"),
        "run_again": tr("Run it again"),
        "decode_again": tr("Decode it again: the steps are kept"),
        "forget": tr("Take it off the list"),
    }[wish]


_WISH_ICONS = {"cancel": "close", "forget": "close", "go_on": "play", "run_again": "retry", "decode_again": "retry"}


class JobsDelegate(QStyledItemDelegate):
    """Signals: `wished(Job, str)` - one of a job's small buttons was clicked, see `wishes_of`."""

    wished = Signal(object, str)

    def paint_job(self, painter: QPainter, rect: QRect, job: Job, ratio: float, hover: bool) -> None:
        """Draw one row within `rect`."""
        tokens = colors()
        self._draw_icon(painter, QRect(rect.left() + 12, rect.top() + 8, 16, 16), *_SIGNS[job.state], ratio)
        wishes = wishes_of(job)
        left, right = rect.left() + 38, rect.right() - 12 - BUTTON_STEP_PX * len(wishes)
        title = QRect(left, rect.top() + 5, right - left, 20)
        quiet = job.state in (JobState.DONE, JobState.CANCELLED)
        prompt = one_line(job.recipe.prompt) or self.tr("(no prompt)")
        self._draw_line(painter, title, prompt, 13, tokens.text_muted if quiet else tokens.text)
        state = progress_line(job)
        if job.state in (JobState.QUEUED, JobState.DONE, JobState.HELD):
            state += "  ·  " + self.tr("seed {n}").replace("{n}", str(job.recipe.seed))
        color = tokens.danger if job.state is JobState.FAILED else tokens.text_faint
        self._draw_line(painter, title.translated(0, 18), state, 12, color)
        if job.state in (JobState.RUNNING, JobState.CANCELLING):
            self._draw_bar(
                painter, QRectF(left, rect.bottom() - 4, right - left, 3), job.step / max(1, job.recipe.steps)
            )
        for place, wish in enumerate(wishes):
            token = "text" if hover else "text_faint" if wish in ("cancel", "forget") else "accent"
            self._draw_icon(painter, button_rect(rect, place), _WISH_ICONS[wish], token, ratio)

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
            wish = wish_at(option.rect, event.position().toPoint(), job) if job is not None else ""
            if wish:
                self.wished.emit(job, wish)
                return True
        return super().editorEvent(event, model, option, index)  # type: ignore[arg-type]


def button_rect(row: QRect, place: int) -> QRect:
    """Where a row's small button is, counted from the right."""
    left = row.right() - 28 - place * BUTTON_STEP_PX
    return QRect(left, row.center().y() - BUTTON_PX // 2, BUTTON_PX, BUTTON_PX)


def wish_at(row: QRect, at: QPoint, job: Job) -> str:
    """What the small button at a point of a row offers, "" beside them."""
    grow = (BUTTON_STEP_PX - BUTTON_PX) // 2
    for place, wish in enumerate(wishes_of(job)):
        if button_rect(row, place).adjusted(-grow, -6, grow, 6).contains(at):
            return wish
    return ""
