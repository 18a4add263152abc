"""One field for each type of parameter that a plugin declares; a field shows a value and speaks only for the artist's hand."""

from __future__ import annotations

import math

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLineEdit, QWidget

from studio.core.plugins import Parameter, ParameterType, Value
from studio.ui.panels.prompt_edit import PromptEdit
from studio.ui.panels.scheduler_row import CalmCombo
from studio.ui.widgets.range_slider import RangeSlider
from studio.ui.widgets.slider_spin import CalmDoubleSpin, CalmSpin, SliderSpin
from studio.ui.widgets.text import PlainLabel
from studio.ui.widgets.undo import leave_undo_to_window

_INT_MAX = 2**31 - 1
_BOX_PX, _BOX_MARGINS_PX = 72, 34
_SLIDER_MAX = 20_000  # positions: beyond that a slider is no way to choose a number


class Field(QWidget):
    """Signals: `edited(object)` - the artist chose a value (a Value; a QMimeData or Path to take in; None to clear)."""

    edited = Signal(object)

    def show_value(self, value: Value) -> None:
        """Show a value without telling anybody."""
        raise NotImplementedError


class NumberField(Field):
    """A slider and a box over the declared range; only the box where the range is too wide to slide over.

    `box_px` is the width that the box needs for every number of the range with its unit.
    """

    def __init__(self, parameter: Parameter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._whole = parameter.type is ParameterType.INT
        low, high, step = number_range(parameter)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.spin = self._box(low, high, step)
        self.both: SliderSpin | None = None
        if parameter.unit:
            self.spin.setSuffix(f" {parameter.unit}")
        if (high - low) / _grid(step) <= _SLIDER_MAX:
            self.both = SliderSpin(self.spin, (low, high))
            self.both.name_parts(parameter.title)
            self.both.edited.connect(self._on_edited)
            row.addWidget(self.both)
        else:
            self.spin.setAccessibleName(parameter.title)
            self.spin.valueChanged.connect(self._on_edited)
            row.addWidget(self.spin, 1)
        if isinstance(self.spin, CalmSpin):
            self.spin.setSingleStep(round(step))
        else:
            self.spin.setSingleStep(step)
        ends = (f"{self.spin.textFromValue(end)}{self.spin.suffix()}" for end in (low, high))  # type: ignore[arg-type]
        widest = max(self.spin.fontMetrics().horizontalAdvance(text) for text in ends)
        self.box_px = max(_BOX_PX, widest + _BOX_MARGINS_PX)
        self.spin.setMinimumWidth(self.box_px)
        self.spin.setMaximumWidth(self.box_px if self.both else 16_777_215)
        self.setFocusProxy(self.spin)

    def align_box(self, px: int) -> None:
        """Make the box as wide as its neighbours', so that sliders one below the other end in one line."""
        if self.both is not None:
            self.spin.setFixedWidth(px)

    def show_value(self, value: Value) -> None:
        number = float(value) if not isinstance(value, str) else 0.0
        if self.both is not None:
            self.both.show_value(round(number) if self._whole else number)
        elif not math.isclose(self.spin.value(), number):
            with QSignalBlocker(self.spin):
                if isinstance(self.spin, CalmSpin):
                    self.spin.setValue(round(number))
                else:
                    self.spin.setValue(number)

    def _box(self, low: float, high: float, step: float) -> CalmSpin | CalmDoubleSpin:
        if self._whole and low >= -_INT_MAX and high <= _INT_MAX:
            return CalmSpin(int(low), int(high))
        decimals = 0 if self._whole else max(2, min(6, math.ceil(-math.log10(step))))
        return CalmDoubleSpin(low, high, _grid(step), decimals)

    def _on_edited(self, value: float) -> None:
        self.edited.emit(round(value) if self._whole else round(float(value), 6))


class _CheckWords(PlainLabel):
    """The words of a check box, which may need a second line; a click on them is a click on the box."""

    def __init__(self, text: str, box: QCheckBox) -> None:
        super().__init__(text, wrap=True)
        self._box = box

    # Qt overrides
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self._box.click()


class CheckField(Field):
    """Yes or no; the words stand beside the box."""

    def __init__(self, parameter: Parameter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.box = QCheckBox()
        self.box.setAccessibleName(parameter.title)
        self.words = _CheckWords(parameter.title, self.box)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 2, 0, 2)
        row.setSpacing(0)  # the box keeps its own distance to words
        row.addWidget(self.box)
        row.addWidget(self.words, 1)
        self.setFocusProxy(self.box)
        self.box.clicked.connect(lambda on: self.edited.emit(bool(on)))

    def show_value(self, value: Value) -> None:
        self.box.setChecked(bool(value))


class ChoiceField(Field):
    """One of the declared choices; one that is no longer offered is still shown."""

    def __init__(self, parameter: Parameter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.combo = CalmCombo("", parameter.title)
        self.combo.addItems(list(parameter.choices))
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.combo)
        self.setFocusProxy(self.combo)
        self.combo.textActivated.connect(self.edited.emit)

    def show_value(self, value: Value) -> None:
        if self.combo.findText(str(value)) < 0:
            self.combo.addItem(str(value))
        self.combo.setCurrentIndex(self.combo.findText(str(value)))


class LineField(Field):
    """One line of text."""

    def __init__(self, parameter: Parameter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.line = QLineEdit()
        self.line.setAccessibleName(parameter.title)
        leave_undo_to_window(self.line)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.line)
        self.setFocusProxy(self.line)
        self.line.textEdited.connect(self.edited.emit)

    def show_value(self, value: Value) -> None:
        if self.line.text() != str(value):
            self.line.setText(str(value))


class TextField(Field):
    """Several lines of text."""

    def __init__(self, parameter: Parameter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        lines = max(2, min(8, parameter.lines))
        self.text = PromptEdit("", parameter.title, parameter.help, lines)
        self.text.setFixedHeight(self.text.fontMetrics().lineSpacing() * lines + 18)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.text)
        self.setFocusProxy(self.text)
        self.text.edited.connect(self.edited.emit)

    def show_value(self, value: Value) -> None:
        self.text.show_text(str(value))


class RangeField(Field):
    """Two fractions of the steps, `start` and `end`, on one slider. Edited gives (start, end)."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.slider = RangeSlider(100)
        self.slider.setAccessibleName(name)
        self.words = PlainLabel(look="faint")
        self.words.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.words.setFixedWidth(72)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.slider, 1)
        row.addWidget(self.words)
        self.setFocusProxy(self.slider)
        self.slider.edited.connect(lambda low, high: self.edited.emit((low / 100, high / 100)))

    def show_range(self, start: float, end: float) -> None:
        """Show a part of the steps without telling anybody."""
        self.slider.show_range(round(start * 100), round(end * 100))
        self.words.setText(f"{start:.0%} – {end:.0%}")

    def align_box(self, px: int) -> None:
        """Make the words as wide as the neighbours' boxes."""
        self.words.setFixedWidth(px)


def number_range(parameter: Parameter) -> tuple[float, float, float]:
    """Minimum, maximum and step of a number; without a step a hundredth of the range, or 1 for whole numbers."""
    low, high = parameter.minimum, max(parameter.maximum, parameter.minimum)
    if parameter.type is ParameterType.INT:
        return low, high, max(1.0, round(parameter.step))
    return low, high, parameter.step or (high - low) / 100 or 0.01


def _grid(step: float) -> float:
    """A step of which a whole number makes 1, at most as large as `step`: the positions of a slider."""
    per_unit = 1 / step
    return (
        1 / round(per_unit)
        if math.isclose(per_unit, max(1, round(per_unit)))
        else 10.0 ** -max(0, math.ceil(-math.log10(step)))
    )
