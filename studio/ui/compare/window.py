"""The window in which two pictures are compared. It shows a Comparison and sends wishes to it; decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QCloseEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QDialog,
    QHBoxLayout,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.state.compare import GAINS, Comparison
from studio.ui.compare.canvas import FLICKER_MS, CompareCanvas, Mode
from studio.ui.compare.facts import CompareFacts
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.fitting import open_in
from studio.ui.widgets.slider_spin import CalmSpin
from studio.ui.widgets.text import PlainLabel, plain_tooltip


class CompareWindow(QDialog):
    """Signals: `dropped(int, QMimeData)` - something fell onto side A (0) or B (1)."""

    dropped = Signal(int, object)

    def __init__(self, comparison: Comparison, parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setObjectName("compareWindow")
        self.setWindowTitle(self.tr("Compare"))
        open_in(self, QSize(1000, 760))
        self._comparison = comparison
        self.canvas = CompareCanvas(comparison)
        self.facts = CompareFacts(comparison)
        self.modes = QButtonGroup(self)
        self._options = QStackedWidget()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._bar())
        column.addWidget(self.canvas, 1)
        column.addWidget(self.facts)
        self.canvas.dropped.connect(self.dropped)
        self.canvas.moved.connect(self._show_zoom)
        self._make_shortcuts()
        self.set_mode(Mode.SLIDER)
        self.canvas.setFocus()

    def set_mode(self, mode: Mode) -> None:
        """Show the two another way."""
        place = list(Mode).index(mode)
        self.modes.button(place).setChecked(True)
        self._options.setCurrentIndex(place)
        self.canvas.set_mode(mode)
        if mode is not Mode.FLICKER:
            self.play.setChecked(False)

    def _bar(self) -> QWidget:
        bar = QWidget()
        bar.setObjectName("compareBar")
        row = QHBoxLayout(bar)
        row.setContentsMargins(12, 8, 12, 8)
        row.setSpacing(4)
        names = {
            Mode.SLIDER: (self.tr("Slider"), self.tr("A on the left of a line, B on the right; drag it (1)")),
            Mode.SIDE_BY_SIDE: (self.tr("Side by side"), self.tr("Both at once; they zoom and move together (2)")),
            Mode.FLICKER: (self.tr("Flicker"), self.tr("One after the other in the same place (3)")),
            Mode.DIFFERENCE: (self.tr("Difference"), self.tr("Where they are not the same, made brighter (4)")),
        }
        for place, (mode, (words, tip)) in enumerate(names.items()):
            button = QToolButton()
            button.setText(words)
            button.setCheckable(True)
            button.setAutoRaise(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.setObjectName(f"compare{mode.name.title().replace('_', '')}")
            plain_tooltip(button, tip)
            button.clicked.connect(lambda _checked=False, mode=mode: self.set_mode(mode))
            self.modes.addButton(button, place)
            row.addWidget(button)
        row.addSpacing(12)
        for option in (QWidget(), QWidget(), self._flicker_options(), self._difference_options()):
            self._options.addWidget(option)
        row.addWidget(self._options)
        row.addStretch(1)
        self._add_tools(row)
        return bar

    def _add_tools(self, row: QHBoxLayout) -> None:
        self.swap = icon_button("swap", self.tr("Swap A and B (X)"))
        self.swap.clicked.connect(self._comparison.swap)
        row.addWidget(self.swap)
        row.addSpacing(8)
        self._percent = PlainLabel(look="faint")
        self._percent.setFixedWidth(48)
        self._percent.setAlignment(Qt.AlignmentFlag.AlignCenter)
        tools = (
            ("zoom-out", self.tr("Zoom out (-)"), self.canvas.zoom_out),
            ("zoom-in", self.tr("Zoom in (+)"), self.canvas.zoom_in),
            ("fit", self.tr("Fit (F)"), self.canvas.fit),
            ("actual", self.tr("Actual size (0)"), self.canvas.actual_size),
        )
        for place, (name, words, slot) in enumerate(tools):
            button = icon_button(name, words)
            button.clicked.connect(lambda _checked=False, slot=slot: slot())
            row.addWidget(button)
            if place == 0:
                row.addWidget(self._percent)

    def _flicker_options(self) -> QWidget:
        self.play = icon_button("play", self.tr("Let it go by itself (P); Space shows the other one"), icon_on="pause")
        self.play.toggled.connect(self.canvas.play)
        self.speed = CalmSpin(*FLICKER_MS, 50)
        self.speed.setSuffix(" ms")
        self.speed.setValue(600)
        self.speed.setFixedWidth(92)
        self.speed.setAccessibleName(self.tr("Time for each"))
        self.speed.valueChanged.connect(self.canvas.set_interval)
        return _in_row(self.play, PlainLabel(self.tr("each"), "field"), self.speed)

    def _difference_options(self) -> QWidget:
        self.gain = CalmCombo("compareGain", self.tr("Made brighter by"))
        self.gain.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        for gain in GAINS:
            self.gain.addItem(self.tr("as it is") if gain == 1 else f"{gain:g} ×", gain)
        self.gain.setCurrentIndex(GAINS.index(self._comparison.gain))
        self.gain.activated.connect(lambda _row: self._comparison.set_gain(float(self.gain.currentData())))
        return _in_row(PlainLabel(self.tr("Brightness"), "field"), self.gain)

    def _make_shortcuts(self) -> None:
        keys = {mode: str(place) for place, mode in enumerate(Mode, start=1)}
        for mode, key in keys.items():
            self._shortcut(key, partial(self.set_mode, mode))
        self._shortcut("X", self._comparison.swap)
        self._shortcut("F", self.canvas.fit)
        self._shortcut("0", self.canvas.actual_size)
        self._shortcut("+", self.canvas.zoom_in)
        self._shortcut("=", self.canvas.zoom_in)
        self._shortcut("-", self.canvas.zoom_out)
        self._shortcut("P", self._on_play_key)

    def _shortcut(self, keys: str, slot: Callable[[], object]) -> None:
        QShortcut(QKeySequence(keys), self).activated.connect(slot)

    def _on_play_key(self) -> None:
        self.set_mode(Mode.FLICKER)
        self.play.toggle()

    def _show_zoom(self) -> None:
        self._percent.setText(f"{self.canvas.place.scale:.0%}")

    # Qt overrides
    def closeEvent(self, event: QCloseEvent) -> None:
        self.play.setChecked(False)
        super().closeEvent(event)

    def done(self, result: int) -> None:
        self.play.setChecked(False)
        self._comparison.clear()
        super().done(result)


def _in_row(*widgets: QWidget) -> QWidget:
    made = QWidget()
    row = QHBoxLayout(made)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(6)
    for widget in widgets:
        row.addWidget(widget)
    row.addStretch(1)
    return made
