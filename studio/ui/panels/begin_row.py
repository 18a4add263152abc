"""Image to image: the picture to begin with and how much of it is repainted; one quiet button while there is none."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from studio.core.recipe import ImageRef
from studio.ui.icons import icon
from studio.ui.panels.input_fields import PICTURE_FILES, choose_file
from studio.ui.panels.map_view import MapView
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.slider_spin import CalmDoubleSpin, SliderSpin
from studio.ui.widgets.text import plain_tooltip

_THUMB = QSize(64, 64)


class BeginRow(QWidget):
    """Mutable state: the picture on show.

    Signals: `picture_wished(object)` - a Path to take in, or None to begin with noise again; `strength_edited(float)`.
    """

    picture_wished = Signal(object)
    strength_edited = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("beginRow")
        self._shown: ImageRef | None = None
        self.choose = QPushButton(icon("open"), self.tr("Drop or choose …"))
        self.choose.setObjectName("beginButton")
        self.choose.setIconSize(QSize(16, 16))
        self.thumb = MapView(_THUMB.height())
        self.thumb.setFixedWidth(_THUMB.width())
        self.thumb.setAccessibleName(self.tr("The picture to begin with"))
        self.strength = SliderSpin(CalmDoubleSpin(0, 1, 0.05, 2), (0.05, 1))
        self.strength.spin.setObjectName("strengthSpin")
        self.strength.name_parts(self.tr("Strength"))
        plain_tooltip(
            self.strength,
            self.tr("How much is repainted: 0.3 keeps nearly all of it, 0.8 little more than its colours."),
        )
        self.other = QPushButton(self.tr("Another …"))
        self.clear = icon_button("close", self.tr("Begin with noise again"), px=12)
        self._given = self._with_picture()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.choose)
        column.addWidget(self._given)
        self.setFocusProxy(self.choose)
        for button in (self.choose, self.other):
            button.clicked.connect(self._on_choose)
        self.clear.clicked.connect(lambda: self.picture_wished.emit(None))
        self.strength.edited.connect(self.strength_edited)
        self.show_picture(None)

    @property
    def shown(self) -> ImageRef | None:
        """The picture on show."""
        return self._shown

    def show_picture(self, ref: ImageRef | None) -> bool:
        """Show that there is a picture, or none. True: its pixels are not here yet, and `show_pixels` is to follow."""
        changed, self._shown = ref != self._shown, ref
        self.choose.setVisible(ref is None)
        self._given.setVisible(ref is not None)
        self.setFocusProxy(self.choose if ref is None else self.strength.spin)
        if changed:
            self.thumb.show_map(QImage(), _THUMB)
        return changed and ref is not None

    def show_pixels(self, ref: ImageRef, image: QImage) -> None:
        """The pixels of a picture, if it is still the one on show."""
        if ref == self._shown:
            self.thumb.show_map(image, image.size())

    def show_strength(self, strength: float) -> None:
        """Show a strength without telling anybody."""
        self.strength.show_value(strength)

    def _with_picture(self) -> QWidget:
        part = QWidget()
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        buttons.addWidget(self.other)
        buttons.addWidget(self.clear)
        buttons.addStretch(1)
        right = QVBoxLayout()
        right.setSpacing(4)
        right.addStretch(1)
        right.addWidget(self.strength)
        right.addLayout(buttons)
        right.addStretch(1)
        row = QHBoxLayout(part)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.thumb, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(right, 1)
        return part

    def _on_choose(self) -> None:
        words = self.tr("Pictures ({patterns})").replace("{patterns}", PICTURE_FILES)
        choose_file(self, self.tr("The picture to begin with"), words, self.picture_wished.emit)
