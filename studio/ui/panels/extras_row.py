"""What is set beyond the usual - refiner, VAE, CLIP skip, FreeU ... - each with a way to take it off; nothing otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from studio.core.draft import Draft
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.text import ElidedLabel
from studio.ui.words import extras


class ExtrasRow(QWidget):
    """Mutable state: the draft on show.

    Signals: `taken_off(Draft, str)` - the draft without one of them, and the words for undo.
    """

    taken_off = Signal(object, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("extrasRow")
        self._shown: tuple[tuple[str, Draft, str], ...] = ()
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)

    @property
    def lines(self) -> tuple[str, ...]:
        """What is shown."""
        return tuple(words for words, _without, _undo in self._shown)

    def show_draft(self, draft: Draft) -> bool:
        """Show a draft's extras; whether it has any."""
        found = self._extras(draft)
        if [words for words, *_ in found] != list(self.lines):
            self._fill(found)
        self._shown = found
        return bool(found)

    def _extras(self, draft: Draft) -> tuple[tuple[str, Draft, str], ...]:
        usual = Draft()
        undo = {
            "refiner": self.tr("take refiner off"),
            "vae": self.tr("take VAE off"),
            "clip_skip": self.tr("skip no CLIP layer"),
            "guidance_rescale": self.tr("rescale no guidance"),
            "weights": self.tr("read prompt weights"),
            "freeu": self.tr("switch FreeU off"),
            "tiling": self.tr("switch tiling off"),
        }
        found: list[tuple[str, Draft, str]] = []
        for field, words in extras(draft):
            changed: Any = {field: getattr(usual, field)}  # Any: mypy cannot see the names of fields in a dict
            found.append((words, replace(draft, **changed), undo[field]))
        return tuple(found)

    def _fill(self, found: tuple[tuple[str, Draft, str], ...]) -> None:
        while (item := self._column.takeAt(0)) is not None:
            if (line := item.widget()) is not None:
                line.hide()
                line.deleteLater()
        for number, (words, _without, undo) in enumerate(found):
            line = QWidget()
            row = QHBoxLayout(line)
            row.setContentsMargins(0, 0, 0, 0)
            row.setSpacing(4)
            clear = icon_button("close", undo[:1].upper() + undo[1:], px=12)
            clear.clicked.connect(lambda _checked=False, number=number: self._on_clear(number))
            label = ElidedLabel()
            label.setText(words)
            row.addWidget(label, 1)
            row.addWidget(clear)
            self._column.addWidget(line)

    def _on_clear(self, number: int) -> None:
        if number < len(self._shown):
            _words, without, undo = self._shown[number]
            self.taken_off.emit(without, undo)
