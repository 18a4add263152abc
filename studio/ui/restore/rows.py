"""One field of the list as a row: a tick-box, what the picture says, what stands in the panels, and why not."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QLabel, QWidget

from studio.core.restore import FieldPlan, Group, Outcome
from studio.ui.restore.words import group_words
from studio.ui.widgets.buttons import IconSign
from studio.ui.widgets.text import ElidedLabel, PlainLabel, one_line

TITLE_PX = 168
_LONG = 320  # characters of a value that are shown; the raw text has all of it


class RowBox(QCheckBox):
    """The tick-box of one field, named by it."""

    def __init__(self, row: FieldPlan, parent: QWidget | None = None) -> None:
        super().__init__(row.title[:40], parent)
        self.row = row
        self.setObjectName("restoreBox")
        self.setEnabled(row.can_apply)
        self.setChecked(row.can_apply)
        self.setAccessibleName(f"{row.title}: {one_line(row.found)[:200]}. {row.why}".strip())


class GroupRows(QWidget):
    """The rows of one group below its heading, which ticks all of them.

    Signals: `ticked()` - the artist changed a tick.
    """

    ticked = Signal()

    def __init__(self, group: Group, rows: Sequence[FieldPlan], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.boxes: list[RowBox] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnMinimumWidth(0, TITLE_PX)
        self._grid.setColumnStretch(1, 3)
        self._grid.setColumnStretch(2, 2)
        heading = group_words(group)
        if len(rows) > 1 or rows[0].title != heading:
            self._grid.addWidget(PlainLabel(heading, "title"), 0, 0, 1, 3)
        for row in rows:
            self._add(row)

    def ticked_keys(self) -> tuple[str, ...]:
        """The ticked fields."""
        return tuple(box.row.key for box in self.boxes if box.isChecked() and box.row.can_apply)

    def tick(self, on: bool) -> None:
        """Tick or clear every field that can be applied; tells once."""
        for box in self.boxes:
            if box.row.can_apply:
                with QSignalBlocker(box):
                    box.setChecked(on)
        self.ticked.emit()

    def _add(self, row: FieldPlan) -> None:
        at = self._grid.rowCount()
        top = Qt.AlignmentFlag.AlignTop
        if row.group is Group.OTHER:
            title: QWidget = ElidedLabel(row.title, "field")
        else:
            box = RowBox(row)
            box.toggled.connect(lambda _on: self.ticked.emit())
            self.boxes.append(box)
            title = box
        title.setFixedWidth(TITLE_PX)
        self._grid.addWidget(title, at, 0, top)
        self._grid.addWidget(_value(row.found, "" if row.can_apply else "muted"), at, 1, top)
        if row.group is not Group.OTHER:
            same = row.outcome is Outcome.SAME
            self._grid.addWidget(_value(self.tr("as in the panels") if same else row.now, "faint"), at, 2, top)
        if row.why and row.group is not Group.OTHER:
            self._grid.addLayout(_why(row), at + 1, 1, 1, 2)


def _value(text: str, look: str) -> QLabel:
    shown = text.strip()
    label = PlainLabel(shown if len(shown) <= _LONG else shown[:_LONG] + " …", look, wrap=True)
    label.setMinimumWidth(60)
    return label


def _why(row: FieldPlan) -> QHBoxLayout:
    cannot = row.outcome is Outcome.CANNOT
    line = QHBoxLayout()
    line.setContentsMargins(0, 0, 0, 4)
    line.setSpacing(6)
    if row.outcome is Outcome.APPLIES:
        sign, token = "info", "text_faint"
    else:
        sign, token = ("error", "danger") if cannot else ("warning", "warning")
    line.addWidget(IconSign(sign, token, 14), 0, Qt.AlignmentFlag.AlignTop)
    line.addWidget(PlainLabel(row.why, "muted", wrap=True), 1)
    return line
