"""What a base model was trained to predict, as a field: shown, answered where the file does not tell, corrected later."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from studio.core.model_files import Family, ModelFile, Prediction
from studio.ui.models.words import prediction_words
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.widgets.text import plain_tooltip

_ZERO = "zero"
_CHOICES = (
    (Prediction.EPSILON, False),
    (Prediction.V, False),
    (Prediction.V, True),
)


class PredictionBox(CalmCombo):
    """Signals: `said(Prediction, bool)` - what the artist says: what it predicts, and whether with zero terminal SNR."""

    said = Signal(object, bool)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(name, "", parent)
        self.setAccessibleName(self.tr("What the model predicts"))
        self.activated.connect(self._on_chosen)

    def show_file(self, file: ModelFile) -> None:
        """Show what is known of a model; while it is asked for, nothing is chosen."""
        prediction, zero = file.traits.prediction, bool(file.traits.zero_snr)
        self.clear()
        if "prediction" in file.asked:
            self.addItem(self.tr("choose …"), None)
        elif (prediction, zero) not in _CHOICES:
            self.addItem(prediction_words(prediction, zero), None)
        for choice in _CHOICES:
            self.addItem(self._words(*choice, family=file.family), _data(*choice))
        known = self.findData(_data(prediction, zero))
        self.setCurrentIndex(0 if "prediction" in file.asked or known < 0 else known)
        plain_tooltip(
            self,
            self.tr(
                "If pictures come out as grey mush or burnt colours, the other one is right. Zero terminal SNR goes with "
                "models that say so (NoobAI v-pred, Terminus)."
            ),
        )

    def _words(self, prediction: Prediction, zero: bool, family: Family) -> str:
        words = prediction_words(prediction, zero)
        if family is Family.SD2 and not zero:
            side = self.tr("the 768 models") if prediction is Prediction.V else self.tr("the 512 models, “base”")
            return f"{words}: {side}"
        return words

    def _on_chosen(self, _row: int) -> None:
        data = self.currentData()
        if data is not None:
            prediction, zero = str(data).partition(" ")[::2]
            self.said.emit(Prediction(prediction), zero == _ZERO)


def _data(prediction: Prediction, zero: bool) -> str:
    return f"{prediction.value} {_ZERO}" if zero else prediction.value
