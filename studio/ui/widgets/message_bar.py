"""What the studio has to say, on cards over the picture: never in the way, never HTML, details to copy."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from studio.state.messages import Message, Messages
from studio.ui.widgets.buttons import IconSign, icon_button
from studio.ui.widgets.text import PlainLabel

CARDS_MAX = 3
WIDTH_PX = 520
MARGIN_PX = 16
INFO_MS = 6000
_LOOKS = {"info": ("info", "accent"), "warning": ("warning", "warning"), "error": ("error", "danger")}


class MessageCard(QFrame):
    """One message with its buttons. It removes itself when closed or when its action is taken."""

    def __init__(self, message: Message, parent: QWidget) -> None:
        super().__init__(parent)
        self.message = message
        self.setObjectName("messageCard")
        self.setProperty("level", message.level)
        self.setAccessibleName(f"{message.headline} {message.hint}".strip())
        self._detail = self._detail_box()
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 8, 10)
        row.setSpacing(12)
        row.addWidget(self._sign(), 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(self._words(), 1)
        close = icon_button("close", self.tr("Close this message"), self, px=12)
        close.clicked.connect(self.dismiss)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        if message.level == "info" and not message.stays:
            QTimer.singleShot(INFO_MS if not message.action else 2 * INFO_MS, self, self.dismiss)

    def dismiss(self) -> None:
        """Take the card away."""
        self.hide()
        self.deleteLater()

    def _sign(self) -> IconSign:
        return IconSign(*_LOOKS[self.message.level], 20)

    def _words(self) -> QVBoxLayout:
        column = QVBoxLayout()
        column.setSpacing(4)
        for text, look in ((self.message.headline, "headline"), (self.message.hint, "muted")):
            if text:
                label = PlainLabel(text, look, wrap=True)
                label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
                column.addWidget(label)
        if self.message.action or self.message.other or self.message.detail:
            column.addLayout(self._buttons())
        column.addWidget(self._detail)
        return column

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(0, 4, 0, 0)
        row.setSpacing(8)
        if self.message.action:
            act = _button(self.message.action)
            act.clicked.connect(self._on_action)
            row.addWidget(act)
        if self.message.other:
            other = _button(self.message.other)
            other.clicked.connect(self._on_other)
            row.addWidget(other)
        if self.message.detail:
            show = _button(self.tr("Details"))
            show.setCheckable(True)
            show.toggled.connect(self._on_details)
            copy = _button(self.tr("Copy"))
            copy.clicked.connect(self._on_copy)
            row.addWidget(show)
            row.addWidget(copy)
        row.addStretch(1)
        return row

    def _detail_box(self) -> QPlainTextEdit:
        box = QPlainTextEdit(self.message.detail)
        box.setReadOnly(True)
        box.setAccessibleName(self.tr("Details"))
        box.setFixedHeight(120)
        box.hide()
        return box

    def _on_action(self) -> None:
        if self.message.on_action is not None:
            self.message.on_action()
        self.dismiss()

    def _on_other(self) -> None:
        if self.message.on_other is not None:
            self.message.on_other()
        self.dismiss()

    def _on_details(self, shown: bool) -> None:
        self._detail.setVisible(shown)

    def _on_copy(self) -> None:
        QGuiApplication.clipboard().setText("\n".join((self.message.headline, self.message.hint, self.message.detail)))


def _button(words: str) -> QPushButton:
    """A click on it leaves the keys where they were, in the history say."""
    button = QPushButton(words)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    return button


class MessageBar(QWidget):
    """The cards over the top of `parent`, newest first, at most three. Start it with `listen`."""

    def __init__(self, messages: Messages, parent: QWidget) -> None:
        super().__init__(parent)
        self._over = parent
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(8)
        self.hide()
        parent.installEventFilter(self)
        messages.posted.connect(self.show_message)

    def cards(self) -> tuple[MessageCard, ...]:
        """The cards on show, newest first."""
        items = (self._column.itemAt(i) for i in range(self._column.count()))
        widgets = (item.widget() for item in items if item is not None)
        return tuple(card for card in widgets if isinstance(card, MessageCard) and not card.isHidden())

    def show_message(self, message: Message) -> None:
        """Put a message on top, in place of one that says the same; the oldest beyond three goes, quiet ones first."""
        for old in self.cards():
            if (old.message.headline, old.message.hint) == (message.headline, message.hint):
                old.dismiss()
        card = MessageCard(message, self)
        card.destroyed.connect(self._place)
        self._column.insertWidget(0, card)
        card.show()
        card.installEventFilter(self)
        shown = self.cards()
        if len(shown) > CARDS_MAX:
            quiet = [old for old in shown[1:] if old.message.level == "info"]
            (quiet or list(shown))[-1].dismiss()
        self.show()
        self.raise_()
        self._place()

    def move_over(self, parent: QWidget) -> None:
        """Lie over another widget from now on, with the cards that are on show."""
        self._over.removeEventFilter(self)
        self._over = parent
        self.setParent(parent)
        parent.installEventFilter(self)
        self.setVisible(bool(self.cards()))
        self.raise_()
        self._place()

    def clear(self) -> None:
        """Close all cards."""
        for card in self.cards():
            card.dismiss()

    def take_away(self, headline: str) -> None:
        """Close the cards that say this: it is settled."""
        for card in self.cards():
            if card.message.headline == headline:
                card.dismiss()

    def _place(self) -> None:
        parent = self._over
        if not self.cards():
            self.hide()
            return
        width = min(WIDTH_PX, parent.width() - 2 * MARGIN_PX)
        self._column.activate()
        height = max(self._column.heightForWidth(width), self._column.minimumSize().height())
        self.setGeometry((parent.width() - width) // 2, MARGIN_PX, width, min(height, parent.height() - 2 * MARGIN_PX))

    # Qt overrides
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest, QEvent.Type.Hide):
            QTimer.singleShot(0, self, self._place)
        return super().eventFilter(watched, event)
