"""The scheduler and the spacing of its steps, grouped by what they cost, each with a word on what it is good for."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QPaintEvent, QStandardItem, QStandardItemModel, QWheelEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QStyle, QStyleOptionComboBox, QStylePainter, QWidget

from studio.core.choices import Spacing
from studio.core.schedulers import SCHEDULERS, SchedulerInfo
from studio.ui.theme import ui_font
from studio.ui.widgets.text import plain, plain_tooltip
from studio.ui.words import cost_words, spacing_words

_DISTILLED = ("lcm", "tcd")
_SPACING_PX = 88  # "Normal" and "Trailing" are not cut off


class CalmCombo(QComboBox):
    """A combo box that scrolling past does not change."""

    def __init__(self, name: str, words: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(words)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(4)
        self.setMinimumWidth(72)

    def add_heading(self, text: str) -> None:
        """A line that cannot be chosen, above the choices of its group."""
        self.addItem(text)
        self.setItemData(self.count() - 1, ui_font(11, ui_font().Weight.DemiBold), Qt.ItemDataRole.FontRole)
        rows = self.model()
        assert isinstance(rows, QStandardItemModel)
        rows.item(self.count() - 1).setFlags(Qt.ItemFlag.NoItemFlags)

    def add_choice(self, text: str, data: str, about: str, spoken: str = "") -> None:
        """A choice; the tooltip begins with `spoken`, its whole name where `text` is short."""
        self.addItem(text, data)
        said = "\n".join(filter(None, (spoken, about)))
        self.setItemData(self.count() - 1, plain(said), Qt.ItemDataRole.ToolTipRole)
        self.setItemData(self.count() - 1, spoken or text, Qt.ItemDataRole.AccessibleTextRole)

    # Qt overrides
    def paintEvent(self, _event: QPaintEvent) -> None:
        """As Qt does it, but a text that is too long ends in "…" """
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        edit = QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(QStyle.ComplexControl.CC_ComboBox, option, edit, self).width()
        option.currentText = option.fontMetrics.elidedText(option.currentText, Qt.TextElideMode.ElideRight, room)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class SchedulerRow(QWidget):
    """Signals: `edited(str, object)` - the artist chose a scheduler id and a Spacing."""

    edited = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scheduler = CalmCombo("schedulerCombo", self.tr("Scheduler"))
        self.spacing = CalmCombo("spacingCombo", self.tr("Spacing of the steps"))
        self.spacing.setMinimumWidth(_SPACING_PX)
        self._guests: tuple[tuple[str, str, str], ...] = ()
        self._fill()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.scheduler, 3)
        row.addWidget(self.spacing, 2)
        self.setFocusProxy(self.scheduler)
        self.scheduler.activated.connect(self._on_chosen)
        self.spacing.activated.connect(self._on_chosen)

    def show_guests(self, guests: tuple[tuple[str, str, str], ...]) -> None:
        """Offer the schedulers of enabled plugins below the studio's own: id, title, description."""
        if guests != self._guests:
            self._guests = guests
            with QSignalBlocker(self.scheduler):
                self._fill()

    def show_choice(self, scheduler: str, spacing: Spacing) -> None:
        """Show a scheduler and its spacing without telling anybody."""
        with QSignalBlocker(self.scheduler), QSignalBlocker(self.spacing):
            if self.scheduler.findData(scheduler) < 0:  # of a plugin that is off or missing: shown by its id
                self.scheduler.addItem(scheduler, scheduler)
            self.scheduler.setCurrentIndex(self.scheduler.findData(scheduler))
            info = SCHEDULERS.get(scheduler)
            self._fill_spacings(info.spacings if info else (spacing,))
            self.spacing.setCurrentIndex(self.spacing.findData(spacing.value))
        if info is not None:
            plain_tooltip(self.scheduler, f"{info.title}: {info.good_for}\n{cost_words(info)}\n{info.source}")
        plain_tooltip(self.spacing, self.tr("Spacing of the steps") + ": " + spacing_words(spacing)[1])

    def _groups(self) -> tuple[tuple[str, list[SchedulerInfo]], ...]:
        usual = [info for info in SCHEDULERS.values() if info.id not in _DISTILLED]
        return (
            (self.tr("Steady"), [info for info in usual if info.calls_per_step == 1 and not info.random]),
            (self.tr("Fresh noise at each step"), [info for info in usual if info.calls_per_step == 1 and info.random]),
            (self.tr("Two model calls a step"), [info for info in usual if info.calls_per_step > 1]),
            (self.tr("For distilled models only"), [info for info in SCHEDULERS.values() if info.id in _DISTILLED]),
        )

    def _fill(self) -> None:
        model = QStandardItemModel(self.scheduler)
        own = [
            (title, [(info.id, info.title, f"{info.good_for}\n{cost_words(info)}") for info in infos])
            for title, infos in self._groups()
        ]
        for title, rows in (*own, *([(self.tr("From plugins"), list(self._guests))] if self._guests else [])):
            heading = QStandardItem(title)
            heading.setFlags(Qt.ItemFlag.NoItemFlags)
            heading.setFont(ui_font(11, ui_font().Weight.DemiBold))
            model.appendRow(heading)
            for scheduler, name, about in rows:
                item = QStandardItem(name)
                item.setData(scheduler, Qt.ItemDataRole.UserRole)
                item.setToolTip(plain(about))
                model.appendRow(item)
        self.scheduler.setModel(model)
        self.scheduler.setMaxVisibleItems(24)
        self.scheduler.view().setMinimumWidth(220)

    def _fill_spacings(self, offered: tuple[Spacing, ...]) -> None:
        if [self.spacing.itemData(i) for i in range(self.spacing.count())] == [s.value for s in offered]:
            return
        self.spacing.clear()
        for spacing in offered:
            name, meaning = spacing_words(spacing)
            self.spacing.addItem(name, spacing.value)
            self.spacing.setItemData(self.spacing.count() - 1, plain(meaning), Qt.ItemDataRole.ToolTipRole)
        self.spacing.setEnabled(len(offered) > 1)
        self.spacing.view().setMinimumWidth(120)

    def _on_chosen(self, _row: int) -> None:
        scheduler = self.scheduler.currentData()
        if scheduler is not None:
            self.edited.emit(scheduler, Spacing(self.spacing.currentData() or Spacing.NORMAL.value))
