"""Fields for what a plugin takes in - a picture, a file of the artist's - and the one place that chooses a field."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from studio.core.plugins import Parameter, ParameterType
from studio.ui.drops import PictureDrop
from studio.ui.panels.fields import CheckField, ChoiceField, Field, LineField, NumberField, TextField
from studio.ui.panels.map_view import MapView
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.text import ElidedLabel, PlainLabel

_THUMB = QSize(56, 56)
PICTURE_FILES = "*.png *.jpg *.jpeg *.webp *.gif *.bmp"


class PictureField(Field):
    """An input picture: dropped here, pasted by menu, or chosen. Edited gives a QMimeData or Path to take in, or None."""

    def __init__(self, parameter: Parameter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = parameter.title
        self.thumb = MapView(_THUMB.height())
        self.thumb.setFixedWidth(_THUMB.width())
        self.thumb.setAccessibleName(parameter.title)
        self.words = PlainLabel(self.tr("Drop a picture here"), "faint", wrap=True)
        self.choose = QPushButton(self.tr("Choose …"))
        self.clear = icon_button("close", self.tr("Take the picture away"), px=12)
        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        buttons.addWidget(self.choose)
        buttons.addWidget(self.clear)
        buttons.addStretch(1)
        right = QVBoxLayout()
        right.setSpacing(2)
        right.addWidget(self.words)
        right.addLayout(buttons)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(self.thumb)
        row.addLayout(right, 1)
        self.setFocusProxy(self.choose)
        self.choose.clicked.connect(self._on_choose)
        self.clear.clicked.connect(lambda: self.edited.emit(None))
        PictureDrop(self, self._on_dropped)
        self.show_image(None)

    def show_image(self, image: QImage | None) -> None:
        """Show the picture as it was given; None: there is none."""
        given = image is not None
        self.thumb.show_map(image if image is not None else QImage(), image.size() if image is not None else _THUMB)
        self.words.setText(self.tr("Drop another one here") if given else self.tr("Drop a picture here"))
        self.clear.setVisible(given)

    def _on_dropped(self, mime: QMimeData) -> None:
        self.edited.emit(mime)

    def _on_choose(self) -> None:
        words = self.tr("Pictures ({patterns})").replace("{patterns}", PICTURE_FILES)
        choose_file(self, self._title, words, self.edited.emit)


class FileField(Field):
    """A file of the artist's. Edited gives a Path to take in, or None.

    Signals: `offers_wished()` - it was pressed; `show_offers` opens what follows.
    """

    offers_wished = Signal()

    def __init__(self, parameter: Parameter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title, self._suffixes = parameter.title, parameter.suffixes
        self.name = ElidedLabel(self.tr("No file"), "muted")
        self.choose = QPushButton(self.tr("Choose …"))
        self.choose.setAccessibleName(self.tr("Choose …"))
        self.clear = icon_button("close", self.tr("Take the file away"), px=12)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.name, 1)
        row.addWidget(self.clear)
        row.addWidget(self.choose)
        self.setFocusProxy(self.choose)
        self.choose.clicked.connect(self.offers_wished)
        self.clear.clicked.connect(lambda: self.edited.emit(None))

    def show_offers(self, files: tuple[Path, ...]) -> None:
        """Let the artist choose among files at hand, or any other."""
        if not files:
            self._on_choose()
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for file in files:
            menu.addAction(file.name.replace("&", "&&"), partial(self.edited.emit, file))
        menu.addSeparator()
        menu.addAction(self.tr("Another file …"), self._on_choose)
        menu.popup(self.choose.mapToGlobal(QPoint(0, self.choose.height() + 2)))

    def show_name(self, name: str) -> None:
        """Show the name of the file, without the suffix that all of its kind have, or that there is none."""
        known = self._suffixes[0] if len(self._suffixes) == 1 else ""
        self.name.setText(name.removesuffix(known) or self.tr("No file"))
        self.clear.setVisible(bool(name))
        self.choose.setText("…" if name else self.tr("Choose …"))  # room for the name

    def show_busy(self) -> None:
        """Say that its bytes are being read."""
        self.name.setText(self.tr("Reading …"))

    def _on_choose(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in self._suffixes) or "*"
        words = self.tr("Files ({patterns})").replace("{patterns}", patterns)
        choose_file(self, self._title, words, self.edited.emit)


def choose_file(parent: QWidget, title: str, filter_words: str, use: Callable[[Path], object]) -> None:
    """Ask for one file; `use(path)` follows when the artist chose one."""
    dialog = QFileDialog(parent, title)
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.setNameFilter(filter_words)
    dialog.fileSelected.connect(lambda name: use(Path(name)))
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()


def field_of(parameter: Parameter) -> Field:
    """The field for a parameter."""
    makers: dict[ParameterType, Callable[[Parameter], Field]] = {
        ParameterType.FLOAT: NumberField,
        ParameterType.INT: NumberField,
        ParameterType.BOOL: CheckField,
        ParameterType.CHOICE: ChoiceField,
        ParameterType.TEXT: TextField if parameter.lines > 1 else LineField,
        ParameterType.PICTURE: PictureField,
        ParameterType.FILE: FileField,
    }
    return makers[parameter.type](parameter)
