"""What is known of two pictures besides how they look: figures of their pixels, and the settings that differ."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QGridLayout, QScrollArea, QVBoxLayout, QWidget

from studio.state.compare import Comparison, Side
from studio.ui.widgets.text import ElidedLabel, PlainLabel

_HEIGHT_PX = 176


class CompareFacts(QFrame):
    """A headline of figures above a table: setting, its value in A, its value in B."""

    def __init__(self, comparison: Comparison, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compareFacts")
        self._comparison = comparison
        self.figures = PlainLabel(look="headline")
        self.note = PlainLabel(look="warning", wrap=True)
        self._table = QWidget()
        self._table.setObjectName("scrollBody")
        self._grid = QGridLayout(self._table)
        self._grid.setContentsMargins(0, 0, 8, 0)
        self._grid.setHorizontalSpacing(20)
        self._grid.setVerticalSpacing(4)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._table)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 10, 8, 10)
        column.setSpacing(6)
        column.addWidget(self.figures)
        column.addWidget(self.note)
        column.addWidget(scroll, 1)
        self.setFixedHeight(_HEIGHT_PX)
        comparison.changed.connect(self._show)
        self._show()

    def rows(self) -> tuple[tuple[str, ...], ...]:
        """What the table says, for whoever cannot see it."""
        return tuple(self._texts)

    def _show(self) -> None:
        self.figures.setText(self._figure_words())
        a, b = self._comparison.sides
        notes = [f"{'AB'[n]}: {side.note}" for n, side in enumerate((a, b)) if side is not None and side.note]
        self.note.setText("\n".join(notes))
        self.note.setVisible(bool(notes))
        self._fill(self._rows())

    def _figure_words(self) -> str:
        a, b = self._comparison.sides
        if a is None or b is None:
            return (
                self.tr("Choose two pictures.") if a is None and b is None else self.tr("One more picture is needed.")
            )
        if not self._comparison.same_size:
            words = self.tr(
                "Different sizes: A is {a}, B is {b}. Each is shown as large as fits; pixels cannot be counted."
            )
            return words.replace("{a}", _size(a)).replace("{b}", _size(b))
        distance = self._comparison.distance
        if distance is None:
            return self.tr("Counting …")
        if math.isinf(distance.psnr):
            return self.tr("Identical: every pixel is the same.")
        parts = (
            self.tr("PSNR {n} dB").replace("{n}", f"{distance.psnr:.1f}"),
            self.tr("largest difference {n} of 255").replace("{n}", str(distance.largest)),
            self.tr("{n} % of all values differ").replace("{n}", _percent(distance.share)),
        )
        return "  ·  ".join(parts)

    def _rows(self) -> list[tuple[str, ...]]:
        a, b = self._comparison.sides
        if a is None and b is None:
            return []
        head: list[tuple[str, ...]] = [("", f"A · {a.title if a else '–'}", f"B · {b.title if b else '–'}")]
        settings = self._comparison.settings
        if a is None or b is None:
            return head
        if settings is None:
            without = [name for name, side in (("A", a), ("B", b)) if side.recipe is None]
            words = self.tr("{n} does not say how it was made, so no settings can be compared.")
            return [*head, (words.replace("{n}", self.tr(" and ").join(without)),)]
        if not settings:
            return [*head, (self.tr("The settings are the same, to the last one."),)]
        return [*head, *((found.title, found.before, found.after) for found in settings)]

    def _fill(self, rows: list[tuple[str, ...]]) -> None:
        self._texts = rows
        while (item := self._grid.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for line, texts in enumerate(rows):
            if len(texts) == 1:
                self._grid.addWidget(PlainLabel(texts[0], "muted"), line, 0, 1, 3)
                continue
            for place, text in enumerate(texts):
                head = line == 0
                label = ElidedLabel(text, "title" if head else "") if head else PlainLabel(text, "", wrap=place > 0)
                if place == 0:
                    label.setProperty("look", "field")
                self._grid.addWidget(label, line, place, Qt.AlignmentFlag.AlignTop)
        for line in range(self._grid.rowCount()):
            self._grid.setRowStretch(line, 0)
        self._grid.setRowStretch(len(rows), 1)
        self._grid.setColumnStretch(1, 1)
        self._grid.setColumnStretch(2, 1)
        self._grid.setColumnMinimumWidth(0, 120)


def _size(side: Side) -> str:
    image = side.image
    return f"{image.width()} × {image.height()}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f}" if share >= 0.001 else f"{share * 100:.2g}"
