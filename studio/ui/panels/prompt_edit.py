"""The prompt field: plain text whose undo is the draft's, with the part that the model does not see marked."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QMimeData, Signal
from PySide6.QtGui import QSyntaxHighlighter, QTextCharFormat, QTextCursor, QTextDocument
from PySide6.QtWidgets import QPlainTextEdit, QWidget

from studio.ui.drops import holds_picture
from studio.ui.theme import colors
from studio.ui.widgets.undo import leave_undo_to_window


class CutOff(QSyntaxHighlighter):
    """Marks everything from one place on: dimmed and underlined."""

    def __init__(self, document: QTextDocument) -> None:
        super().__init__(document)
        self._from: int | None = None

    @property
    def cut_from(self) -> int | None:
        """The first marked place in UTF-16 units, None if nothing is marked."""
        return self._from

    def mark_from(self, place: int | None) -> None:
        """`place` counts UTF-16 units, as QTextDocument does."""
        if place != self._from:
            self._from = place
            self.rehighlight()

    # Qt overrides
    def highlightBlock(self, text: str) -> None:
        if self._from is None:
            return
        start = max(0, self._from - self.currentBlock().position())
        length = len(text.encode("utf-16-le", "surrogatepass")) // 2
        if start < length:
            look = QTextCharFormat()
            look.setForeground(colors().color("text_faint"))
            look.setUnderlineStyle(QTextCharFormat.UnderlineStyle.DotLine)
            look.setUnderlineColor(colors().color("warning"))
            self.setFormat(start, length - start, look)


class PromptEdit(QPlainTextEdit):
    """A field for a prompt.

    Signals: `edited(str)` - the artist changed the text (never emitted by `show_text`); `picture_pasted(QMimeData)`.
    """

    edited = Signal(str)
    picture_pasted = Signal(object)

    def __init__(self, name: str, words: str, hint: str, lines: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(words)
        self.setPlaceholderText(hint)
        self.setTabChangesFocus(True)
        self.setUndoRedoEnabled(False)
        leave_undo_to_window(self)
        self.setMinimumHeight(self.fontMetrics().lineSpacing() * lines + 18)
        self._showing = False
        self._cut = CutOff(self.document())
        self.textChanged.connect(self._on_changed)

    @property
    def cut_off(self) -> CutOff:
        return self._cut

    def show_text(self, text: str) -> None:
        """Show a text without telling anybody; the cursor stays where it can."""
        now = self.toPlainText()
        if text == now:
            return
        head = _common(now, text)
        tail = _common(now[head:][::-1], text[head:][::-1])
        cursor = QTextCursor(self.document())
        cursor.setPosition(units(now[:head]))
        cursor.setPosition(units(now[: len(now) - tail]), QTextCursor.MoveMode.KeepAnchor)
        self._showing = True
        cursor.insertText(text[head : len(text) - tail])
        self._showing = False

    def mark_cut(self, cut_at: int | None) -> None:
        """Mark the text from character `cut_at` on: the model reads it in a further portion."""
        self._cut.mark_from(None if cut_at is None else units(self.toPlainText()[:cut_at]))

    def _on_changed(self) -> None:
        if not self._showing:
            self.edited.emit(self.toPlainText())

    # Qt overrides
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and hasattr(self, "_cut"):  # the theme changed: mark in its colours
            self._showing = True
            self._cut.rehighlight()
            self._showing = False

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        return holds_picture(source) or source.hasText()

    def insertFromMimeData(self, source: QMimeData) -> None:
        if holds_picture(source):
            self.picture_pasted.emit(source)
        else:
            self.insertPlainText(source.text())


def units(text: str) -> int:
    """The length of a text in UTF-16 units, which is how Qt counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _common(first: str, second: str) -> int:
    """How many characters two texts have in common from the start."""
    count = 0
    for a, b in zip(first, second, strict=False):
        if a != b:
            break
        count += 1
    return count
