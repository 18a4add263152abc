"""Labels and tooltips that never read their text as HTML, whoever wrote it."""

from __future__ import annotations

import html
import re
import textwrap

from PySide6.QtCore import QSize
from PySide6.QtGui import QAction, QPainter, QPaintEvent, Qt
from PySide6.QtWidgets import QGraphicsItem, QLabel, QSizePolicy, QWidget

TOOLTIP_COLUMNS = 64


class PlainLabel(QLabel):
    """A label for plain text only. `look` names a style of the stylesheet ("muted", "title", ...)."""

    def __init__(self, text: str = "", look: str = "", wrap: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(wrap)
        if look:
            self.setProperty("look", look)
        self.setText(text)


class ElidedLabel(PlainLabel):
    """One line that ends in "…" where the room ends; the whole text is the tooltip while it is cut."""

    def __init__(self, text: str = "", look: str = "", parent: QWidget | None = None) -> None:
        super().__init__(text, look, parent=parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def setText(self, text: str) -> None:
        super().setText(one_line(text))

    # Qt overrides
    def minimumSizeHint(self) -> QSize:
        return QSize(0, super().minimumSizeHint().height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        shown = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), int(self.alignment() | Qt.AlignmentFlag.AlignVCenter), shown)
        whole = self.text() if shown != self.text() else ""
        if plain(whole) != self.toolTip():
            plain_tooltip(self, whole)


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())


def sentences(text: str) -> str:
    """The text with each sentence, and each item between " · ", in a line of its own: a long help read at a glance."""
    return re.sub(r" · |(?<=[.!?]) (?=[^\W\d_a-z])", "\n", one_line(text))


def plain(text: str) -> str:
    """A text that Qt shows letter by letter in a tooltip: wrapped, and escaped if it could be taken for HTML."""
    lines = [line for part in text.split("\n") for line in textwrap.wrap(part, TOOLTIP_COLUMNS) or [""]]
    wrapped = "\n".join(lines)
    return f"<pre>{html.escape(wrapped)}</pre>" if Qt.mightBeRichText(wrapped) else wrapped


def plain_tooltip(target: QWidget | QAction | QGraphicsItem, text: str, name: bool = False) -> None:
    """Set a tooltip in plain text; `name` also makes it the accessible name (for buttons without words)."""
    target.setToolTip(plain(text))
    if name and isinstance(target, QWidget):
        target.setAccessibleName(text)
