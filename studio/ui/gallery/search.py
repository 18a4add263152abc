"""The search field: finds as one types, offers how a word may go on, and marks what cannot be understood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import QEvent, QModelIndex, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QGuiApplication,
    QInputMethodEvent,
    QKeyEvent,
    QPainter,
    QTextCharFormat,
)
from PySide6.QtWidgets import (
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.core.library import BadQuery, Completion
from studio.state.gallery_catalogue import Catalogue
from studio.state.gallery_model import GalleryModel
from studio.ui.icons import icon
from studio.ui.theme import colors, ui_font
from studio.ui.widgets.text import plain_tooltip
from studio.ui.widgets.undo import leave_undo_to_window

_ROW_PX = 26
_ROWS_MAX = 9
_POPUP_MIN_PX = 280
_HINT = Qt.ItemDataRole.UserRole
_MOVES = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}


class SearchField(QLineEdit):
    """Mutable state: `_bad`, what could not be understood (None when all is well).

    Signals: `left_down()` - Down or Enter with no offer open: on to the pictures.
    """

    left_down = Signal()

    def __init__(self, model: GalleryModel, catalogue: Catalogue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("searchField")
        self._model, self._catalogue = model, catalogue
        self._bad: BadQuery | None = None
        self.setPlaceholderText(self.tr("Search"))
        self.setAccessibleName(self.tr("Search the history"))
        plain_tooltip(
            self,
            self.tr(
                "Words, “exact words” in quotes, -without, and fields:\n"
                "seed:42  steps:>20  model:mini  date:2026-11  rating:>=4\n"
                "tag:sea  control:scribble  colour:red  has:sketch  is:trash"
            ),
        )
        self.addAction(icon("search", "text_faint"), QLineEdit.ActionPosition.LeadingPosition)
        self._clear = self.addAction(icon("close", "text_faint"), QLineEdit.ActionPosition.TrailingPosition)
        plain_tooltip(self._clear, self.tr("Show all pictures again"))
        self._clear.triggered.connect(self.clear_all)
        for button, name in zip(self.findChildren(QToolButton), (self.tr("Search"), self.tr("Clear")), strict=True):
            button.setAccessibleName(name)
            plain_tooltip(button, name)
        self._clear.setVisible(False)
        leave_undo_to_window(self)
        self.offers = Offers(self)
        self.offers.picked.connect(self._take)
        self.textEdited.connect(self._on_edited)
        self.textChanged.connect(lambda text: self._clear.setVisible(bool(text)))
        model.listed.connect(self._on_listed)
        model.query_failed.connect(self._on_failed)

    @property
    def bad(self) -> BadQuery | None:
        """Why the text cannot be searched for, None if it can."""
        return self._bad

    def clear_all(self) -> None:
        """No search."""
        self.clear()
        self._search("")

    def _on_edited(self, text: str) -> None:
        self._search(text)
        if text and self.hasFocus():
            self._catalogue.complete(text, self.cursorPosition(), self._offer)
        else:
            self.offers.hide()

    def _search(self, text: str) -> None:
        self._model.set_query(replace(self._model.query, text=text))

    def _offer(self, completions: Sequence[Completion]) -> None:
        if self.hasFocus():
            self.offers.show_for(completions)

    def _take(self, completion: Completion) -> None:
        text = self.text()
        done = completion.text if completion.text.endswith(":") else f"{completion.text} "
        self.setText(text[: completion.start] + done + text[completion.end :].lstrip())
        self.setCursorPosition(completion.start + len(done))
        self._on_edited(self.text())

    def _on_listed(self) -> None:
        self._mark(None)
        if self.text() != self._model.query.text and not self.hasFocus():
            self.setText(self._model.query.text)

    def _on_failed(self, error: BadQuery) -> None:
        if self.text() == self._model.query.text:
            self._mark(error)

    def _mark(self, error: BadQuery | None) -> None:
        """Underline the characters that are not understood, and only them."""
        if error is None and self._bad is None:
            return
        self._bad = error
        attributes = []
        if error is not None:
            look = QTextCharFormat()
            look.setUnderlineStyle(QTextCharFormat.UnderlineStyle.WaveUnderline)
            look.setUnderlineColor(colors().color("danger"))
            look.setForeground(colors().color("danger"))
            start, length = error.position - self.cursorPosition(), max(1, error.length)
            kind = QInputMethodEvent.AttributeType.TextFormat
            attributes = [QInputMethodEvent.Attribute(kind, start, length, look)]
        QGuiApplication.sendEvent(self, QInputMethodEvent("", attributes))
        self.setProperty("bad", "true" if error is not None else "false")
        self.style().unpolish(self)
        self.style().polish(self)

    # Qt overrides
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if self.offers.isVisible() and self.offers.take_key(key):
            return
        if key in (Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.offers.hide()
            self.left_down.emit()
        elif key == Qt.Key.Key_Escape and self.text():
            self.clear_all()
        else:
            super().keyPressEvent(event)

    def event(self, event: QEvent) -> bool:
        if not isinstance(event, QKeyEvent):
            return super().event(event)
        kind, key = event.type(), Qt.Key(event.key())
        ours = bool(self.text()) or self.offers.isVisible()
        if kind == QEvent.Type.ShortcutOverride and key == Qt.Key.Key_Escape and ours:
            event.accept()  # Esc clears the field here, and cancels the running picture elsewhere
            return True
        tab = kind == QEvent.Type.KeyPress and key == Qt.Key.Key_Tab and self.offers.isVisible()
        return (tab and self.offers.take_key(key)) or super().event(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.offers.hide()


class Offers(QFrame):
    """How the word may go on, below the field, which keeps the keyboard. Signals: `picked(Completion)`."""

    picked = Signal(object)

    def __init__(self, field: QLineEdit) -> None:
        super().__init__(field, Qt.WindowType.ToolTip)
        self.setObjectName("suggestPopup")
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self._field = field
        self._completions: tuple[Completion, ...] = ()
        self.list = QListWidget()
        self.list.setObjectName("suggestionList")
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.setAccessibleName(self.tr("Ways to go on"))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setItemDelegate(_OfferDelegate(self.list))
        self.list.itemClicked.connect(lambda item: self._pick(self.list.row(item)))
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.list)

    def show_for(self, completions: Sequence[Completion]) -> None:
        """Show these; none hides the popup."""
        self._completions = tuple(completions)
        self.list.clear()
        for completion in self._completions:
            item = QListWidgetItem(completion.text)
            item.setData(_HINT, completion.hint)
            item.setSizeHint(QSize(0, _ROW_PX))
            self.list.addItem(item)
        if not self._completions:
            self.hide()
            return
        rows = min(_ROWS_MAX, len(self._completions))
        self.setFixedSize(max(_POPUP_MIN_PX, self._field.width()), rows * _ROW_PX + 10)
        self.move(self._field.mapToGlobal(QPoint(0, self._field.height() + 4)))
        self.show()

    def take_key(self, key: Qt.Key) -> bool:
        """A key that the field was given while this is open: whether it is for the list."""
        if key in _MOVES:
            self.list.setCurrentRow((self.list.currentRow() + _MOVES[key]) % self.list.count())
            return True
        if key == Qt.Key.Key_Escape:
            self.hide()
            return True
        if key == Qt.Key.Key_Tab or (key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.list.currentRow() >= 0):
            self._pick(max(0, self.list.currentRow()))
            return True
        return False

    def _pick(self, row: int) -> None:
        self.hide()
        self.picked.emit(self._completions[row])


class _OfferDelegate(QStyledItemDelegate):
    """The completion, and its hint at the right in a fainter tone."""

    # Qt overrides
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:  # type: ignore[override]
        rect: QRect = option.rect
        tokens = colors()
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        hovered = bool(option.state & QStyle.StateFlag.State_MouseOver)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if chosen or hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(tokens.color("accent_soft" if chosen else "raised_hover"))
            painter.drawRoundedRect(rect, 5, 5)
        line = rect.adjusted(8, 0, -8, 0)
        painter.setFont(ui_font())
        painter.setPen(tokens.color("text"))
        words = str(index.data())
        painter.drawText(line, int(Qt.AlignmentFlag.AlignVCenter), words)
        taken = painter.fontMetrics().horizontalAdvance(words) + 16
        painter.setFont(ui_font(12))
        painter.setPen(tokens.color("text_faint"))
        room = line.adjusted(taken, 0, 0, 0)
        hint = painter.fontMetrics().elidedText(str(index.data(_HINT) or ""), Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), hint)
        painter.restore()
