"""Words that call a model, each a chip that goes into the prompt when it is pressed."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from studio.ui.icons import icon
from studio.ui.widgets.flow import FlowLayout
from studio.ui.widgets.text import plain_tooltip

_CHIP_PX, _WORD_PX = 28, 240


class TriggerWords(QWidget):
    """Mutable state: `words` on show. Signals: `wished(str)` - this word into the prompt."""

    wished = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.words: tuple[str, ...] = ()
        self.chips: list[QPushButton] = []
        self._flow = FlowLayout(6)
        self.setLayout(self._flow)

    def show_words(self, words: tuple[str, ...]) -> None:
        """Show these; hidden where there is none."""
        self.setVisible(bool(words))
        if words == self.words:
            return
        self.words = words
        self._flow.clear()
        self.chips = [self._chip(word) for word in words]
        for chip in self.chips:
            self._flow.addWidget(chip)
        self.updateGeometry()

    def _chip(self, word: str) -> QPushButton:
        chip = QPushButton()
        chip.setProperty("look", "chip")
        chip.setFixedHeight(_CHIP_PX)
        chip.setAutoDefault(False)
        chip.setIconSize(QSize(12, 12))
        shown = chip.fontMetrics().elidedText(word, Qt.TextElideMode.ElideRight, _WORD_PX)
        chip.setText(shown.replace("&", "&&"))
        says = self.tr("Add “{word}” to the prompt").replace("{word}", word)
        plain_tooltip(chip, says)
        chip.setAccessibleName(says)
        chip.clicked.connect(lambda: self._on_press(chip, word))
        return chip

    def _on_press(self, chip: QPushButton, word: str) -> None:
        chip.setIcon(icon("check", "accent"))
        self.wished.emit(word)
