"""The seed: a number of 32 bits in a line edit (a spin box would break it), a lock and a die."""

from __future__ import annotations

import random

from PySide6.QtCore import QLocale, Signal
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QWidget

from studio.core.recipe import SEED_MAX
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.undo import leave_undo_to_window

OPEN = "-1"  # how other programs write a seed that is new each time


class SeedValidator(QValidator):
    """Whole numbers 0 ... 2**32-1, or nothing, also written as -1."""

    # Qt overrides
    def fixup(self, _text: str) -> str:
        return ""

    def validate(self, text: str, place: int) -> tuple[QValidator.State, str, int]:
        digits = text.strip()
        if digits == "-":
            return QValidator.State.Intermediate, digits, min(place, len(digits))
        if digits in ("", OPEN):
            return QValidator.State.Acceptable, digits, min(place, len(digits))
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 10 or int(digits) > SEED_MAX:
            return QValidator.State.Invalid, text, place
        return QValidator.State.Acceptable, digits, min(place, len(digits))


class SeedRow(QWidget):
    """Signals: `edited(object)` - the artist chose a seed (int), or None for a new one each time."""

    edited = Signal(object)  # never Signal(int): 2**32-1 would arrive as -1

    def __init__(self, rng: random.Random | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rng = rng or random.Random()
        self._last: int | None = None  # the seed of the newest picture: what locking keeps
        self.edit = QLineEdit()
        leave_undo_to_window(self.edit)
        self.edit.setObjectName("seedEdit")
        self.edit.setAccessibleName(self.tr("Seed"))
        self.edit.setPlaceholderText(self.tr("new each time"))
        self.edit.setValidator(SeedValidator(self.edit))
        self.edit.setLocale(QLocale.c())
        self.dice = icon_button("dice", self.tr("Roll a new seed and keep it"))
        self.lock = icon_button("unlock", self.tr("Keep the seed of the last picture"), icon_on="lock")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for part, stretch in ((self.edit, 1), (self.dice, 0), (self.lock, 0)):
            row.addWidget(part, stretch)
        self.setFocusProxy(self.edit)
        self.edit.textEdited.connect(self._on_typed)
        self.edit.editingFinished.connect(self._on_left)
        self.dice.clicked.connect(self._on_rolled)
        self.lock.clicked.connect(self._on_locked)

    def show_seed(self, seed: int | None) -> None:
        """Show a seed without telling anybody."""
        text = "" if seed is None else str(seed)
        if self.edit.text() != text:
            self.edit.setText(text)
        self.lock.setChecked(seed is not None)

    def remember(self, seed: int) -> None:
        """The seed that the lock takes next."""
        self._last = seed

    def _on_typed(self, text: str) -> None:
        digits = text.strip()
        if digits == OPEN:
            self.edit.clear()
            self.edited.emit(None)
        elif digits != "-":  # which may become OPEN
            self.edited.emit(int(digits) if digits else None)

    def _on_left(self) -> None:
        if not self.edit.text():  # a lone minus was taken away
            self.edited.emit(None)

    def _on_rolled(self) -> None:
        self.edited.emit(self._rng.randrange(SEED_MAX + 1))

    def _on_locked(self, locked: bool) -> None:
        if not locked:
            self.edited.emit(None)
        else:
            self.edited.emit(self._last if self._last is not None else self._rng.randrange(SEED_MAX + 1))
