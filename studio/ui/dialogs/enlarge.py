"""The small window that asks how much larger a picture shall be made, and how much of it painted anew."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from studio.core.enlarge import FACTORS, enlarged_seconds, enlarged_size
from studio.core.errors import StudioError
from studio.core.picture import Picture
from studio.ui.gallery.captions import picture_title
from studio.ui.widgets.slider_spin import CalmDoubleSpin, SliderSpin
from studio.ui.widgets.text import ElidedLabel, PlainLabel
from studio.ui.words import duration

_WIDTH_PX = 440


class EnlargeDialog(QDialog):
    """Says what each size would be, or why it cannot be made.

    Signals: `wished(float, float)` - the factor and the strength.
    """

    wished = Signal(float, float)

    def __init__(self, picture: Picture, factor: float, strength: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("enlargeDialog")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(self.tr("Enlarge"))
        self.setMinimumWidth(_WIDTH_PX)
        self._picture = picture
        self.problem = PlainLabel(look="problem", wrap=True)
        self.sizes: dict[float, QToolButton] = {}
        self._group = QButtonGroup(self)
        self.strength = SliderSpin(CalmDoubleSpin(0, 1, 0.05, 2), (0.1, 0.8))
        self.strength.name_parts(self.tr("Strength"))
        self.strength.show_value(strength)
        self.time = PlainLabel(look="muted")
        self.begin = QPushButton(self.tr("Enlarge"))
        self.begin.setProperty("look", "primary-small")
        self.begin.setDefault(True)
        self.begin.clicked.connect(self._on_begin)
        self._lay_out(self._size_row(factor))
        self.strength.edited.connect(lambda _value: self._show())
        self._group.buttonClicked.connect(lambda _button: self._show())
        self._show()

    @property
    def factor(self) -> float | None:
        """How much larger, None where nothing larger can be made."""
        return next((factor for factor, button in self.sizes.items() if button.isChecked()), None)

    def _size_row(self, wanted: float) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        problems = []
        for factor in FACTORS:
            button = self.sizes[factor] = QToolButton()
            button.setObjectName("segment")
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            try:
                size = enlarged_size(self._picture, factor)
                button.setText(f"{factor:g} ×   {size.width} × {size.height}")
            except StudioError as error:
                button.setText(f"{factor:g} ×")
                button.setEnabled(False)
                problems.append(str(error))
            self._group.addButton(button)
            row.addWidget(button)
        row.addStretch(1)
        possible = [factor for factor, button in self.sizes.items() if button.isEnabled()]
        if possible:
            self.sizes[wanted if wanted in possible else possible[-1]].setChecked(True)
        self.problem.setText(problems[0] if problems else "")
        self.problem.setVisible(bool(problems))
        return row

    def _lay_out(self, sizes: QHBoxLayout) -> None:
        fields = QGridLayout()
        fields.setHorizontalSpacing(12)
        fields.setVerticalSpacing(10)
        fields.setColumnStretch(1, 1)
        fields.addWidget(PlainLabel(self.tr("Size"), "field"), 0, 0)
        fields.addLayout(sizes, 0, 1)
        fields.addWidget(self.problem, 1, 1)
        fields.addWidget(PlainLabel(self.tr("Strength"), "field"), 2, 0)
        fields.addWidget(self.strength, 2, 1)
        hint = self.tr(
            "How much is painted anew: little keeps the picture as it is, more adds detail and may change it."
        )
        fields.addWidget(PlainLabel(hint, "faint", wrap=True), 3, 1)
        cancel = QPushButton(self.tr("Cancel"))
        cancel.setAutoDefault(False)
        cancel.clicked.connect(self.reject)
        foot = QHBoxLayout()
        foot.setSpacing(8)
        foot.addWidget(self.time, 1)
        foot.addWidget(cancel)
        foot.addWidget(self.begin)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(14)
        column.addWidget(
            ElidedLabel(f"{picture_title(self._picture)}   ·   {self._picture.width} × {self._picture.height}", "muted")
        )
        column.addLayout(fields)
        column.addStretch(1)
        column.addLayout(foot)

    def _show(self) -> None:
        factor, words = self.factor, ""
        if factor is not None:
            seconds = enlarged_seconds(self._picture, factor, self.strength.spin.value())
            if seconds is not None:
                words = self.tr("about {t}").replace("{t}", duration(seconds))
        self.time.setText(words)
        self.begin.setEnabled(factor is not None)

    def _on_begin(self) -> None:
        if self.factor is not None:
            self.wished.emit(self.factor, self.strength.spin.value())
            self.accept()
