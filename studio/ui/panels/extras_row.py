"""What is set beyond the usual - refiner, VAE, CLIP skip, FreeU ... - each with a way to take it off; nothing otherwise."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from studio.core.choices import Tiling
from studio.core.draft import Draft
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.text import ElidedLabel


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
        found: list[tuple[str, Draft, str]] = []
        if draft.refiner is not None:
            words = self.tr("Refiner {name}, from {percent} %").replace("{name}", draft.refiner.name)
            words = words.replace("{percent}", f"{draft.refine_at * 100:.0f}")
            found.append((words, replace(draft, refiner=None), self.tr("take refiner off")))
        if draft.vae is not None:
            words = self.tr("VAE {name}").replace("{name}", draft.vae.name)
            found.append((words, replace(draft, vae=None), self.tr("take VAE off")))
        if draft.clip_skip:
            words = self.tr("CLIP skip {n}").replace("{n}", str(draft.clip_skip))
            found.append((words, replace(draft, clip_skip=0), self.tr("skip no CLIP layer")))
        if draft.guidance_rescale:
            words = self.tr("Guidance rescale {x}").replace("{x}", f"{draft.guidance_rescale:.2f}")
            found.append((words, replace(draft, guidance_rescale=0.0), self.tr("rescale no guidance")))
        if not draft.weights:
            found.append((self.tr("Brackets are signs"), replace(draft, weights=True), self.tr("read prompt weights")))
        if draft.freeu is not None:
            words = (
                self.tr("FreeU") + f" {draft.freeu.b1:g}, {draft.freeu.b2:g}, {draft.freeu.s1:g}, {draft.freeu.s2:g}"
            )
            found.append((words, replace(draft, freeu=None), self.tr("switch FreeU off")))
        if draft.tiling is not Tiling.OFF:
            words = {
                Tiling.BOTH: self.tr("Tiles on all sides"),
                Tiling.X: self.tr("Tiles left and right"),
                Tiling.Y: self.tr("Tiles top and bottom"),
            }[draft.tiling]
            found.append((words, replace(draft, tiling=Tiling.OFF), self.tr("switch tiling off")))
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
