"""One line under Generate: the memory the picture will take of what is free, and what follows where it does not fit."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from studio.core.budget import Budget, Level
from studio.state.budgets import Budgets
from studio.ui.widgets.text import PlainLabel, plain_tooltip


class BudgetLine(PlainLabel):
    """Calm while it fits, amber where a slower way will be taken, red where none fits. Empty while it is not known."""

    def __init__(self, budgets: Budgets, parent: QWidget | None = None) -> None:
        super().__init__("", "faint", wrap=True, parent=parent)
        self.setObjectName("budgetLine")
        self._budgets = budgets
        budgets.changed.connect(self._show)
        self._show()

    def _show(self) -> None:
        budget = self._budgets.budget
        self.setVisible(budget is not None)
        if budget is None:
            return
        level = budget.level
        look = "error" if level is None else "faint" if level is Level.WHOLE else "warning"
        if self.property("look") != look:
            self.setProperty("look", look)
            self.style().polish(self)
        words = self._words(budget)
        self.setText(words)
        self.setAccessibleName(words)
        plain_tooltip(self, self._help(budget))

    def _words(self, budget: Budget) -> str:
        level = budget.level
        if level is Level.WHOLE:
            if not budget.free:
                return self.tr("Takes about {a} GB of memory").replace("{a}", gigabytes(budget.best))
            return _filled(self.tr("Takes about {a} of {b} GB free"), budget.best, budget.free)
        sentences = {
            Level.TILES: self.tr("Needs {a} of {b} GB: will be decoded in tiles"),
            Level.EIGHT: self.tr("Needs {a} of {b} GB: weights rest in 8 bits"),
            Level.PARTS: self.tr("Needs {a} of {b} GB: its parts will take turns"),
            Level.LAYERS: self.tr("Needs {a} of {b} GB: layer by layer, very slow"),
            None: self.tr("Needs {a} of {b} GB: too large for this device"),
        }
        return _filled(sentences[level], budget.best if level is not None else budget.need, budget.free)

    def _help(self, budget: Budget) -> str:
        first = {
            Level.TILES: self.tr(
                "It does not fit as it is. Other models are let go, and the picture is decoded in tiles."
            ),
            Level.EIGHT: self.tr(
                "It does not fit as it is. The weights rest in 8 bits; the picture will be a close one."
            ),
            Level.PARTS: self.tr(
                "It does not fit as it is. The model's parts take turns on the device, which is slower."
            ),
            Level.LAYERS: self.tr("It does not fit as it is. The model goes layer by layer, which is much slower."),
            None: self.tr("Not even the slowest way fits. Choose a smaller size, fewer layers or a smaller model."),
        }
        lines = [first[budget.level]] if budget.level in first else []
        lines.append(self.tr("Estimated from the headers of the model's files: the most that is in use at once."))
        if len(budget.needs) > 1:
            names = {
                Level.WHOLE: self.tr("everything at once"),
                Level.TILES: self.tr("decoded in tiles"),
                Level.EIGHT: self.tr("weights in 8 bits"),
                Level.PARTS: self.tr("part after part"),
                Level.LAYERS: self.tr("layer after layer"),
            }
            lines += [f"{gigabytes(need)} GB  {names[level]}" for level, need in budget.needs]
        return "\n".join(lines)


def gigabytes(count: int) -> str:
    """For example "2.1"; what is less than a tenth is said as it is."""
    return f"{count / 1e9:.1f}" if count >= 95_000_000 else f"{max(count, 10_000_000) / 1e9:.2f}"


def _filled(words: str, need: int, free: int) -> str:
    return words.replace("{a}", gigabytes(need)).replace("{b}", gigabytes(free))
