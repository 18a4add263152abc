"""What the files in use call for, offered in one line each: settings of few-step models, and a question nothing answers."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from studio.core.advice import Advice, few_step_advice
from studio.core.draft import Draft, PluginLayer
from studio.core.model_files import Kind, ModelFile
from studio.state.models_model import ModelsModel, advice_of
from studio.ui.models.prediction import PredictionBox
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.text import PlainLabel
from studio.ui.words import scheduler_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """`advice` of a few-step model or LoRA; None: what the model `file` predicts is not known."""

    file: ModelFile
    advice: Advice | None = None


class OfferRow(QFrame):
    """Mutable state: the draft and the offer on show, and what was waved away in this session.

    Signals: `edited(Draft, str)` - the draft with the settings, and words for undo; `said(ModelFile, object)` - a
    Prediction and whether with zero terminal SNR; `shown(bool)`.
    """

    edited = Signal(object, str)
    said = Signal(object, object)
    shown = Signal(bool)

    def __init__(self, models: ModelsModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("offerCard")
        self._models, self._draft = models, Draft()
        self.offer: Offer | None = None
        self._waved: set[tuple[str, bool]] = set()
        self.words = PlainLabel(wrap=True)
        self.use = QPushButton(self.tr("Use them"))
        self.use.setObjectName("useAdviceButton")
        self.prediction = PredictionBox("offerPredictionCombo")
        self.close_button = icon_button("close", self.tr("Leave it as it is"), px=12)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 8, 8, 8)
        column.setSpacing(6)
        column.addWidget(self.words)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.use)
        row.addWidget(self.prediction, 1)
        row.addStretch(1)
        row.addWidget(self.close_button)
        column.addLayout(row)
        self.use.clicked.connect(self._on_use)
        self.prediction.said.connect(self._on_said)
        self.close_button.clicked.connect(self._on_close)
        models.changed.connect(lambda: self.show_draft(self._draft))
        self.hide()

    def show_draft(self, draft: Draft) -> None:
        """Show what is offered for a draft, or nothing."""
        self._draft = draft
        offer = self._offer(draft)
        if offer != self.offer:
            self.offer = offer
            self._show(offer)
        if offer is None or self.isHidden():
            self.setVisible(offer is not None)
            self.shown.emit(offer is not None)

    def _offer(self, draft: Draft) -> Offer | None:
        base = self._models.find(draft.model.name)
        if base is not None and "prediction" in base.asked and (str(base.path), False) not in self._waved:
            return Offer(file=base)
        loras = [file for layer in draft.plugins if (file := self._lora(layer)) is not None]
        made = [(file, few_step_advice(file.traits.variant, file.name)) for file in loras]
        made += [] if base is None else [(base, advice_of(base))]
        wanted = [(file, advice) for file, advice in made if advice is not None]
        if not wanted or any(advice.is_followed(draft) for _, advice in wanted):
            return None
        file, advice = wanted[0]
        return Offer(file=file, advice=advice) if (str(file.path), True) not in self._waved else None

    def _lora(self, layer: PluginLayer) -> ModelFile | None:
        """The LoRA of a plugin layer that works, among the files that are here."""
        if not layer.enabled or dict(layer.use.values).get("weight") == 0:
            return None
        loras = [file for file in self._models.files if file.kind is Kind.LORA and not file.problem]
        for _, ref in layer.use.files:
            for file in loras:
                told = file.sha256 == ref.sha256 if file.sha256 and ref.sha256 else file.path.name == ref.name
                if told:
                    return file
        return None

    def _show(self, offer: Offer | None) -> None:
        if offer is None:
            return
        advice = offer.advice
        self.use.setVisible(advice is not None)
        self.prediction.setVisible(advice is None)
        if advice is None:
            words = self.tr("“{name}” does not say what it predicts. Asked once:")
            self.prediction.show_file(offer.file)
        else:
            words = self.tr("“{name}” was made for {steps} steps with {scheduler}, guidance {guidance}.")
            words = words.replace("{steps}", str(advice.steps)).replace("{guidance}", f"{advice.guidance_scale:g}")
            words = words.replace("{scheduler}", scheduler_words(advice.scheduler, advice.spacing))
        self.words.setText(words.replace("{name}", offer.file.name))

    def _on_use(self) -> None:
        if self.offer is not None and self.offer.advice is not None:
            words = self.tr("settings of {name}").replace("{name}", self.offer.file.name)
            self.edited.emit(self.offer.advice.onto(self._draft), words)

    def _on_said(self, prediction: object, zero_snr: bool) -> None:
        if self.offer is not None:
            self.said.emit(self.offer.file, (prediction, zero_snr))

    def _on_close(self) -> None:
        if self.offer is not None:
            self._waved.add((str(self.offer.file.path), self.offer.advice is not None))
            self.show_draft(self._draft)
