"""Under the picture: its recipe in words, and what to do with it."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QPlainTextEdit, QToolButton, QVBoxLayout, QWidget

from studio.core.picture import Picture
from studio.core.recipe import Recipe
from studio.state.forerunner import Forerunners
from studio.state.gallery_model import GalleryModel
from studio.ui.gallery.captions import picture_facts, picture_title
from studio.ui.gallery.changes import changes_in_words, since_words
from studio.ui.gallery.marks import MarksEditor
from studio.ui.plugin_words import PartOf
from studio.ui.widgets.text import ElidedLabel
from studio.ui.words import duration, facts_line, picture_details

DETAILS_PX, MARKS_PX = 172, 272
NARROW_PX, NARROW_DETAILS_PX = 560, 92  # below this width the marks stand under the words, which are fewer at once
_NO_LIMIT = 16_777_215  # Qt's own


class DetailsBar(QWidget):
    """Two lines about the shown picture, buttons for `actions`, and all details when wished."""

    def __init__(self, model: GalleryModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._picture: Picture | None = None
        self._forerunners: Forerunners | None = None
        self.setObjectName("detailsBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.part_of: PartOf = lambda _use: None  # set to what names a plugin's kinds and parameters by their titles
        self.title = ElidedLabel()
        self.title.setFixedHeight(20)  # the Chinese font is higher: without this the picture would jump
        self.facts = ElidedLabel(look="faint")
        self.facts.setFixedHeight(18)
        self.text = QPlainTextEdit()
        self.text.setObjectName("detailsText")
        self.text.setAccessibleName(self.tr("Details of the picture"))
        self.text.setReadOnly(True)
        self.text.document().setDocumentMargin(0)
        self.text.setFixedHeight(DETAILS_PX)
        self.marks = MarksEditor(model)
        self.marks.setFixedWidth(MARKS_PX)
        self.more = QWidget()
        self._both = QHBoxLayout(self.more)
        self._both.setContentsMargins(0, 0, 4, 0)
        self._both.setSpacing(24)
        self._both.addWidget(self.text, 1)
        self._both.addWidget(self.marks, 0, Qt.AlignmentFlag.AlignTop)
        self.show_all(False)
        words = QVBoxLayout()
        words.setSpacing(1)
        words.addWidget(self.title)
        words.addWidget(self.facts)
        self._row = QHBoxLayout()
        self._row.setSpacing(2)
        self._row.addLayout(words, 1)
        self._row.addSpacing(12)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 8, 12, 8)
        column.setSpacing(6)
        column.addLayout(self._row)
        column.addWidget(self.more)
        self.show_picture(None)

    def compare_with(self, forerunners: Forerunners) -> None:
        """Say what a picture has changed since the one these name."""
        self._forerunners = forerunners
        forerunners.found.connect(self._on_forerunner)

    def add_actions(self, actions: tuple[QAction, ...]) -> None:
        """Give each action a button; the buttons show the actions' own icons, tooltips and states."""
        for action in actions:
            button = QToolButton()
            button.setDefaultAction(action)
            button.setIconSize(QSize(18, 18))
            button.setAccessibleName(action.text().replace("&", ""))
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            self._row.addWidget(button)

    def show_picture(self, picture: Picture | None) -> None:
        """Say what is known about a picture."""
        self._picture = picture
        self.marks.show_pictures((picture,) if picture is not None else ())
        if picture is None:
            self.title.setText(self.tr("No picture yet"))
            self.facts.setText(self.tr("Drop one of your pictures here to have its settings back."))
            self.text.setPlainText("")
            return
        self.title.setText(picture_title(picture))
        self.facts.setText(f"{picture_facts(picture)}  ·  {duration(picture.made_with.seconds)}")
        self.text.setPlainText(f"{self._changes(picture)}{picture_details(picture, self.part_of)}")

    def _changes(self, picture: Picture) -> str:
        compared = self._forerunners.changes(picture) if self._forerunners is not None else None
        if compared is None or not compared[1]:
            return ""
        return f"{since_words(compared[0])}: {changes_in_words(compared[1])}\n"

    def _on_forerunner(self, picture_id: str) -> None:
        if self._picture is not None and self._picture.id == picture_id and self.text.toPlainText():
            self.text.setPlainText(f"{self._changes(self._picture)}{picture_details(self._picture, self.part_of)}")

    def show_forming(self, recipe: Recipe) -> None:
        """Say what is being made."""
        self._picture = None
        self.title.setText(recipe.prompt or self.tr("(no prompt)"))
        self.facts.setText(facts_line(recipe))
        self.text.setPlainText("")

    def show_all(self, shown: bool) -> None:
        """Show or hide the details."""
        self.text.setVisible(shown)
        self.more.setVisible(shown)

    def _fit(self, narrow: bool) -> None:
        """Words and marks side by side, or one below the other where that would leave the words a sliver."""
        way = QBoxLayout.Direction.TopToBottom if narrow else QBoxLayout.Direction.LeftToRight
        if self._both.direction() == way:
            return
        self._both.setDirection(way)
        self._both.setSpacing(8 if narrow else 24)
        self.text.setFixedHeight(NARROW_DETAILS_PX if narrow else DETAILS_PX)
        self.marks.setMinimumWidth(0 if narrow else MARKS_PX)
        self.marks.setMaximumWidth(_NO_LIMIT if narrow else MARKS_PX)

    # Qt overrides
    def resizeEvent(self, event: QResizeEvent) -> None:
        self._fit(event.size().width() < NARROW_PX)
        super().resizeEvent(event)
