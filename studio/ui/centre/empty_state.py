"""What stands in the middle before the first picture: a quiet word and something to begin with."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from studio.ui.widgets.buttons import IconSign
from studio.ui.widgets.flow import FlowLayout
from studio.ui.widgets.text import PlainLabel

_MARK_PX = 56


class EmptyState(QWidget):
    """Shown while there is no picture.

    Signals: `sample_chosen(str)` - the artist wants to begin with this prompt.
    """

    sample_chosen = Signal(str)

    def __init__(self, models_folder: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(32, 32, 32, 32)
        column.setSpacing(8)
        column.addStretch(2)
        column.addWidget(IconSign("studio", "", _MARK_PX), 0, Qt.AlignmentFlag.AlignHCenter)
        column.addSpacing(12)
        column.addWidget(self._centred(self.tr("What shall we paint?"), "hero"))
        column.addWidget(
            self._centred(self.tr("Write a prompt, press Generate, and watch it come out of the noise."), "muted")
        )
        column.addSpacing(16)
        column.addLayout(self._samples())
        column.addStretch(3)
        self._about_mini = self._centred(self._mini_words(models_folder), "faint")
        column.addWidget(self._about_mini)

    def _centred(self, text: str, look: str) -> PlainLabel:
        label = PlainLabel(text, look, wrap=True)
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        return label

    def _mini_words(self, models_folder: str) -> str:
        words = self.tr("Studio Mini is a small model that ships with the studio and knows a picture-book world.")
        more = self.tr("For more, open “Models …” in the File menu, or put models into {folder}.")
        more = more.replace("{folder}", models_folder)
        return f"{words}\n{more}" if models_folder else words

    def _samples(self) -> QVBoxLayout:
        rows = QVBoxLayout()
        rows.setSpacing(8)
        samples = (
            (self.tr("a red house on green hills, blue sky"),),
            (self.tr("a sailboat at sunset, watercolour"), self.tr("一只橙色的猫，草地，夜晚")),
        )
        for texts in samples:
            row = FlowLayout(8, centred=True)
            for text in texts:
                row.addWidget(self._chip(text))
            rows.addLayout(row)
        return rows

    def _chip(self, text: str) -> QPushButton:
        chip = QPushButton(text.replace("&", "&&"))
        chip.setProperty("look", "chip")
        chip.setAccessibleName(self.tr("Begin with: {text}").replace("{text}", text))
        chip.setCursor(Qt.CursorShape.PointingHandCursor)
        chip.clicked.connect(lambda: self.sample_chosen.emit(text))
        return chip
