"""Which model paints: those that are here by family, with the way to the page of all models beside it."""

from __future__ import annotations

from itertools import groupby

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from studio.core.model_files import Family, ModelFile
from studio.state.models_model import ModelsModel
from studio.ui.models.words import facts_line, family_words
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.text import plain_tooltip


class ModelRow(QWidget):
    """Mutable state: the name on show.

    Signals: `chosen(str)` - the artist chose a model; `page_wished()` - show all models.
    """

    chosen = Signal(str)
    page_wished = Signal()

    def __init__(self, models: ModelsModel, names: tuple[str, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._models, self._names, self._shown = models, names, ""
        self._bases: list[ModelFile] = []
        self.combo = CalmCombo("modelCombo", self.tr("Model"))
        self.page = icon_button("model", self.tr("All models …"), px=16)
        self.page.setObjectName("modelsButton")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.combo, 1)
        row.addWidget(self.page)
        self.setFocusProxy(self.combo)
        self.combo.activated.connect(lambda _row: self.chosen.emit(self.combo.currentData()))
        self.page.clicked.connect(self.page_wished)
        models.changed.connect(self._fill)
        self._fill()

    def show_model(self, name: str) -> None:
        """Show a model; one that is not here is shown as missing, so that nothing is changed in silence."""
        self._shown = name
        row = self.combo.findData(name)
        if row < 0:
            self.combo.addItem(name, name)
            row = self.combo.count() - 1
        file = self._models.find(name)
        missing = file is None and name not in self._names
        words = self.tr("This model is not in the model folders.") if missing else self.tr("The model that paints.")
        plain_tooltip(self.combo, f"{words}\n{facts_line(file)}" if file is not None else words)
        self.combo.setCurrentIndex(row)

    def _fill(self) -> None:
        bases = [file for file in self._models.bases() if file.family is not Family.REFINER]
        if not bases:
            self._fill_names(self._names)
            return
        if bases == self._bases:  # an open list must not be filled under the mouse
            return
        self._bases = bases
        with QSignalBlocker(self.combo):
            self.combo.clear()
            for heading, group in groupby(bases, self._heading):
                self.combo.add_heading(heading)
                for name in dict.fromkeys(file.name for file in group):
                    file = next(one for one in bases if one.name == name)
                    self.combo.add_choice(name, name, facts_line(file))
        self.show_model(self._shown or bases[0].name)

    def _fill_names(self, names: tuple[str, ...]) -> None:
        with QSignalBlocker(self.combo):
            self.combo.clear()
            for name in names:
                self.combo.addItem(name, name)

    def _heading(self, file: ModelFile) -> str:
        return self.tr("Ships with the studio") if file.ships else family_words(file.family) or self.tr("Others")
