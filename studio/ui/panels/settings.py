"""The settings panel: everything of the draft that is a number or a choice."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, QTimer
from PySide6.QtWidgets import QCheckBox, QGridLayout, QHBoxLayout, QScrollArea, QWidget

from studio.core.draft import COUNT_MAX, Draft
from studio.core.picture import Picture
from studio.core.recipe import GUIDANCE_MAX, STEPS_MAX
from studio.state.studio_state import StudioState
from studio.ui.panels.begin_row import BeginRow
from studio.ui.panels.extras_row import ExtrasRow
from studio.ui.panels.model_row import ModelRow
from studio.ui.panels.more_section import MoreSection
from studio.ui.panels.offer_row import OfferRow
from studio.ui.panels.scheduler_row import SchedulerRow
from studio.ui.panels.seed_row import SeedRow
from studio.ui.panels.size_row import SizeRow
from studio.ui.widgets.slider_spin import CalmDoubleSpin, CalmSpin, SliderSpin
from studio.ui.widgets.text import PlainLabel, plain_tooltip

_LABEL_PX = 68


class SettingsPanel(QScrollArea):
    """Shows the draft's settings and wishes changes. Mutable state: none beyond the widgets."""

    def __init__(self, state: StudioState, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        draft, queue, plugins = state.draft, state.queue, state.plugins
        self._draft, self._plugins, self._models = draft, plugins, state.model_files
        self.model_row = ModelRow(state.model_files, state.models)
        self.model = self.model_row.combo
        self._read_input = state.read_input
        self._make_fields()
        body = self._body()
        self.setWidget(body)
        self.setWidgetResizable(True)
        self.setMinimumWidth(body.minimumSizeHint().width() + 2)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._settings, self._save_settings = state.settings, state.settings_saver
        self.more.open(bool(state.settings.get("more_settings")))
        self._connect()
        queue.picture_added.connect(self._on_picture)
        plugins.changed.connect(self._on_plugins)
        self._show(draft.draft)

    def _make_fields(self) -> None:
        self.size_row = SizeRow()
        self.begin = BeginRow()
        self.extras = ExtrasRow()
        self.more = MoreSection(self._models, _LABEL_PX)
        self.offer = OfferRow(self._models)
        self.steps = SliderSpin(CalmSpin(1, STEPS_MAX), (1, 60))
        self.steps.spin.setObjectName("stepsSpin")
        self.steps.name_parts(self.tr("Steps"))
        self.guidance = SliderSpin(CalmDoubleSpin(0, GUIDANCE_MAX, 0.1, 2), (1, 15))
        self.guidance.spin.setObjectName("guidanceSpin")
        self.guidance.name_parts(self.tr("Guidance"))
        self.scheduler = SchedulerRow()
        self.seed = SeedRow()
        self.count = CalmSpin(1, COUNT_MAX)
        self.count.setObjectName("countSpin")
        self.count.setAccessibleName(self.tr("Number of pictures"))
        self.count.setFixedWidth(72)
        self.exact = QCheckBox(self.tr("Exact"))
        self.exact.setObjectName("exactCheck")
        plain_tooltip(
            self.exact, self.tr("32-bit floats everywhere: the same bits on every run, at the price of time.")
        )

    def _body(self) -> QWidget:
        self._labels: dict[QWidget, PlainLabel] = {}
        body = QWidget()
        body.setObjectName("scrollBody")
        grid = QGridLayout(body)
        grid.setContentsMargins(12, 10, 12, 12)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(8)
        grid.setColumnMinimumWidth(0, _LABEL_PX)
        grid.setColumnStretch(1, 1)
        for number, (words, field, says) in enumerate(self._rows()):
            row = number if number == 0 else number + 1  # the offer stands below the model
            label = PlainLabel(words, "field")
            label.setBuddy(field)
            plain_tooltip(label, says)
            self._labels[field] = label
            grid.addWidget(label, row, 0)
            grid.addWidget(field, row, 1)
        grid.addWidget(self.offer, 1, 0, 1, 2)
        grid.addWidget(self.more, grid.rowCount(), 0, 1, 2)
        grid.setRowStretch(grid.rowCount(), 1)
        return body

    def _rows(self) -> tuple[tuple[str, QWidget, str], ...]:
        model = self.tr("The model that paints. “mini” ships with the studio; your own stand beside it.")
        size = self.tr("Width and height of the picture in pixels.")
        steps = self.tr("More steps: more time, finer picture, up to a point.")
        guidance = self.tr("How strongly the prompt pulls; 1 is no guidance, 5 to 8 is usual.")
        scheduler = self.tr("How noise becomes picture, and how its steps are spaced.")
        seed = self.tr("The same seed and settings give the same picture. Drop a picture here to take its seed.")
        begin = self.tr("Image to image: begin with a picture instead of noise. It is cut to the size above.")
        count = self.tr("How many, with seeds counting up.")
        return (
            (self.tr("Model"), self.model_row, model),
            (self.tr("Size"), self.size_row, size),
            (self.tr("Steps"), self.steps, steps),
            (self.tr("Guidance"), self.guidance, guidance),
            (self.tr("Scheduler"), self.scheduler, scheduler),
            (self.tr("Seed"), self.seed, seed),
            (self.tr("Pictures"), self._count_row(), count),
            (self.tr("Begin with"), self.begin, begin),
            (self.tr("Also"), self.extras, self.tr("Set beyond the usual, from a model's page or a restored picture.")),
        )

    def _count_row(self) -> QWidget:
        part = QWidget()
        row = QHBoxLayout(part)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(12)
        row.addWidget(self.count)
        row.addWidget(self.exact, 1)
        part.setFocusProxy(self.count)
        return part

    def _connect(self) -> None:
        draft = self._draft
        self.size_row.edited.connect(draft.set_size)
        self.steps.edited.connect(lambda steps: draft.set_steps(round(steps)))
        self.guidance.edited.connect(lambda scale: draft.set_guidance_scale(round(scale, 2)))
        self.scheduler.edited.connect(draft.set_scheduler)
        self.seed.edited.connect(draft.set_seed)
        self.extras.taken_off.connect(draft.change)
        self.more.edited.connect(draft.change)
        self.offer.edited.connect(draft.change)
        self.offer.said.connect(lambda file, said: self._models.answer(file, prediction=said[0], zero_snr=said[1]))
        self.more.opened.connect(self._on_more)
        self.begin.strength_edited.connect(lambda strength: draft.set_strength(round(strength, 2)))
        self.count.valueChanged.connect(draft.set_count)
        self.exact.clicked.connect(draft.set_exact)
        draft.changed.connect(self._show)

    def _show(self, draft: Draft) -> None:
        self.model_row.show_model(draft.model.name)
        self.size_row.show_size(draft.size)
        self.steps.show_value(draft.steps)
        self.guidance.show_value(draft.guidance_scale)
        self.scheduler.show_choice(draft.scheduler, draft.spacing)
        self.seed.show_seed(draft.seed)
        self._show_beginning(draft)
        self._show_more(draft)
        if self.count.value() != draft.count:
            with QSignalBlocker(self.count):
                self.count.setValue(draft.count)
        self.exact.setChecked(draft.exact)

    def _show_beginning(self, draft: Draft) -> None:
        ref = draft.init
        if self.begin.show_picture(ref) and ref is not None:
            self._read_input(ref, lambda image: self.begin.show_pixels(ref, image))
        self.begin.show_strength(draft.strength)

    def _show_more(self, draft: Draft) -> None:
        """What is set beyond the usual: as fields, or while they are folded away as lines that can be taken off."""
        self.offer.show_draft(draft)
        self.more.show_draft(draft)
        has_extras = self.extras.show_draft(draft) and not self.more.is_open
        self.extras.setVisible(has_extras)
        self._labels[self.extras].setVisible(has_extras)

    def _on_more(self, wide: bool) -> None:
        self._keep_open(wide)
        self._show_more(self._draft.draft)
        if wide:  # once the fields have their places
            QTimer.singleShot(0, self, lambda: self.ensureWidgetVisible(self.more, 0, 8))

    def _keep_open(self, wide: bool) -> None:
        self._settings.set("more_settings", wide)
        self._save_settings()

    def _on_plugins(self) -> None:
        self.scheduler.show_guests(self._plugins.schedulers())
        draft = self._draft.draft
        self.scheduler.show_choice(draft.scheduler, draft.spacing)

    def _on_picture(self, picture: Picture) -> None:
        self.seed.remember(picture.recipe.seed)
