"""Width and height, swapped or taken from a list of usual sizes."""

from __future__ import annotations

from functools import partial

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QHBoxLayout, QMenu, QToolButton, QWidget

from studio.core.recipe import SIDE_MAX, SIDE_MIN, SIDE_STEP, Size
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.slider_spin import CalmSpin

_ARROW_STEP = 16  # works for every model we know; 8 can still be typed
PRESETS = (
    ((256, 256), (192, 256), (256, 192), (256, 384), (384, 256)),
    ((512, 512), (512, 768), (768, 512), (640, 384)),
    ((768, 768), (1024, 1024), (832, 1216), (1216, 832)),
)


class SideSpin(CalmSpin):
    """A side in pixels: what is typed becomes the nearest multiple of 8 when the field is left."""

    def __init__(self, name: str, words: str, parent: QWidget | None = None) -> None:
        super().__init__(SIDE_MIN, SIDE_MAX, _ARROW_STEP, parent)
        self.setObjectName(name)
        self.setAccessibleName(words)
        self.setKeyboardTracking(False)
        self.setMinimumWidth(68)

    # Qt overrides
    def valueFromText(self, text: str) -> int:
        return min(SIDE_MAX, max(SIDE_MIN, round(super().valueFromText(text) / SIDE_STEP) * SIDE_STEP))


class SizeRow(QWidget):
    """Signals: `edited(Size)` - the artist chose a size (never emitted by `show_size`)."""

    edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.width_spin = SideSpin("widthSpin", self.tr("Width in pixels"))
        self.height_spin = SideSpin("heightSpin", self.tr("Height in pixels"))
        self.swap = icon_button("swap", self.tr("Swap width and height"))
        self.presets = icon_button("fit", self.tr("Usual sizes"))
        self.presets.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.presets.setMenu(self._menu())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.width_spin, 1)
        row.addWidget(self.swap)
        row.addWidget(self.height_spin, 1)
        row.addWidget(self.presets)
        self.setFocusProxy(self.width_spin)
        self.width_spin.valueChanged.connect(self._on_edited)
        self.height_spin.valueChanged.connect(self._on_edited)
        self.swap.clicked.connect(
            lambda: self.edited.emit(Size(width=self.height_spin.value(), height=self.width_spin.value()))
        )

    def show_size(self, size: Size) -> None:
        """Show a size without telling anybody."""
        for spin, side in ((self.width_spin, size.width), (self.height_spin, size.height)):
            if spin.value() != side:
                with QSignalBlocker(spin):
                    spin.setValue(side)

    def _menu(self) -> QMenu:
        menu = QMenu(self)
        for group in PRESETS:
            for width, height in group:
                shape = (
                    self.tr("square") if width == height else self.tr("upright") if width < height else self.tr("wide")
                )
                action = menu.addAction(f"{width} × {height}   {shape}")
                action.triggered.connect(partial(self._on_preset, width, height))
            menu.addSeparator()
        return menu

    def _on_preset(self, width: int, height: int, _checked: bool = False) -> None:
        self.edited.emit(Size(width=width, height=height))

    def _on_edited(self, _side: int) -> None:
        self.edited.emit(Size(width=self.width_spin.value(), height=self.height_spin.value()))
