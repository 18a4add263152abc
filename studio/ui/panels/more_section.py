"""The settings that most pictures leave alone, behind one line that opens: CLIP skip, VAE, refiner, FreeU, tiling ..."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from studio.core.advice import freeu_for
from studio.core.choices import Tiling
from studio.core.draft import Draft
from studio.core.model_files import Family, Kind, ModelFile, fits
from studio.core.recipe import CLIP_SKIP_MAX, FREEU_MAX, FREEU_MIN, ModelRef
from studio.state.models_model import ModelsModel
from studio.ui.icons import icon
from studio.ui.models.words import facts_line, family_words
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.slider_spin import CalmDoubleSpin, CalmSpin, SliderSpin
from studio.ui.widgets.text import PlainLabel, plain_tooltip

_FACTORS = ("b1", "b2", "s1", "s2")
_LINE_PX = 28  # of a field of one line
_FACTOR_PX = 56
_MINI_SKIP_MAX = 1  # its text encoder has three layers, and one must be left to be skipped to


@dataclass(frozen=True, slots=True)
class _Line:
    """One setting: its label, its field, and what takes it back."""

    fields: tuple[str, ...]  # of the draft
    label: PlainLabel
    field: QWidget
    reset: QToolButton
    says: str


class MoreSection(QWidget):
    """Mutable state: the draft on show and what of it matters here, and whether the section is open.

    Signals: `edited(Draft, str, str)` - the draft with one of them changed, the words for undo, and what merges with
    the step before ("" for nothing); `opened(bool)`.
    """

    edited = Signal(object, str, str)
    opened = Signal(bool)

    def __init__(self, models: ModelsModel, label_px: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("moreSection")
        self._models, self._draft = models, Draft()
        self._shown: tuple[object, ...] = ()
        self.head = QToolButton()
        self.head.setObjectName("moreButton")
        self.head.setText(self.tr("More"))
        self.head.setIcon(icon("unfold", token_on="text_muted", name_on="fold"))
        self.head.setIconSize(QSize(14, 14))
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setCheckable(True)
        self.head.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        plain_tooltip(self.head, self.tr("CLIP skip, guidance rescale, VAE, refiner, prompt weights, FreeU, tiling"))
        self._make_fields()
        self._lines: list[_Line] = []
        self.body = self._make_body(label_px)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.head, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.body)
        self.body.hide()
        self.head.toggled.connect(self.body.setVisible)
        self.head.clicked.connect(self.opened)
        models.changed.connect(lambda: self.show_draft(self._draft))

    @property
    def is_open(self) -> bool:
        """Whether its fields are on show."""
        return self.head.isChecked()

    def open(self, wide: bool) -> None:
        """Open or close it without telling anybody."""
        self.head.setChecked(wide)

    def show_draft(self, draft: Draft) -> None:
        """Show a draft without telling anybody."""
        self._draft = draft
        names = [name for line in self._lines for name in line.fields]
        shown = (draft.model, draft.guidance_scale, *(getattr(draft, name) for name in names)), self._models.files
        if shown == self._shown:  # another field was typed into
            return
        self._shown = shown
        self.clip_skip.setMaximum(max(self._skip_max(), draft.clip_skip))
        with QSignalBlocker(self.clip_skip), QSignalBlocker(self.weights), QSignalBlocker(self.freeu):
            self.clip_skip.setValue(draft.clip_skip)
            self.weights.setChecked(draft.weights)
            self.freeu.setChecked(draft.freeu is not None)
        self.rescale.show_value(draft.guidance_rescale)
        self.refine_at.show_value(draft.refine_at * 100)
        self.tiling.setCurrentIndex(self.tiling.findData(draft.tiling.value))
        self._show_named(self.vae, draft.vae, self._vaes(), self.tr("the model’s own"))
        self._show_named(self.refiner, draft.refiner, self._refiners(), self.tr("none"))
        self._from.setVisible(draft.refiner is not None)
        self._factors.setVisible(draft.freeu is not None)
        for name, spin in self.factors.items():
            with QSignalBlocker(spin):
                spin.setValue(getattr(draft.freeu or freeu_for(self._family()), name))
        self._show_lines(draft)

    # What the model can
    def _family(self) -> Family:
        file = self._models.find(self._draft.model.name)
        return Family.UNKNOWN if file is None else file.family

    def _skip_max(self) -> int:
        return _MINI_SKIP_MAX if self._family() is Family.MINI else CLIP_SKIP_MAX

    def _vaes(self) -> list[ModelFile]:
        """Those that go with the model; of an unknown family are those with Stable Diffusion's four channels."""
        family = self._family()
        mini = family is Family.MINI
        found = (file for file in self._models.files if file.kind is Kind.VAE and fits(file, family))
        return [file for file in found if (file.family is Family.MINI) == mini]

    def _refiners(self) -> list[ModelFile]:
        if self._family() is not Family.SDXL:
            return []
        return [file for file in self._models.files if file.is_base and file.family is Family.REFINER]

    def _refusals(self, draft: Draft) -> dict[QWidget, str]:
        """Fields that would change nothing now, and why. What is set already can always be taken back."""
        family, usual = self._family(), Draft()
        kind = family_words(family) or self.tr("this model")
        why: dict[QWidget, str] = {}
        if draft.guidance_scale <= 1 and draft.guidance_rescale == usual.guidance_rescale:
            why[self.rescale] = self.tr("Without guidance (1) there is nothing to rescale.")
        if draft.vae is None and not self._vaes():
            words = self.tr("No other VAE for {kind} is here.").replace("{kind}", kind)
            more = self.tr("Models › Get models has some.") if family is not Family.MINI else ""
            why[self.vae] = f"{words} {more}".strip()
        if draft.refiner is None and family is not Family.SDXL:
            words = self.tr("A refiner goes with SDXL models; “{name}” is none.")
            why[self._refining] = words.replace("{name}", draft.model.name)
        elif draft.refiner is None and not self._refiners():
            why[self._refining] = self.tr("No refiner is here. Models › Get models has SDXL’s.")
        return why

    # Making
    def _make_fields(self) -> None:
        self.clip_skip = CalmSpin(0, CLIP_SKIP_MAX)
        self.clip_skip.setObjectName("clipSkipSpin")
        self.clip_skip.setFixedWidth(72)
        self.rescale = SliderSpin(CalmDoubleSpin(0, 1, 0.05, 2), (0, 1))
        self.rescale.spin.setObjectName("rescaleSpin")
        self.rescale.name_parts(self.tr("Guidance rescale"))
        self.vae = CalmCombo("vaeCombo", self.tr("VAE"))
        self.refiner = CalmCombo("refinerCombo", self.tr("Refiner"))
        self.refine_at = SliderSpin(CalmSpin(0, 100), (50, 100))
        self.refine_at.spin.setSuffix(self.tr(" %"))
        self.refine_at.spin.setObjectName("refineAtSpin")
        self.refine_at.name_parts(self.tr("The refiner takes over at"))
        plain_tooltip(self.refine_at, self.tr("How far the picture is when the refiner takes over; 80 % is usual."))
        self._from = _beside(PlainLabel(self.tr("from"), "faint"), self.refine_at)
        self._refining = _stacked(self.refiner, self._from)
        self.weights = QCheckBox(self.tr("(word:1.2) weighs"))
        self.weights.setObjectName("weightsCheck")
        self.freeu = QCheckBox(self.tr("On"))
        self.freeu.setObjectName("freeuCheck")
        self.freeu.setMinimumHeight(_LINE_PX)
        self.factors = {name: CalmDoubleSpin(FREEU_MIN, FREEU_MAX, 0.05, 2) for name in _FACTORS}
        self._factors = self._factor_grid()
        self._freeing = _stacked(self.freeu, self._factors)
        self.tiling = CalmCombo("tilingCombo", self.tr("Seamless tiling"))
        for tiling, words in (
            (Tiling.OFF, self.tr("off")),
            (Tiling.BOTH, self.tr("all sides")),
            (Tiling.X, self.tr("left and right")),
            (Tiling.Y, self.tr("top and bottom")),
        ):
            self.tiling.addItem(words, tiling.value)
        self._connect()

    def _factor_grid(self) -> QWidget:
        """Backbone above, skip connections below."""
        says = {
            "b1": self.tr("Backbone, deepest stage: more than 1 gives stronger shapes."),
            "b2": self.tr("Backbone, the stage after it."),
            "s1": self.tr("Skip connections, deepest stage: less than 1 holds coarse detail back."),
            "s2": self.tr("Skip connections, the stage after it."),
        }
        part = QWidget()
        grid = QGridLayout(part)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(4)
        for number, (name, spin) in enumerate(self.factors.items()):
            spin.setObjectName(f"freeu_{name}")
            spin.setAccessibleName(f"FreeU {name}")
            spin.setMinimumWidth(_FACTOR_PX)
            spin.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            plain_tooltip(spin, says[name])
            label = PlainLabel(name, "faint")
            label.setBuddy(spin)
            grid.addWidget(label, number // 2, number % 2 * 2)
            grid.addWidget(spin, number // 2, number % 2 * 2 + 1)
        grid.setColumnStretch(1, 1)
        grid.setColumnStretch(3, 1)
        return part

    def _make_body(self, label_px: int) -> QWidget:
        body = QWidget()
        grid = QGridLayout(body)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(8)
        grid.setColumnMinimumWidth(0, label_px)
        grid.setColumnStretch(1, 1)
        top = Qt.AlignmentFlag.AlignTop
        for row, (words, field, names, says) in enumerate(self._rows()):
            label = PlainLabel(words, "field")
            label.setMinimumHeight(_LINE_PX)
            label.setBuddy(field)
            reset = icon_button("undo", self.tr("{name}: as usual").replace("{name}", words), px=14)
            keeps = reset.sizePolicy()
            keeps.setRetainSizeWhenHidden(True)
            reset.setSizePolicy(keeps)
            reset.clicked.connect(lambda _checked=False, names=names, words=words: self._on_reset(names, words))
            grid.addWidget(label, row, 0, top)
            grid.addWidget(field, row, 1, Qt.AlignmentFlag.AlignVCenter)
            grid.addWidget(reset, row, 2, top)
            self._lines.append(_Line(names, label, field, reset, says))
        return body

    def _rows(self) -> tuple[tuple[str, QWidget, tuple[str, ...], str], ...]:
        return (
            (self.tr("CLIP skip"), _left(self.clip_skip), ("clip_skip",), self.tr(
                "How many of the text encoder’s last layers are left out. 0 is usual; what others call “2” is 1 here."
            )),
            (self.tr("Rescale"), self.rescale, ("guidance_rescale",), self.tr(
                "Takes back what strong guidance burns out; 0.7 for models with zero terminal SNR (Lin et al. 2024)."
            )),
            (self.tr("VAE"), self.vae, ("vae",), self.tr("What makes the picture of what the model painted.")),
            (self.tr("Refiner"), self._refining, ("refiner", "refine_at"), self.tr(
                "A second model for the last steps; SDXL has one."
            )),
            (self.tr("Brackets"), self.weights, ("weights",), self.tr(
                "On: (word:1.2) counts more, [word] less. Off: brackets are signs like others, and what goes beyond "
                "77 tokens is cut off."
            )),
            (self.tr("FreeU"), self._freeing, ("freeu",), self.tr(
                "Rebalances the UNet’s shapes and details, without training and at no cost (Si et al. 2023)."
            )),
            (self.tr("Tiling"), self.tiling, ("tiling",), self.tr(
                "The picture goes on beyond these sides, so that copies laid side by side show no seam. A picture to "
                "begin with should tile already, or be repainted strongly."
            )),
        )  # fmt: skip

    def _connect(self) -> None:
        self.clip_skip.valueChanged.connect(lambda n: self._wish(self.tr("change CLIP skip"), "clip_skip", clip_skip=n))
        self.rescale.edited.connect(
            lambda x: self._wish(self.tr("change guidance rescale"), "rescale", guidance_rescale=round(x, 2))
        )
        self.vae.activated.connect(lambda _row: self._wish(self.tr("change VAE"), vae=self._named(self.vae, Kind.VAE)))
        self.refiner.activated.connect(
            lambda _row: self._wish(
                self.tr("change refiner"), refiner=self._named(self.refiner, Kind.CHECKPOINT)
            )
        )  # fmt: skip
        self.refine_at.edited.connect(
            lambda percent: self._wish(self.tr("change refiner"), "refine_at", refine_at=round(percent) / 100)
        )
        self.weights.clicked.connect(lambda on: self._wish(self.tr("change prompt weights"), weights=on))
        self.freeu.clicked.connect(
            lambda on: self._wish(self.tr("change FreeU"), freeu=freeu_for(self._family()) if on else None)
        )
        for name, spin in self.factors.items():
            spin.valueChanged.connect(lambda value, name=name: self._on_factor(name, value))
        self.tiling.activated.connect(
            lambda _row: self._wish(self.tr("change tiling"), tiling=Tiling(self.tiling.currentData()))
        )

    # Showing
    def _show_named(self, combo: CalmCombo, ref: ModelRef | None, files: list[ModelFile], none: str) -> None:
        """Fill a list with what is here, and with what is set though it is not here."""
        names = ["", *dict.fromkeys(file.name for file in files)]
        if ref is not None and ref.name not in names:
            names.append(ref.name)
        if names != [combo.itemData(row) for row in range(combo.count())]:
            combo.clear()
            for name in names:
                file = next((file for file in files if file.name == name), None)
                about = (
                    facts_line(file) if file is not None else "" if not name else self.tr("is not here, or fits not")
                )
                combo.add_choice(name or none, name, about)
        combo.setCurrentIndex(combo.findData("" if ref is None else ref.name))

    def _show_lines(self, draft: Draft) -> None:
        refusals, usual = self._refusals(draft), Draft()
        for line in self._lines:
            names = line.fields if "refiner" not in line.fields or draft.refiner is not None else ("refiner",)
            line.reset.setVisible(any(getattr(draft, name) != getattr(usual, name) for name in names))
            why = refusals.get(line.field, "")
            line.field.setEnabled(not why)
            line.label.setEnabled(not why)
            for part in (line.label, line.field):
                plain_tooltip(part, f"{line.says}\n{why}".strip())

    def _named(self, combo: CalmCombo, kind: Kind) -> ModelRef | None:
        name = combo.currentData()
        if not name:
            return None
        now = {ref.name: ref for ref in (self._draft.vae, self._draft.refiner) if ref is not None}
        file = self._models.find(name, kind)
        return ModelRef(name=name, sha256=file.sha256) if file is not None else now.get(name, ModelRef(name=name))

    def _on_factor(self, name: str, value: float) -> None:
        if self._draft.freeu is not None:
            changed: Any = {name: round(value, 2)}  # Any: mypy cannot see the names of a dataclass's fields in a dict
            self._wish(self.tr("change FreeU"), f"freeu {name}", freeu=replace(self._draft.freeu, **changed))

    def _on_reset(self, names: tuple[str, ...], words: str) -> None:
        usual = Draft()
        undo = self.tr("{name} as usual").replace("{name}", words)
        self._wish(undo, **{name: getattr(usual, name) for name in names})

    def _wish(self, words: str, merge: str = "", **changes: Any) -> None:  # Any: fields of a draft
        self.edited.emit(replace(self._draft, **changes), words, merge)


def _left(field: QWidget) -> QWidget:
    """A field that keeps its width, at the left."""
    part = QWidget()
    row = QHBoxLayout(part)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(field)
    row.addStretch(1)
    part.setFocusProxy(field)
    return part


def _beside(label: PlainLabel, field: QWidget) -> QWidget:
    """A word before a field."""
    part = QWidget()
    row = QHBoxLayout(part)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(8)
    row.addWidget(label)
    row.addWidget(field, 1)
    return part


def _stacked(upper: QWidget, lower: QWidget) -> QWidget:
    """Two fields, one below the other."""
    part = QWidget()
    column = QVBoxLayout(part)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(4)
    column.addWidget(upper)
    column.addWidget(lower)
    part.setFocusProxy(upper)
    return part
