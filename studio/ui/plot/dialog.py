"""The window in which a plot is planned, made and looked after. It shows a Plots and sends wishes to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QSize, QTimer, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from studio.core.errors import StudioError
from studio.core.picture import Picture
from studio.core.plot import Plot, plan
from studio.core.plot_fields import Cost
from studio.core.recipe import Recipe
from studio.state.plot import CellState
from studio.state.studio_state import StudioState
from studio.ui.plot.axis_row import AxisRow
from studio.ui.plot.grid import PlotGrid
from studio.ui.plot.words import count_made, what_is_missing
from studio.ui.widgets.fitting import open_in
from studio.ui.widgets.text import ElidedLabel, PlainLabel
from studio.ui.words import duration, facts_line

_PLAN_AFTER_MS = 60
_LATELY = 24


class PlotDialog(QDialog):
    """Mutable state: `_plan`, the plot that Generate would start, None while something is wrong; `_fresh` while the last
    plot is shown instead; `_began`, when cells began to be made, and how many were over `_before` that.

    Signals: `picture_wished(Picture)` - the sheet shall be shown; `started()` - a plot was queued.
    """

    picture_wished = Signal(object)
    started = Signal()

    def __init__(self, state: StudioState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("plotDialog")
        self.setWindowTitle(self.tr("Plot"))
        open_in(self, QSize(920, 620))
        self._state, self._plots = state, state.plots
        self._plan: Plot | None = None
        self._began, self._before = 0.0, 0
        self._fresh = False
        names = (self.tr("Columns"), self.tr("Rows"), self.tr("Blocks"))
        self.axes = tuple(AxisRow(name, optional=number > 0) for number, name in enumerate(names))
        self.grid = PlotGrid(state.thumbnails)
        self._build()
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_PLAN_AFTER_MS)
        self._later.timeout.connect(self.plan_now)
        for axis in self.axes:
            axis.edited.connect(self._on_edited)
        state.draft.changed.connect(self._later.start)
        self._plots.changed.connect(self._show)
        self._plots.taken_up.connect(self._on_taken_up)
        self._begin()

    @property
    def planned(self) -> Plot | None:
        """What Generate would start."""
        return self._plan

    def plan_now(self) -> None:
        """Read the panels and the axes again."""
        for axis in self.axes:
            axis.tell(None)
        self.problem.setText("")
        self._plan = None
        try:
            base = self._plots.base(self._state.draft.draft)
        except StudioError as error:
            self.problem.setText(str(error))
        else:
            self._plan_from(base)
        self._show()

    def start(self) -> None:
        """Queue the plot that is planned."""
        self.plan_now()
        problem = self._plots.problem(self._state.draft.draft)
        if problem is not None:
            self.problem.setText(str(problem))
            self._show()
        elif self._plan is not None:
            self._remember()
            self._fresh = self._make(partial(self._plots.start, self._plan))
            self._show()

    def _make(self, wish: Callable[[], None]) -> bool:
        """Have cells made; whether that was possible."""
        self._began, self._before = time.monotonic(), sum(cell.state.is_final for cell in self._plots.cells)
        try:
            wish()
        except StudioError as error:
            self.problem.setText(str(error))
            return False
        self.started.emit()
        return True

    # Building
    def _build(self) -> None:
        self.about = ElidedLabel("", "muted")
        self.problem = PlainLabel(look="problem", wrap=True)
        left = QVBoxLayout()
        left.setSpacing(10)
        for axis in self.axes:
            left.addWidget(axis)
        left.addWidget(self.problem)
        left.addStretch(1)
        self.total = PlainLabel(look="headline")
        self.order = PlainLabel(look="muted", wrap=True)
        right = QVBoxLayout()
        right.setSpacing(8)
        right.addWidget(self.grid, 1)
        right.addWidget(self.total)
        right.addWidget(self.order)
        both = QHBoxLayout()
        both.setSpacing(20)
        both.addLayout(left, 5)
        both.addLayout(right, 4)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 16)
        column.setSpacing(14)
        column.addWidget(self.about)
        column.addLayout(both, 1)
        column.addWidget(self._progress_bar())
        column.addLayout(self._foot())

    def _progress_bar(self) -> QProgressBar:
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setAccessibleName(self.tr("Progress of the plot"))
        policy = self.progress.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        self.progress.setSizePolicy(policy)
        return self.progress

    def _foot(self) -> QHBoxLayout:
        self.status = ElidedLabel("", "muted")
        self.show_sheet = QPushButton(self.tr("Show the sheet"))
        self.show_sheet.clicked.connect(self._on_show_sheet)
        self.missing = QPushButton(self.tr("Make what is missing"))
        self.missing.clicked.connect(self._on_missing)
        self.again = QPushButton(self.tr("Draw the sheet"))
        self.again.clicked.connect(self._plots.draw_again)
        self.cancel = QPushButton(self.tr("Cancel the plot"))
        self.cancel.clicked.connect(self._plots.cancel)
        self.go_on = QPushButton(self.tr("Go on"))
        self.go_on.setProperty("look", "primary-small")
        self.go_on.clicked.connect(lambda: self._make(self._plots.go_on))
        self.generate = QPushButton()
        self.generate.setObjectName("plotGenerate")
        self.generate.setProperty("look", "primary-small")
        self.generate.setDefault(True)
        self.generate.clicked.connect(self.start)
        close = QPushButton(self.tr("Close"))
        close.clicked.connect(self.close)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.status, 1)
        for button in (self.show_sheet, self.again, self.missing, self.cancel, close, self.go_on, self.generate):
            button.setAutoDefault(button in (self.go_on, self.generate))
            row.addWidget(button)
        return row

    def _begin(self) -> None:
        """The axes as they stood last, at first those that say most for least; a plot under way comes back as it is."""
        self._offer_fields()
        usual = (("steps", "5, 10, 20"), ("guidance_scale", "2-8 (+2)"))
        for axis, (field, text) in zip(self.axes, self._plots.typed or usual, strict=False):
            axis.choose(field, text)
        self._fresh = self._plots.plot is not None and self._plots.sheet is None
        self.plan_now()

    def _remember(self) -> None:
        self._plots.remember(tuple(axis.typed for axis in self.axes))

    # Planning
    def _offer_fields(self) -> None:
        try:
            fields = self._plots.fields(self._plots.base(self._state.draft.draft))
        except StudioError:
            return
        for axis in self.axes:
            axis.set_fields(fields)

    def _on_edited(self) -> None:
        self._fresh = False
        self._remember()
        self._later.start()

    def _plan_from(self, base: Recipe) -> None:
        self._offer_fields()
        self.about.setText(f"{' '.join(base.prompt.split()) or self.tr('(no prompt)')}   ·   {facts_line(base)}")
        if any(axis.wrong is not None for axis in self.axes):
            return
        axes = [axis.axis for axis in self.axes if axis.axis is not None]
        try:
            self._plan = plan(base, axes)
        except StudioError as error:
            owner = next((a for a in self.axes if a.axis and error.headline.startswith(a.axis.field.title)), None)
            if owner is not None and owner.axis is not None and not owner.axis.values and not owner.values.text():
                return  # an axis that was just chosen: its example says what to write
            if owner is not None:
                owner.tell(error)
            else:
                self.problem.setText(str(error))

    # Showing
    def _show(self) -> None:
        plots = self._plots
        busy = plots.is_running or plots.is_drawing or plots.is_held
        for axis in self.axes:
            axis.setEnabled(not busy)
        if busy or (self._fresh and plots.plot is not None):
            self.grid.show_plot(plots.plot, plots.cells)
        else:
            self.grid.show_plot(self._plan)
        self.problem.setVisible(bool(self.problem.text()))
        self._show_total(plots.plot if busy else self._plan)
        self._show_progress(busy)

    def _show_total(self, plot: Plot | None) -> None:
        if plot is None:
            self.total.setText("")
            self.order.setText("")
            self.generate.setText(self.tr("Generate"))
            return
        count = len(plot.cells)
        words = self.tr("One picture") if count == 1 else self.tr("{n} pictures").replace("{n}", str(count))
        seconds = self._plots.seconds(plot, self._lately())
        time_words = self.tr("time not known before the first picture")
        if seconds is not None:
            time_words = self.tr("about {t}").replace("{t}", duration(seconds))
        self.total.setText(f"{words}  ·  {time_words}")
        self.order.setText(self._order_words(plot))
        self.generate.setText(self.tr("Generate {n}").replace("{n}", words[:1].lower() + words[1:]))

    def _order_words(self, plot: Plot) -> str:
        shape = " × ".join(str(len(axis.values)) for axis in plot.axes)
        costly = max(plot.axes, key=lambda axis: axis.field.cost)
        if len(plot.axes) < 2 or costly.field.cost < Cost.CONTROL:
            return shape
        words = self.tr("“{field}” changes least often while it is made, because it takes most time.")
        return f"{shape}. {words.replace('{field}', costly.field.title)}"

    def _show_progress(self, busy: bool) -> None:
        plots = self._plots
        states = [cell.state for cell in plots.cells]
        over = sum(state.is_final for state in states)
        self.progress.setVisible(busy)
        self.progress.setRange(0, max(1, len(states)))
        self.progress.setValue(over)
        self.cancel.setVisible(busy)
        self.go_on.setVisible(plots.is_held and not plots.is_drawing)
        self.go_on.setDefault(plots.is_held)
        self.generate.setVisible(not busy)
        self.generate.setDefault(not busy)
        self.generate.setEnabled(self._plan is not None)
        self.show_sheet.setVisible(not busy and self._fresh and plots.sheet is not None)
        made = any(cell.picture is not None for cell in plots.cells)
        self.again.setVisible(not busy and self._fresh and made and plots.sheet is None)
        lacking = sum(cell.picture is None for cell in plots.cells)
        self.missing.setVisible(not busy and self._fresh and lacking > 0)
        self.status.setText(self._status_words(states, over))

    def _status_words(self, states: list[CellState], over: int) -> str:
        plots = self._plots
        if plots.is_running:
            words = self.tr("{a} of {b}").replace("{a}", str(over)).replace("{b}", str(len(states)))
            since = over - self._before
            if since < 1 or not self._began:
                return words
            left = (time.monotonic() - self._began) / since * (len(states) - over)
            return f"{words}  ·  {self.tr('about {t} left').replace('{t}', duration(left))}"
        if plots.is_drawing:
            return self.tr("Drawing the sheet …")
        if plots.is_held or (self._fresh and CellState.INTERRUPTED in states):
            return f"{count_made(plots.cells)}  ·  {what_is_missing(plots.cells)}"
        if not self._fresh or not states:
            return ""
        failed = sum(state is CellState.FAILED for state in states)
        if plots.sheet is None:
            return self.tr("No sheet was drawn; what was made is in the history.")
        if failed:
            words = self.tr("{n} could not be made; the sheet says why. All others are in the history.")
            return words.replace("{n}", str(failed))
        if any(state is CellState.CANCELLED for state in states):
            return self.tr("Cancelled; what was made and its sheet are in the history.")
        return self.tr("The pictures and their sheet are in the history.")

    def _lately(self) -> list[Picture]:
        gallery = self._state.gallery
        rows = range(min(_LATELY, gallery.rowCount()))
        return [picture for row in rows if (picture := gallery.picture(gallery.index(row))) is not None]

    def _on_taken_up(self) -> None:
        self._fresh = True
        self._show()

    def _on_missing(self) -> None:
        if not self._make(self._plots.make_missing):
            self._show()

    def _on_show_sheet(self) -> None:
        if self._plots.sheet is not None:
            self.picture_wished.emit(self._plots.sheet)
