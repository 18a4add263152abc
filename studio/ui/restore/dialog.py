"""Restore from a picture: found, will be applied, cannot be applied and why - before anything changes."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QFrame,
    QHBoxLayout,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from studio.core.restore import Group
from studio.state.restore import Proposal
from studio.ui.restore.rows import TITLE_PX, GroupRows
from studio.ui.restore.words import damage_words, sum_line
from studio.ui.widgets.buttons import IconSign
from studio.ui.widgets.fitting import open_in
from studio.ui.widgets.text import ElidedLabel, PlainLabel

RAW_PX = 132


class RestoreDialog(QDialog):
    """Shows a proposal and lets the artist choose.

    Signals: `taken(Proposal, tuple of str)` - take over the fields of these keys; `always_changed(bool)` - whether the
    list is wished every time.
    """

    taken = Signal(object, object)
    always_changed = Signal(bool)

    def __init__(self, proposal: Proposal, always: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.proposal = proposal
        self.setObjectName("restoreDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Restore from a picture"))
        open_in(self, QSize(760, 620))
        self.groups = self._make_groups()
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 16)
        column.setSpacing(12)
        column.addLayout(self._head())
        heads, rows = self._columns(), self._list()
        rows.verticalScrollBar().rangeChanged.connect(
            lambda _low, high: heads.setContentsMargins(13, 4, 13 + (10 if high else 0), 0)  # room for the scroll bar
        )
        column.addLayout(heads)
        column.addWidget(rows, 1)
        column.addWidget(self._raw_box())
        column.addLayout(self._foot(always))
        self._count()
        self.yes.setFocus()

    def keys(self) -> tuple[str, ...]:
        """The fields that are ticked."""
        return tuple(key for group in self.groups for key in group.ticked_keys())

    def _head(self) -> QHBoxLayout:
        found = self.proposal.found
        title = self.tr("Restore from “{name}”").replace("{name}", found.name or self.tr("this picture"))
        words = QVBoxLayout()
        words.setSpacing(4)
        self.title = ElidedLabel(title, "big")
        self.title.setFixedHeight(26)
        words.addWidget(self.title)
        self.summary = PlainLabel(sum_line(found.source, self.proposal.rows), "muted", wrap=True)
        words.addWidget(self.summary)
        self.damage = PlainLabel(damage_words(found.damage), "error", wrap=True)
        self.damage.setVisible(bool(found.damage))
        words.addWidget(self.damage)
        head = QHBoxLayout()
        head.setSpacing(14)
        head.addWidget(IconSign("reuse", "accent", 32), 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(words, 1)
        return head

    def _columns(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(13, 4, 13, 0)  # the frame
        row.setSpacing(16)
        blank = QWidget()
        blank.setFixedWidth(TITLE_PX)
        row.addWidget(blank)
        row.addWidget(PlainLabel(self.tr("In the picture"), "faint"), 3)
        row.addWidget(PlainLabel(self.tr("In the panels now"), "faint"), 2)
        return row

    def _make_groups(self) -> list[GroupRows]:
        made = []
        for group in Group:
            rows = [row for row in self.proposal.rows if row.group is group]
            if rows:
                made.append(GroupRows(group, rows))
                made[-1].ticked.connect(self._count)
        return made

    def _list(self) -> QScrollArea:
        body = QWidget()
        body.setObjectName("scrollBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(12, 12, 12, 12)
        column.setSpacing(18)
        for group in self.groups:
            column.addWidget(group)
        column.addStretch(1)
        area = QScrollArea()
        area.setObjectName("restoreList")
        area.setWidget(body)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setAccessibleName(self.tr("What the picture says"))
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return area

    def _raw_box(self) -> QPlainTextEdit:
        self.raw = QPlainTextEdit(self.proposal.found.raw)
        self.raw.setObjectName("restoreRaw")
        self.raw.setReadOnly(True)
        self.raw.setAccessibleName(self.tr("The text in the file"))
        self.raw.setFixedHeight(RAW_PX)
        self.raw.hide()
        return self.raw

    def _foot(self, always: bool) -> QHBoxLayout:
        self.show_raw = QPushButton(self.tr("Text in the file"))
        self.show_raw.setCheckable(True)
        self.show_raw.setAutoDefault(False)
        self.show_raw.setEnabled(bool(self.proposal.found.raw))
        self.show_raw.toggled.connect(self.raw.setVisible)
        self.always = QCheckBox(self.tr("Show this list every time"))
        self.always.setChecked(always)
        self.always.toggled.connect(self.always_changed)
        self.all = QPushButton()
        self.all.setAutoDefault(False)
        self.all.setProperty("look", "quiet")
        self.all.clicked.connect(self._on_all)
        cancel = QPushButton(self.tr("Cancel"))
        cancel.setAutoDefault(False)
        cancel.clicked.connect(self.reject)
        self.yes = QPushButton()
        self.yes.setObjectName("restoreYes")
        self.yes.setProperty("look", "primary-small")
        self.yes.setDefault(True)
        self.yes.clicked.connect(self._on_yes)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.show_raw)
        row.addSpacing(8)
        row.addWidget(self.always)
        row.addStretch(1)
        row.addWidget(self.all)
        row.addWidget(cancel)
        row.addWidget(self.yes)
        return row

    def _count(self) -> None:
        count, can = len(self.keys()), len(self.proposal.keys)
        words = self.tr("Restore 1 setting") if count == 1 else self.tr("Restore {n} settings")
        self.yes.setText(words.replace("{n}", str(count)) if count else self.tr("Restore"))
        self.yes.setEnabled(count > 0)
        self.all.setText(self.tr("None") if count == can else self.tr("All"))
        self.all.setVisible(can > 1)

    def _on_all(self) -> None:
        on = len(self.keys()) < len(self.proposal.keys)
        for group in self.groups:
            group.tick(on)

    def _on_yes(self) -> None:
        self.taken.emit(self.proposal, self.keys())
        self.accept()
