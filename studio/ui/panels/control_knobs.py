"""How a control layer steers: the network that reads it, its weight, its part of the steps, and its thresholds."""

from __future__ import annotations

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QWidget

from studio.core.choices import ControlMode, Detector
from studio.core.recipe import WEIGHT_MAX, ControlUse
from studio.state.control_nets import Nets
from studio.ui.panels.control_choices import NetCombo
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.widgets.range_slider import RangeSlider
from studio.ui.widgets.slider_spin import CalmDoubleSpin, CalmSpin, SliderSpin
from studio.ui.widgets.text import PlainLabel, plain_tooltip
from studio.ui.words import mode_words

_WORDS_PX = 72


class ControlKnobs(QWidget):
    """Signals: `wished(str, dict)` - words for undo, and fields of `ControlUse` with their new values."""

    wished = Signal(str, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.net = NetCombo()
        self.weight = SliderSpin(CalmDoubleSpin(0, WEIGHT_MAX, 0.05, 2), (0, 2))
        self.weight.name_parts(self.tr("Weight"))
        self.mode = CalmCombo("controlMode", self.tr("Whether the prompt or this layer leads"))
        for mode in ControlMode:
            name, about = mode_words(mode)
            self.mode.add_choice(name, mode.value, about)
        self.range = RangeSlider(100)
        self.range.setAccessibleName(self.tr("Part of the steps it steers, from and to"))
        self.range_words = PlainLabel(look="faint")
        self.edges = RangeSlider(255)
        self.edges.setAccessibleName(self.tr("Canny thresholds, low and high"))
        self.edges_words = PlainLabel(look="faint")
        self.score = SliderSpin(CalmSpin(0, 100), (0, 50))
        self.score.name_parts(self.tr("Least score of a line, in hundredths"))
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(8)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(1, 1)
        self._net_label = self._row(self.tr("Network"), self.tr("The ControlNet that reads the map."), self.net)
        self._row(self.tr("Weight"), self.tr("How strongly this layer steers; 1 as it was trained."), self.weight)
        self._row(self.tr("Mode"), self.tr("Whether the prompt or this layer leads."), self.mode)
        steers = self.tr("During which part of the steps this layer steers.")
        self._row(self.tr("Steers"), steers, self.range, self.range_words)
        about = self.tr("Lower and upper threshold of Canny: higher means fewer lines.")
        self._edges_label = self._row(self.tr("Edges"), about, self.edges, self.edges_words)
        about = self.tr("The least score of a line: higher means fewer lines.")
        self._score_label = self._row(self.tr("Score"), about, self.score)

    def _row(self, name: str, about: str, field: QWidget, words: PlainLabel | None = None) -> PlainLabel:
        row = self._grid.rowCount()
        label = PlainLabel(name, "field")
        plain_tooltip(label, about)
        self._grid.addWidget(label, row, 0)
        self._grid.addWidget(field, row, 1, 1, 1 if words else 2)
        if words is not None:
            words.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            words.setFixedWidth(_WORDS_PX)
            self._grid.addWidget(words, row, 2)
        return label

    def _connect(self) -> None:
        self.net.chosen.connect(lambda net: self.wished.emit(self.tr("change ControlNet"), {"net": net}))
        self.weight.edited.connect(
            lambda weight: self.wished.emit(self.tr("change control weight"), {"weight": round(weight, 2)})
        )
        self.mode.activated.connect(
            lambda _row: self.wished.emit(
                self.tr("change control mode"), {"mode": ControlMode(self.mode.currentData())}
            )
        )
        self.range.edited.connect(
            lambda a, b: self.wished.emit(self.tr("change control range"), {"start": a / 100, "end": b / 100})
        )
        self.edges.edited.connect(
            lambda low, high: self.wished.emit(self.tr("change Canny thresholds"), {"low": low, "high": high})
        )
        self.score.edited.connect(lambda low: self.wished.emit(self.tr("change least score"), {"low": round(low)}))

    def show_use(self, use: ControlUse, detector: Detector | None, nets: Nets, enabled: bool) -> None:
        """Show a layer; tells nobody. `detector` None: a plugin's kind, which has neither network nor thresholds here."""
        has_choice = self.net.show_nets(nets, use.net) if detector is not None else False
        for part in (self._net_label, self.net):
            part.setVisible(has_choice)
        self.weight.show_value(use.weight)
        with QSignalBlocker(self.mode):
            self.mode.setCurrentIndex(self.mode.findData(use.mode.value))
        plain_tooltip(self.mode, mode_words(use.mode)[1])
        self.range.show_range(round(use.start * 100), round(use.end * 100))
        self.range_words.setText(f"{use.start:.0%} – {use.end:.0%}")
        self.edges.show_range(min(use.low, use.high), use.high)
        self.edges_words.setText(f"{use.low} – {use.high}")
        self.score.show_value(use.low)
        for edge_part in (self._edges_label, self.edges, self.edges_words):
            edge_part.setVisible(detector is Detector.CANNY)
        for score_part in (self._score_label, self.score):
            score_part.setVisible(detector is Detector.MLSD)
        for field in (self.net, self.weight, self.mode, self.range, self.edges, self.score):
            field.setEnabled(enabled)
