"""All about one model: its picture, what it is, what is asked, words that call it, notes, and what may be done."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QPushButton, QScrollArea, QVBoxLayout, QWidget

from studio.core.model_files import Family, Kind, ModelFile, Prediction
from studio.core.model_use import place_of
from studio.state.models_model import ModelsModel
from studio.ui.icons import icon, render
from studio.ui.models.delegate import icon_of, middle
from studio.ui.models.prediction import PredictionBox
from studio.ui.models.trigger_words import TriggerWords
from studio.ui.models.words import (
    facts_line,
    family_words,
    fit_words,
    format_words,
    place_words,
    prediction_words,
    use_button,
    use_words,
)
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.theme import colors
from studio.ui.widgets.text import ElidedLabel, PlainLabel, plain_tooltip

_PICTURE_PX = 200


class PictureBox(QWidget):
    """The preview, filling its frame; the sign of the kind where there is none. Mutable state: image, icon name."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image, self._icon = QImage(), "model"
        self.setFixedHeight(_PICTURE_PX)

    def show_image(self, image: QImage | None, icon_name: str) -> None:
        """Show a picture, or the icon."""
        self._image, self._icon = image or QImage(), icon_name
        self.setFixedHeight(_PICTURE_PX if not self._image.isNull() else 96)
        self.update()

    # Qt overrides
    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        path = QPainterPath()
        path.addRoundedRect(QRectF(self.rect()), 8, 8)
        painter.fillPath(path, colors().color("raised"))
        if self._image.isNull():
            px = 32
            image = render(self._icon, round(px * self.devicePixelRatioF()), colors().border_strong)
            painter.drawImage(QRectF((self.width() - px) / 2, (self.height() - px) / 2, px, px), image)
            return
        painter.setClipPath(path)
        painter.drawImage(self.rect(), self._image, middle(self._image.size(), self.size()))


class ModelDetails(QScrollArea):
    """Shows one file and sends wishes. Mutable state: `file`, the one on show.

    Signals: `use_wished(ModelFile)`, `reveal_wished(ModelFile)`, `words_wished(str)` - add these words to the prompt;
    `answered(ModelFile, object)` - a Family, or a Prediction and whether with zero terminal SNR.
    """

    use_wished = Signal(object)
    reveal_wished = Signal(object)
    words_wished = Signal(str)
    answered = Signal(object, object)

    def __init__(self, models: ModelsModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._models = models
        self.file: ModelFile | None = None
        self._base = Family.UNKNOWN, ""
        self.picture = PictureBox()
        self.name = PlainLabel(look="big", wrap=True)
        self.facts = PlainLabel(look="muted", wrap=True)
        self.purpose = PlainLabel(wrap=True)
        self.misfit = PlainLabel(look="warning", wrap=True)
        self.problem = PlainLabel(look="warning", wrap=True)
        self.words = TriggerWords()
        self.words.wished.connect(self.words_wished)
        self.notes = PlainLabel(wrap=True)
        self.notes.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._make_buttons()
        self._make_questions()
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._body = self._make_body()
        self.setWidget(self._body)
        self.show_file(None)

    def _make_buttons(self) -> None:
        self.use = QPushButton(self.tr("Use"))
        self.use.setObjectName("useModelButton")
        self.use.setProperty("look", "primary-small")
        self.use.clicked.connect(lambda: self._wish(self.use_wished.emit))
        self.reveal = QPushButton(icon("folder"), self.tr("Show in folder"))
        self.reveal.setIconSize(QSize(16, 16))
        self.reveal.clicked.connect(lambda: self._wish(self.reveal_wished.emit))
        self.add_words = QPushButton(icon("plus"), self.tr("Add all of them"))
        self.add_words.setIconSize(QSize(16, 16))
        self.add_words.clicked.connect(
            lambda: self._wish(lambda file: self.words_wished.emit(", ".join(file.triggers)))
        )
        for button in (self.use, self.reveal, self.add_words):
            button.setAutoDefault(False)

    def _make_questions(self) -> None:
        """What no file tells, asked once."""
        self.prediction = PredictionBox("predictionCombo")
        self.predicts = PredictionBox("predictsCombo")  # the same once it is known, to be corrected
        self.family = CalmCombo("familyCombo", self.tr("Which models it goes with"))
        self.family.addItem(self.tr("choose …"), None)
        for family in (Family.SD1, Family.SD2, Family.SDXL):
            self.family.addItem(family_words(family), family.value)
        for box in (self.prediction, self.predicts):
            box.said.connect(self._on_said)
        self.family.activated.connect(self._on_family)
        self._questions = QWidget()
        column = QVBoxLayout(self._questions)
        column.setContentsMargins(0, 8, 0, 8)
        column.setSpacing(6)
        self._ask_prediction = PlainLabel(
            self.tr("The file does not say for sure what it predicts. Asked once:"), wrap=True
        )
        self._ask_family = PlainLabel(
            self.tr("The file does not say which models it goes with. Asked once:"), wrap=True
        )
        for part in (self._ask_prediction, self.prediction, self._ask_family, self.family):
            column.addWidget(part)

    def _make_body(self) -> QWidget:
        body = QWidget()
        body.setObjectName("scrollBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(2, 2, 12, 4)
        column.setSpacing(4)
        column.addWidget(self.picture)
        column.addSpacing(8)
        for part in (self.name, self.facts):
            column.addWidget(part)
        column.addSpacing(4)
        for widget in (self.purpose, self.problem, self.misfit, self._questions):
            column.addWidget(widget)
        column.addSpacing(8)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.use)
        buttons.addWidget(self.reveal)
        buttons.addStretch(1)
        column.addLayout(buttons)
        column.addSpacing(12)
        self._words_title = PlainLabel(self.tr("Words that call it; press one to add it to the prompt"), "title")
        self._notes_title = PlainLabel(self.tr("Notes"), "title")
        column.addWidget(self._words_title)
        column.addWidget(self.words)
        column.addSpacing(4)
        column.addWidget(self.add_words, 0, Qt.AlignmentFlag.AlignLeft)
        column.addSpacing(10)
        column.addWidget(self._notes_title)
        column.addWidget(self.notes)
        column.addSpacing(12)
        column.addLayout(self._grid())
        column.addStretch(1)
        return body

    def _grid(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        self._fields: dict[str, tuple[PlainLabel, ElidedLabel]] = {}
        names = {
            "title": self.tr("Title"), "format": self.tr("Format"), "prediction": self.tr("Predicts"), "file": self.tr("File"),
            "folder": self.tr("Folder"), "digest": self.tr("SHA-256"),
        }  # fmt: skip
        for row, (name, words) in enumerate(names.items()):
            label, value = PlainLabel(words, "field"), ElidedLabel(look="muted")
            grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            grid.addWidget(value, row, 1)
            self._fields[name] = label, value
            if name == "prediction":
                grid.addWidget(self.predicts, row, 1)
                grid.setAlignment(label, Qt.AlignmentFlag.AlignVCenter)
                label.setBuddy(self.predicts)
        return grid

    def show_file(self, file: ModelFile | None) -> None:
        """Show a model, or that none is chosen."""
        other = file is None or self.file is None or file.path != self.file.path
        self.file = file
        self._body.setVisible(file is not None)
        bar = Qt.ScrollBarPolicy
        self.setVerticalScrollBarPolicy(bar.ScrollBarAsNeeded if file is not None else bar.ScrollBarAlwaysOff)
        if file is None:
            return
        image = self._models.preview(file.preview) if file.preview is not None else None
        self.picture.show_image(image, icon_of(Kind.UNKNOWN if file.problem else file.kind))
        self.name.setText(file.name)
        self.facts.setText(facts_line(file))
        self._set(self.problem, file.problem)
        self.words.show_words(file.triggers)
        self._words_title.setVisible(bool(file.triggers))
        self.add_words.setVisible(len(file.triggers) > 1)
        self._set(self.notes, file.notes, self._notes_title)
        self._show_questions(file)
        self._show_use(file)
        self._show_fields(file)
        if other:
            self.verticalScrollBar().setValue(0)

    def show_base(self, family: Family, name: str) -> None:
        """Tell which model paints now: what does not go with it says so."""
        self._base = family, name
        if self.file is not None:
            self._show_use(self.file)

    def _show_use(self, file: ModelFile) -> None:
        """What it is for, whether it goes with the model that paints, and the button."""
        self._set(self.purpose, "" if file.problem else use_words(file))
        misfit = fit_words(file, *self._base) if place_of(file) else ""
        self._set(self.misfit, misfit)
        self.use.setText(use_button(file))
        self.use.setVisible(bool(place_of(file)))
        self.use.setEnabled(not misfit)
        plain_tooltip(self.use, misfit or use_words(file))

    def _show_questions(self, file: ModelFile) -> None:
        for question, combo, label in (
            ("prediction", self.prediction, self._ask_prediction),
            ("family", self.family, self._ask_family),
        ):
            combo.setVisible(question in file.asked)
            label.setVisible(question in file.asked)
        self.family.setCurrentIndex(0)
        self.prediction.show_file(file)
        self._questions.setVisible(bool(file.asked))

    def _show_fields(self, file: ModelFile) -> None:
        base = file.kind in (Kind.CHECKPOINT, Kind.UNET) and not file.problem
        digest = file.sha256 or (self.tr("being computed") if not file.problem and not file.ships else "")
        values = {
            "title": file.traits.title,
            "format": format_words(file),
            "prediction": prediction_words(file.traits.prediction, file.traits.zero_snr) if base else "",
            "file": place_words(file),
            "folder": str(file.folder),
            "digest": digest,
        }
        for name, (label, value) in self._fields.items():
            value.setText(values[name])
            label.setVisible(bool(values[name]))
            value.setVisible(bool(values[name]))
        correctable = base and not file.ships and "prediction" not in file.asked
        self.predicts.setVisible(correctable)
        self._fields["prediction"][1].setVisible(base and not correctable)
        if correctable:
            self.predicts.show_file(file)

    def _set(self, label: PlainLabel, text: str, *others: QWidget) -> None:
        label.setText(text)
        for part in (label, *others):
            part.setVisible(bool(text))

    def _wish(self, send: Callable[[ModelFile], None]) -> None:
        if self.file is not None:
            send(self.file)

    def _on_said(self, prediction: Prediction, zero_snr: bool) -> None:
        if self.file is not None:
            self.answered.emit(self.file, (prediction, zero_snr))

    def _on_family(self, _row: int) -> None:
        said = self.family.currentData()  # text: Qt does not keep an enum
        if self.file is not None and said is not None:
            self.answered.emit(self.file, Family(said))
