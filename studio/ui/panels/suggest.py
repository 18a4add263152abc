"""How the prompt may go on: a popup with several suggestions of a prompt tool, to pick from. Nothing waits for it."""

from __future__ import annotations

import random

from PySide6.QtCore import QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QHideEvent, QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QListWidget, QListWidgetItem, QPushButton, QVBoxLayout, QWidget

from studio.core.errors import StudioError
from studio.core.recipe import SEED_MAX
from studio.state.draft_model import DraftModel
from studio.state.job_queue import JobQueue
from studio.state.plugin_uses import new_use
from studio.state.plugins_model import PluginsModel
from studio.ui.icons import icon
from studio.ui.widgets.text import PlainLabel, plain_tooltip

PART = "continue"  # the part name by which a prompt tool says that it continues prompts
COUNT = 4
_WIDTH_PX = 420
_HEIGHT_MAX = 380
_MARGINS_PX = 52  # of popup, list and row, beside the words
_ROW_PADDING_PX = 12


class SuggestButton(QPushButton):
    """There while such a plugin is enabled; opens the popup below itself.

    Mutable state: `_errand`, the number of the question that the popup waits for.
    Signals: `picked(str)` - the artist took a suggestion; `failed(StudioError)`.
    """

    picked = Signal(str)
    failed = Signal(object)

    def __init__(
        self, draft: DraftModel, queue: JobQueue, plugins: PluginsModel, parent: QWidget | None = None
    ) -> None:
        super().__init__(icon("suggest", "accent"), "", parent)
        self.setText(self.tr("Suggest …"))
        self.setObjectName("suggestButton")
        self.setProperty("look", "quiet")
        self.setIconSize(QSize(16, 16))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        plain_tooltip(self, self.tr("Let a small language model go on with the prompt, and pick what you like."))
        self._draft, self._queue, self._plugins = draft, queue, plugins
        self._rng = random.Random()
        self._errand = 0
        self.popup = SuggestPopup(self)
        self.popup.picked.connect(self.picked)
        self.popup.more_wished.connect(self.ask)
        self.popup.closed.connect(self._forget)
        self.clicked.connect(self.ask)
        queue.suggested.connect(self._on_suggested)
        queue.errand_failed.connect(self._on_failed)
        plugins.changed.connect(self._show)
        self._show()

    def ask(self) -> None:
        """Ask for suggestions and open the popup; they come when the engine has a moment between two pictures."""
        tool = self._plugins.prompt_tool(PART)
        if tool is None:
            return
        seed = self._rng.randrange(SEED_MAX + 1)
        running = self._queue.running is not None
        info, part = tool
        own = (layer.use for layer in self._draft.draft.plugins)  # a layer of it says how the artist likes it
        use = next((use for use in own if (use.plugin.id, use.part) == (info.id, PART)), None) or new_use(info, part)
        self._errand = self._queue.suggest(use, self._draft.draft.prompt, seed, COUNT)
        self.popup.show_waiting(self.tr("After the running picture …") if running else self.tr("Thinking …"))
        self.popup.open_below(self)

    def _show(self) -> None:
        self.setVisible(self._plugins.prompt_tool(PART) is not None)

    def _on_suggested(self, errand: int, texts: tuple[str, ...]) -> None:
        if errand == self._errand:
            self.popup.show_texts(texts)

    def _on_failed(self, errand: int, error: StudioError) -> None:
        if errand == self._errand:
            self.popup.close()
            self.failed.emit(error)

    def _forget(self) -> None:
        self._errand = 0


class SuggestPopup(QFrame):
    """Signals: `picked(str)`; `more_wished()`; `closed()`."""

    picked = Signal(str)
    more_wished = Signal()
    closed = Signal()

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("suggestPopup")
        self.words = PlainLabel(look="muted")
        self.list = QListWidget()
        self.list.setObjectName("suggestionList")
        self.list.setAccessibleName(self.tr("Suggestions"))
        self.list.setWordWrap(True)
        self.list.setSpacing(2)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.itemClicked.connect(self._on_item)
        self.list.itemActivated.connect(self._on_item)
        self.more = QPushButton(icon("dice"), self.tr("Others"))
        self.more.setProperty("look", "quiet")
        self.more.setIconSize(QSize(16, 16))
        self.more.clicked.connect(self.more_wished)
        foot = QHBoxLayout()
        foot.addWidget(self.words, 1)
        foot.addWidget(self.more)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(4)
        column.addWidget(self.list)
        column.addLayout(foot)
        self.setFixedWidth(_WIDTH_PX)

    def show_waiting(self, words: str) -> None:
        """Say that they are on their way."""
        self.words.setText(words)
        self.more.setEnabled(False)
        if not self.list.count():
            self.list.hide()
        self.adjustSize()

    def show_texts(self, texts: tuple[str, ...]) -> None:
        """Show suggestions; the first is current, so that Enter takes it."""
        self.list.clear()
        for text in texts:
            self.list.addItem(self._row(text))
        self.words.setText(
            self.tr("Enter takes the marked one, Esc none.") if texts else self.tr("Nothing came to its mind.")
        )
        self.more.setEnabled(True)
        self.list.setVisible(bool(texts))
        if texts:
            self.list.setCurrentRow(0)
            self.list.setFixedHeight(self._height())
            self.list.setFocus()
        self.adjustSize()

    def _row(self, text: str) -> QListWidgetItem:
        """A row high enough for its words: measured here, because the style's padding is not in Qt's own measure."""
        room = QRect(0, 0, _WIDTH_PX - _MARGINS_PX, _HEIGHT_MAX)
        words = self.list.fontMetrics().boundingRect(room, int(Qt.TextFlag.TextWordWrap), text)
        row = QListWidgetItem(text)
        row.setSizeHint(QSize(room.width(), words.height() + _ROW_PADDING_PX))
        return row

    def open_below(self, button: QWidget) -> None:
        """Show below a button, within the screen."""
        at = button.mapToGlobal(QPoint(0, button.height() + 4))
        screen = button.screen().availableGeometry()
        self.move(max(screen.left(), min(at.x(), screen.right() - self.width())), at.y())
        if not self.isVisible():
            self.list.clear()
            self.list.hide()
            self.adjustSize()
            self.show()

    def _height(self) -> int:
        self.list.setFixedWidth(_WIDTH_PX - 18)
        self.list.setFixedHeight(_HEIGHT_MAX)  # without a scroll bar, whose width would change the lines
        self.list.show()
        self.list.doItemsLayout()
        return min(_HEIGHT_MAX, self.list.visualItemRect(self.list.item(self.list.count() - 1)).bottom() + 6)

    def _on_item(self, item: QListWidgetItem) -> None:
        self.picked.emit(item.text())
        self.close()

    # Qt overrides
    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.close()
        else:
            super().keyPressEvent(event)

    def hideEvent(self, event: QHideEvent) -> None:
        self.closed.emit()
        super().hideEvent(event)
