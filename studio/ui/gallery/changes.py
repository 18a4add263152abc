"""What differs between two pictures, a line for each setting: before, an arrow, after."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from studio.core.differences import Difference
from studio.core.library import Link
from studio.ui.tree.words import kind_words
from studio.ui.widgets.text import PlainLabel, plain_tooltip


def tr(text: str) -> str:
    """Translate now."""
    return QCoreApplication.translate("changes", text)


SHOWN_MAX = 12
NAME_PX = 76
VALUE_MAX = 90  # characters of a value; the tooltip has all


class RowsBox(QWidget):
    """Rows of a name and a text that can be selected."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(12)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)

    def show_rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """Show these."""
        self._empty()
        for row, (name, text) in enumerate(rows):
            self._row(row, name, text, "")

    def _empty(self) -> None:
        while self._grid.count():
            item = self._grid.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()

    def _row(self, row: int, name: str, text: str, tip: str) -> None:
        title = PlainLabel(name, look="faint", wrap=True)
        title.setFixedWidth(NAME_PX)
        value = PlainLabel(text, wrap=True)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        value.setSizePolicy(policy)
        value.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        if tip:
            plain_tooltip(value, tip)
        self._grid.addWidget(title, row, 0, Qt.AlignmentFlag.AlignTop)
        self._grid.addWidget(value, row, 1, Qt.AlignmentFlag.AlignTop)


class ChangesBox(RowsBox):
    """Rows of a title and a change, as many as fit a glance."""

    def show_changes(self, changes: tuple[Difference, ...]) -> None:
        """Show these, or that there are none."""
        self._empty()
        if not changes:
            self._grid.addWidget(PlainLabel(self.tr("Nothing: the same settings."), look="muted"), 0, 0, 1, 2)
        for row, change in enumerate(changes[:SHOWN_MAX]):
            words = f"{_short(change.before)}  →  {_short(change.after)}"
            self._row(row, change.title, words, f"{change.before}\n→\n{change.after}")
        more = len(changes) - SHOWN_MAX
        if more > 0:
            words = self.tr("and {n} more").replace("{n}", str(more))
            self._grid.addWidget(PlainLabel(words, look="faint"), SHOWN_MAX, 0, 1, 2)


def since_words(link: Link | None) -> str:
    """What the changes are counted from."""
    if link is None:
        return tr("Changed since the picture before")
    return tr("Changed since its parent ({how})").replace("{how}", kind_words(link.kind))


def _short(text: str) -> str:
    return text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}…"


def changes_in_words(changes: tuple[Difference, ...]) -> str:
    """The same as one line of text."""
    return "  ·  ".join(f"{change.title}: {_short(change.before)} → {_short(change.after)}" for change in changes)
