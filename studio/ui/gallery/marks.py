"""What only the artist can say of a picture: stars, tags, boards, a note. Every change can be undone."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from studio.core.library import NAME_MAX, NOTE_MAX, RATING_MAX, Marks
from studio.core.picture import Picture
from studio.state.gallery_marks import MarkChange
from studio.state.gallery_model import GalleryModel
from studio.ui.gallery.captions import stars_words
from studio.ui.icons import icon
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.flow import FlowLayout
from studio.ui.widgets.text import plain_tooltip
from studio.ui.widgets.undo import leave_undo_to_window

NOTE_AFTER_MS = 1200  # without a key, and the note is kept
NOTE_PX = 62


class MarksEditor(QWidget):
    """Over the marks of one or several pictures; of several only what all have in common is shown.

    Mutable state: `_ids` (of the pictures), `_shown` (their common marks), `_note_of` (the pictures a note is typed for).
    """

    def __init__(self, model: GalleryModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self._ids: tuple[str, ...] = ()
        self._held: dict[str, Picture] = {}
        self._shown: Marks | None = None
        self.stars = [self._star(number) for number in range(1, RATING_MAX + 1)]
        stars = QHBoxLayout()
        stars.setSpacing(0)
        for star in self.stars:
            stars.addWidget(star)
        stars.addStretch(1)
        self.chips = FlowLayout(4)
        self.tag = _NameEdit(self.tr("Add a tag"))
        self.tag.named.connect(lambda name: self._change(self.tr("add a tag"), MarkChange(add_tags=(name,))))
        self.board = QPushButton(icon("board"), self.tr("Add to a board"))
        self.board.setProperty("look", "quiet")
        self.board.setAutoDefault(False)
        self.board.clicked.connect(self._open_boards)
        self.note = _NoteEdit(self.tr("A note to yourself"))
        self.note.ended.connect(self._keep_note)
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(self.tag, 1)
        row.addWidget(self.board)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(stars)
        column.addLayout(self.chips)
        column.addLayout(row)
        column.addWidget(self.note)
        model.dataChanged.connect(self._refresh)
        self.show_pictures(())

    def show_pictures(self, pictures: Sequence[Picture]) -> None:
        """Whose marks are shown and changed from now on."""
        ids = tuple(picture.id for picture in pictures)
        if ids != self._ids:
            self.note.end()
            self._shown = None
        self._ids, self._held = ids, {picture.id: picture for picture in pictures}
        self.setEnabled(bool(ids))
        self._refresh()

    def pictures(self) -> tuple[Picture, ...]:
        """The pictures, with their marks as they are now."""
        return tuple(self._model.known(picture_id) or self._held[picture_id] for picture_id in self._ids)

    def _star(self, number: int) -> QWidget:
        button = icon_button("star-off", stars_words(number), self, icon_on="star")
        button.setProperty("look", "star")
        button.clicked.connect(lambda: self._rate(number))
        return button

    def _rate(self, number: int) -> None:
        shown = self._shown.rating if self._shown is not None else 0
        self._change(self.tr("stars"), MarkChange(rating=0 if number == shown else number))
        self._show_stars(self._shown.rating if self._shown is not None else 0)

    def _change(self, words: str, change: MarkChange) -> None:
        self._model.mark(self.pictures(), words, change)
        self._refresh()

    def _refresh(self) -> None:
        marks = common_marks([picture.marks for picture in self.pictures()])
        if marks == self._shown:
            return
        self._shown = marks
        self._show_stars(marks.rating)
        self.chips.clear()
        for name in marks.tags:
            remove = MarkChange(remove_tags=(name,))
            self.chips.addWidget(
                self._chip(name, self.tr("Take the tag “{name}” off"), self.tr("remove a tag"), remove)
            )
        for name in marks.boards:
            remove = MarkChange(remove_boards=(name,))
            words = self.tr("Take it off the board “{name}”")
            self.chips.addWidget(self._chip(name, words, self.tr("take off a board"), remove, "board"))
        self.note.show_text(marks.note)
        self.updateGeometry()

    def _show_stars(self, rating: int) -> None:
        for number, star in enumerate(self.stars, 1):
            star.setChecked(number <= rating)  # type: ignore[attr-defined]  # an icon button

    def _chip(self, name: str, says: str, words: str, change: MarkChange, sign: str = "tag") -> QPushButton:
        chip = QPushButton(icon(sign), f"{name.replace('&', '&&')}  ×")
        chip.setProperty("look", "tag")
        chip.setAutoDefault(False)
        plain_tooltip(chip, says.replace("{name}", name), name=True)
        chip.clicked.connect(lambda: self._change(words, change))
        return chip

    def _open_boards(self) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for name, _ in self._model.catalogue.boards:
            action = menu.addAction(name.replace("&", "&&"))
            action.triggered.connect(
                lambda _checked=False, name=name: self._change(
                    self.tr("put onto “{board}”").replace("{board}", name), MarkChange(add_boards=(name,))
                )
            )
        if not self._model.catalogue.boards:
            menu.addAction(self.tr("There is no board yet: the plus sign beside “Boards” makes one.")).setEnabled(False)
        menu.popup(self.board.mapToGlobal(QPoint(0, self.board.height() + 2)))

    def _keep_note(self, note: str) -> None:
        if self._ids and (self._shown is None or note != self._shown.note):
            self._change(self.tr("note"), MarkChange(note=note))


def common_marks(marks: Sequence[Marks]) -> Marks:
    """What all of these have in common."""
    if not marks:
        return Marks()
    first = marks[0]
    return Marks(
        rating=first.rating if all(other.rating == first.rating for other in marks) else 0,
        tags=tuple(tag for tag in first.tags if all(tag in other.tags for other in marks)),
        boards=tuple(board for board in first.boards if all(board in other.boards for other in marks)),
        note=first.note if all(other.note == first.note for other in marks) else "",
    )


class _NameEdit(QLineEdit):
    """A name, taken at Enter or a comma. Signals: `named(str)`."""

    named = Signal(str)

    def __init__(self, hint: str) -> None:
        super().__init__()
        self.setPlaceholderText(hint)
        self.setAccessibleName(hint)
        self.setMaxLength(NAME_MAX)
        leave_undo_to_window(self)
        self.returnPressed.connect(lambda: self._take(self.text()))
        self.textEdited.connect(self._on_edited)

    def _on_edited(self, text: str) -> None:
        if text.endswith(","):
            self._take(text[:-1])

    def _take(self, text: str) -> None:
        name = " ".join(text.replace(",", " ").split())
        self.clear()
        if name:
            self.named.emit(name)


class _NoteEdit(QPlainTextEdit):
    """A text that is kept when one stops typing or leaves it. Signals: `ended(str)`."""

    ended = Signal(str)

    def __init__(self, hint: str) -> None:
        super().__init__()
        self.setPlaceholderText(hint)
        self.setAccessibleName(hint)
        self.setTabChangesFocus(True)
        self.setFixedHeight(NOTE_PX)
        self._open = False  # typed, not kept yet
        self._timer = QTimer(self, singleShot=True, interval=NOTE_AFTER_MS)
        self._timer.timeout.connect(self.end)
        self._quiet = False
        self.textChanged.connect(self._on_changed)

    def show_text(self, text: str) -> None:
        """Show a note, unless one is being typed."""
        if not self._open and text != self.toPlainText():
            self._quiet = True
            self.setPlainText(text)
            self._quiet = False

    def end(self) -> None:
        """Keep what was typed."""
        self._timer.stop()
        if self._open:
            self._open = False
            self.ended.emit(self.toPlainText()[:NOTE_MAX])

    def _on_changed(self) -> None:
        if not self._quiet:
            self._open = True
            self._timer.start()

    # Qt overrides
    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.end()
