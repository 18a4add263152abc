"""Beside the library: the chosen picture, what the artist says of it, what changed since the one before, its recipe."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, QSizeF, Qt, QTimer
from PySide6.QtGui import QAction, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QToolButton, QVBoxLayout, QWidget

from studio.core.picture import Picture
from studio.state.forerunner import Forerunners
from studio.state.gallery_model import GalleryModel
from studio.ui.gallery.captions import count_words, picture_facts, picture_title
from studio.ui.gallery.changes import ChangesBox, RowsBox, since_words
from studio.ui.gallery.marks import MarksEditor
from studio.ui.images import fit_into
from studio.ui.plugin_words import PartOf
from studio.ui.theme import colors
from studio.ui.widgets.text import PlainLabel
from studio.ui.words import picture_rows

PREVIEW_PX = 220
TITLE_MAX = 220  # characters of a prompt; the details have all


class DetailsPanel(QScrollArea):
    """About the chosen picture, or about several. Mutable state: `_picture`."""

    def __init__(self, model: GalleryModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("detailsPanel")
        self._picture: Picture | None = None
        self._forerunners: Forerunners | None = None
        self.part_of: PartOf = lambda _use: None  # set to what names a plugin's kinds and parameters by their titles
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)  # unseen until needed; the words stay put
        self.setMinimumWidth(240)
        self.preview = _Preview(model)
        self.title = PlainLabel(look="headline", wrap=True)
        self.title.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.facts = PlainLabel(look="faint", wrap=True)
        self.marks = MarksEditor(model)
        self.since = PlainLabel(look="title")
        self.changes = ChangesBox()
        self.recipe_title = PlainLabel(self.tr("Recipe"), look="title")
        self.recipe = RowsBox()
        self._buttons = QHBoxLayout()
        self._buttons.setSpacing(2)
        body = QWidget()
        body.setObjectName("scrollBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(14, 12, 14, 14)
        column.setSpacing(8)
        head: tuple[QWidget, ...] = (self.preview, self.title, self.facts)
        foot: tuple[QWidget, ...] = (self.since, self.changes, self.recipe_title, self.recipe)
        for part in head:
            column.addWidget(part)
        column.addLayout(self._buttons)
        column.addWidget(_line())
        column.addWidget(self.marks)
        column.addWidget(_line())
        for part in foot:
            column.addWidget(part)
        column.addStretch(1)
        self.setWidget(body)
        self._later = QTimer(self, singleShot=True, interval=0)
        self._later.timeout.connect(self._show_changes)
        model.dataChanged.connect(lambda: self._later.start())
        self.show_pictures((), None)

    def compare_with(self, forerunners: Forerunners) -> None:
        """Say what a picture has changed since the one these name."""
        self._forerunners = forerunners
        forerunners.found.connect(lambda _picture_id: self._later.start())

    def add_actions(self, actions: tuple[QAction, ...]) -> None:
        """Buttons for what can be done with the picture."""
        for action in actions:
            button = QToolButton()
            button.setDefaultAction(action)
            button.setIconSize(QSize(18, 18))
            button.setAccessibleName(action.text().replace("&", ""))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self._buttons.addWidget(button)
        self._buttons.addStretch(1)

    def show_pictures(self, selected: Sequence[Picture], current: Picture | None) -> None:
        """Describe the current picture; marks are those of all selected ones."""
        self._picture = current
        several = len(selected) > 1
        self.preview.show_picture(current)
        self.marks.show_pictures(selected or ((current,) if current is not None else ()))
        for part in (self.since, self.changes, self.recipe_title, self.recipe):
            part.setVisible(current is not None and not several)
        if several:
            self.title.setText(count_words(len(selected)))
            self.facts.setText(self.tr("Stars, tags, boards and notes are set for all of them."))
        elif current is None:
            self.title.setText(self.tr("No picture is chosen"))
            self.facts.setText("")
        else:
            title = picture_title(current)
            self.title.setText(title if len(title) <= TITLE_MAX else f"{title[:TITLE_MAX]}…")
            self.facts.setText(picture_facts(current))
            self.recipe.show_rows(picture_rows(current, self.part_of))
            self._show_changes()

    def _show_changes(self) -> None:
        compared = None
        if self._picture is not None and self._forerunners is not None and not self.recipe.isHidden():
            compared = self._forerunners.changes(self._picture)
        self.since.setVisible(compared is not None)
        self.changes.setVisible(compared is not None)
        if compared is not None:
            self.since.setText(since_words(compared[0]))
            self.changes.show_changes(compared[1])


class _Preview(QWidget):
    """The thumbnail, whole."""

    def __init__(self, model: GalleryModel) -> None:
        super().__init__()
        self._model = model
        self._picture: Picture | None = None
        self.setFixedHeight(PREVIEW_PX)
        self.setAccessibleName(self.tr("The chosen picture, small"))
        model.thumbnails.ready.connect(self._on_ready)

    def show_picture(self, picture: Picture | None) -> None:
        self._picture = picture
        self.setVisible(picture is not None)
        self.update()

    def _on_ready(self, picture_id: str) -> None:
        if self._picture is not None and self._picture.id == picture_id:
            self.update()

    # Qt overrides
    def paintEvent(self, _event: QPaintEvent) -> None:
        image = self._model.thumbnails.image(self._picture) if self._picture is not None else None
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        path = QPainterPath()
        path.addRoundedRect(QRectF(self.rect()), 6, 6)
        painter.fillPath(path, colors().color("canvas"))
        if image is not None:
            size = fit_into(image.size(), self.size())
            corner = QPointF((self.width() - size.width()) / 2, (self.height() - size.height()) / 2)
            painter.setClipPath(path)
            painter.drawImage(QRectF(corner, QSizeF(size)), image)


def _line() -> QFrame:
    line = QFrame()
    line.setObjectName("thinLine")
    line.setFixedHeight(1)
    return line
