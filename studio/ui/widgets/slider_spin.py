"""A slider and a spin box that show one number; only the artist's hand makes them speak."""

from __future__ import annotations

import math

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QDoubleSpinBox, QHBoxLayout, QSlider, QSpinBox, QWidget

from studio.ui.widgets.undo import leave_undo_to_window


class CalmSpin(QSpinBox):
    """A spin box that the wheel changes only while it has the focus, so that scrolling past changes nothing."""

    def __init__(self, low: int, high: int, step: int = 1, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(low, high)
        self.setSingleStep(step)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.lineEdit().setTextMargins(4, 0, 0, 0)
        leave_undo_to_window(self.lineEdit())

    # Qt overrides
    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class CalmDoubleSpin(QDoubleSpinBox):
    """As `CalmSpin`, for numbers with a fraction."""

    def __init__(self, low: float, high: float, step: float, decimals: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(decimals)
        self.setRange(low, high)
        self.setSingleStep(step)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.lineEdit().setTextMargins(4, 0, 0, 0)
        leave_undo_to_window(self.lineEdit())

    # Qt overrides
    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class _CalmSlider(QSlider):
    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()


class SliderSpin(QWidget):
    """A slider over `comfortable` values beside a spin box over all of them.

    Signals: `edited(float)` - the artist chose a number (never emitted by `show_value`).
    """

    edited = Signal(float)

    def __init__(
        self, spin: QSpinBox | QDoubleSpinBox, comfortable: tuple[float, float], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.spin = spin
        self._per_unit = 1 if isinstance(spin, QSpinBox) else round(1 / spin.singleStep())
        self.slider = _CalmSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(*(round(value * self._per_unit) for value in comfortable))
        self.slider.setPageStep(max(1, (self.slider.maximum() - self.slider.minimum()) // 10))
        spin.setFixedWidth(72)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.slider, 1)
        row.addWidget(spin)
        self.setFocusProxy(spin)
        self.slider.valueChanged.connect(self._on_slid)
        spin.valueChanged.connect(self._on_spun)

    def name_parts(self, name: str) -> None:
        """The accessible name of both halves."""
        self.slider.setAccessibleName(name)
        self.spin.setAccessibleName(name)

    def show_value(self, value: float) -> None:
        """Show a number without telling anybody."""
        if not math.isclose(self.spin.value(), value, abs_tol=1e-9):
            with QSignalBlocker(self.spin):
                self.spin.setValue(value)  # type: ignore[arg-type]  # an int box is only ever given whole numbers
        self._move_slider(value)

    def _on_slid(self, position: int) -> None:
        value = position / self._per_unit
        with QSignalBlocker(self.spin):
            self.spin.setValue(round(value) if isinstance(self.spin, QSpinBox) else value)  # type: ignore[arg-type]
        self.edited.emit(value)

    def _on_spun(self, value: float) -> None:
        self._move_slider(value)
        self.edited.emit(float(value))

    def _move_slider(self, value: float) -> None:
        with QSignalBlocker(self.slider):
            low, high = self.slider.minimum(), self.slider.maximum()
            self.slider.setValue(round(min(high, max(low, value * self._per_unit))))
