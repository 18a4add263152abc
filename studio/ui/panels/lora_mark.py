"""What a typed `<lora:name:weight>` would mean, one click away: a layer if the file is here, else to take it out."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from studio.core.lora_marks import LoraMark, first_mark
from studio.core.model_files import Kind, ModelFile
from studio.state.models_model import ModelsModel
from studio.ui.widgets.text import one_line, plain_tooltip


class LoraMarkButton(QPushButton):
    """Seen while the prompt holds a mark. Mutable state: the prompt, its first mark and the file that it names.

    Signals: `layer_wished(ModelFile, LoraMark)`; `out_wished(LoraMark)` - out of the prompt.
    """

    layer_wished = Signal(object, object)
    out_wished = Signal(object)

    def __init__(self, models: ModelsModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("loraMarkButton")
        self.setProperty("look", "quiet")
        self.setText(self.tr("Take out the mark"))
        self._models, self._prompt = models, ""
        self.mark: LoraMark | None = None
        self.file: ModelFile | None = None
        self.clicked.connect(self._on_click)
        models.changed.connect(lambda: self.show_prompt(self._prompt))
        self.hide()

    def show_prompt(self, prompt: str) -> None:
        """Offer what the first mark of a prompt asks for; nothing if it has none."""
        self._prompt, self.mark = prompt, first_mark(prompt)
        self.file = self._named(self.mark) if self.mark is not None else None
        if self.mark is not None:
            self._show(self.mark)
        self.setVisible(self.mark is not None)

    def _named(self, mark: LoraMark) -> ModelFile | None:
        name = mark.name.casefold().removesuffix(".safetensors")
        loras = (file for file in self._models.files if file.kind is Kind.LORA and not file.problem)
        return next((file for file in loras if file.name.casefold() == name), None) if mark.kind != "hypernet" else None

    def _show(self, mark: LoraMark) -> None:
        if self.file is not None:
            words = self.tr("As text, {mark} means nothing to the model. Put the LoRA “{name}” into a layer instead.")
        elif mark.kind == "hypernet":
            words = self.tr("As text, {mark} means nothing to the model, and hypernetworks are not used here.")
        else:
            words = self.tr("As text, {mark} means nothing to the model, and no LoRA “{name}” is in your folders.")
        plain_tooltip(self, words.replace("{mark}", one_line(mark.text.strip(" ,"))).replace("{name}", mark.name))
        verb = self.tr("Make {mark} a layer") if self.file is not None else self.tr("Take out {mark}")
        self.setText(verb.replace("{mark}", f"<{mark.kind}:…>"))

    def _on_click(self) -> None:
        if self.mark is None:
            return
        if self.file is not None:
            self.layer_wished.emit(self.file, self.mark)
        else:
            self.out_wished.emit(self.mark)
