"""The question when folders are given to the history: as they are now, or watched; no file is moved either way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from studio.ui.widgets.buttons import IconSign
from studio.ui.widgets.text import ElidedLabel, PlainLabel, plain_tooltip

_WIDTH_PX = 520
_SHOWN = 4  # folders that are named one by one


class FolderQuestion(QDialog):
    """Asks once for all folders of a drop. Signals: `answered(bool)` - they come in, True: and are watched."""

    answered = Signal(bool)

    def __init__(self, folders: Sequence[Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("folderQuestion")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Pictures of a folder"))
        self.setFixedWidth(_WIDTH_PX)
        one = len(folders) == 1
        asks = self.tr("Show the pictures of this folder?") if one else self.tr("Show the pictures of these folders?")
        words = QVBoxLayout()
        words.setSpacing(6)
        words.addWidget(PlainLabel(asks, "big", wrap=True))
        for folder in folders[:_SHOWN]:
            place = ElidedLabel(str(folder), "muted")
            place.setFixedHeight(18)
            words.addWidget(place)
        if len(folders) > _SHOWN:
            more = self.tr("and {n} more").replace("{n}", f"{len(folders) - _SHOWN:,}")
            words.addWidget(PlainLabel(more, "muted"))
        head = QHBoxLayout()
        head.setSpacing(14)
        head.addWidget(IconSign("folder", "accent", 32), 0, Qt.AlignmentFlag.AlignTop)
        head.addLayout(words, 1)
        says = self.tr("The files stay where they are: none is moved, copied or changed. Watched, the history looks for "
                       "new pictures there every minute.")  # fmt: skip
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.clicked.connect(self.reject)
        self.once = QPushButton(self.tr("Add as it is now") if one else self.tr("Add as they are now"))
        plain_tooltip(self.once, self.tr("New pictures are found when you add it again"))
        self.once.clicked.connect(lambda: self._answer(False))
        self.watch = QPushButton(self.tr("Add and watch"))
        self.watch.setProperty("look", "primary-small")
        self.watch.setDefault(True)
        self.watch.clicked.connect(lambda: self._answer(True))
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addStretch(1)
        for button in (self.cancel, self.once, self.watch):
            buttons.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 20, 24, 16)
        column.setSpacing(14)
        column.addLayout(head)
        column.addWidget(PlainLabel(says, wrap=True))
        column.addLayout(buttons)
        self.watch.setFocus()

    def _answer(self, watched: bool) -> None:
        self.answered.emit(watched)
        self.accept()
