"""What differs between two pictures, a line for each setting: before, an arrow, after."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from studio.core.differences import Difference
from studio.ui.widgets.text import PlainLabel, plain_tooltip

SHOWN_MAX = 12
VALUE_MAX = 90  # characters of a value; the tooltip has all


class ChangesBox(QWidget):
    """Rows of a title and a change, as many as fit a glance."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)

    def show_changes(self, changes: tuple[Difference, ...]) -> None:
        """Show these, or that there are none."""
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        if not changes:
            self._grid.addWidget(PlainLabel(self.tr("Nothing: the same settings."), look="muted"), 0, 0, 1, 2)
        for row, change in enumerate(changes[:SHOWN_MAX]):
            title = PlainLabel(change.title, look="faint", wrap=True)
            title.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
            value = PlainLabel(f"{_short(change.before)}  →  {_short(change.after)}", wrap=True)
            value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
            plain_tooltip(value, f"{change.before}\n→\n{change.after}")
            self._grid.addWidget(title, row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(value, row, 1, Qt.AlignmentFlag.AlignTop)
        more = len(changes) - SHOWN_MAX
        if more > 0:
            words = self.tr("and {n} more").replace("{n}", str(more))
            self._grid.addWidget(PlainLabel(words, look="faint"), SHOWN_MAX, 0, 1, 2)


def _short(text: str) -> str:
    return text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}…"


def changes_in_words(changes: tuple[Difference, ...]) -> str:
    """The same as one line of text."""
    return "  ·  ".join(f"{change.title}: {_short(change.before)} → {_short(change.after)}" for change in changes)
