"""A quick look: the chosen picture over the whole page, gone at the next key."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from studio.core.library import RATING_MAX
from studio.core.picture import Picture
from studio.state.full_image import FullImage
from studio.ui.centre.picture_view import PictureView
from studio.ui.gallery.captions import picture_facts, picture_title, stars_words
from studio.ui.theme import colors
from studio.ui.widgets.text import ElidedLabel

_STEPS = {Qt.Key.Key_Left: -1, Qt.Key.Key_Up: -1, Qt.Key.Key_Right: 1, Qt.Key.Key_Down: 1}
_CLOSING = (Qt.Key.Key_Space, Qt.Key.Key_Escape, Qt.Key.Key_Return, Qt.Key.Key_Enter)


class QuickLook(QWidget):
    """Lies over `page`. Arrows leaf, 0 ... 5 give stars, Space, Esc, Enter or a click close.

    Mutable state: `_picture` (on show or on its way). Signals: `leafed(int)`; `stars_wished(Picture, int)`; `closed()`.
    """

    leafed = Signal(int)
    stars_wished = Signal(object, int)
    closed = Signal()

    def __init__(self, full_image: FullImage, page: QWidget) -> None:
        super().__init__(page)
        self.setObjectName("quickLook")
        self.setAccessibleName(self.tr("Quick look"))
        self._page, self._full_image = page, full_image
        self._picture: Picture | None = None
        self.view = PictureView()
        self.view.setObjectName("quickPicture")
        self.view.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.words = ElidedLabel()
        self.facts = ElidedLabel(look="faint")
        for label in (self.words, self.facts):
            label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 12)
        column.setSpacing(4)
        column.addWidget(self.view, 1)
        column.addWidget(self.words)
        column.addWidget(self.facts)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        full_image.ready.connect(self._on_image)
        page.installEventFilter(self)
        self.hide()

    def look(self, picture: Picture) -> None:
        """Show a picture; another one while it is open takes its place."""
        self._picture = picture
        self.show_words(picture)
        if self.isHidden():
            self.view.show_image(QImage())
            self.setGeometry(self._page.rect())
            self.show()
            self.raise_()
        self.setFocus()
        self._full_image.load(picture)

    def show_words(self, picture: Picture) -> None:
        """Say what it is; also after its stars changed."""
        self.words.setText(picture_title(picture))
        stars = f"{stars_words(picture.marks.rating)}  ·  " if picture.marks.rating else ""
        self.facts.setText(stars + picture_facts(picture))

    def end(self) -> None:
        """Away."""
        if not self.isHidden():
            self.hide()
            self._picture = None
            self.view.show_image(QImage())
            self.closed.emit()

    def _on_image(self, picture: Picture, image: QImage) -> None:
        if self._picture is not None and picture.id == self._picture.id:
            self.view.show_image(image)

    # Qt overrides
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in _CLOSING:
            self.end()
        elif key in _STEPS:
            self.leafed.emit(_STEPS[key])
        elif Qt.Key.Key_0 <= key <= Qt.Key.Key_0 + RATING_MAX and self._picture is not None:
            self.stars_wished.emit(self._picture, key - Qt.Key.Key_0)
        else:
            event.ignore()

    def event(self, event: QEvent) -> bool:
        if not isinstance(event, QKeyEvent) or event.key() != Qt.Key.Key_Escape:
            return super().event(event)
        if event.type() == QEvent.Type.ShortcutOverride:  # else Esc would cancel the running picture
            event.accept()
            return True
        return super().event(event)

    def mousePressEvent(self, _event: QMouseEvent) -> None:
        self.end()

    def paintEvent(self, _event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), colors().color("canvas"))

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and not self.isHidden():
            self.setGeometry(self._page.rect())
        return False
