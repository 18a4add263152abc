"""Ways into the history beside the search field: boards to drop pictures onto, tags, stars, colours, the trash."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QDragEnterEvent, QDragLeaveEvent, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from studio.core.library import NAME_MAX, RATING_MAX, Query
from studio.core.query import COLOURS
from studio.state.gallery_catalogue import Catalogue
from studio.state.gallery_marks import MarkChange
from studio.state.gallery_model import PICTURE_MIME, GalleryModel
from studio.ui.gallery.captions import stars_words
from studio.ui.gallery.terms import has_term, term_of, toggled, with_term
from studio.ui.icons import render
from studio.ui.theme import colors, ui_font
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.flow import FlowLayout
from studio.ui.widgets.text import PlainLabel, plain_tooltip
from studio.ui.widgets.undo import leave_undo_to_window

TAGS_MAX = 40
_SWATCHES = {
    "red": "#d9483b", "orange": "#e5892f", "yellow": "#e8c93a", "green": "#4f9d4a", "cyan": "#3fb0b8", "blue": "#3f6fd1",
    "purple": "#8455c2", "pink": "#e07fb0", "brown": "#8a5a36", "black": "#17181a", "grey": "#8b8f96", "white": "#f4f4f2",
}  # fmt: skip


class FilterSide(QScrollArea):
    """A narrow column over a `GalleryModel`: each button writes into the search what an artist could type as well."""

    def __init__(self, model: GalleryModel, catalogue: Catalogue, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("filterSide")
        self._model, self._catalogue = model, catalogue
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMinimumWidth(180)
        body = QWidget()
        body.setObjectName("scrollBody")
        column = QVBoxLayout(body)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(2)
        self.all = SideRow("history", self.tr("All pictures"))
        self.all.clicked.connect(self._show_all)
        column.addWidget(self.all)
        self.trash = SideRow("trash", self.tr("Trash"))
        self.trash.clicked.connect(lambda: self._set_text(toggled(self._text(), "is", "trash")))
        column.addWidget(self.trash)
        self.boards = QVBoxLayout()
        self.boards.setSpacing(2)
        self.new_board = NewBoard()
        self.new_board.named.connect(catalogue.begin_board)
        column.addLayout(self._heading(self.tr("Boards"), self.new_board.button))
        column.addLayout(self.boards)
        column.addWidget(self.new_board)
        self._places = QVBoxLayout()
        column.addLayout(self._places)
        column.addLayout(self._heading(self.tr("Stars")))
        self.stars = StarFilter()
        self.stars.chosen.connect(self._on_stars)
        column.addWidget(self.stars)
        column.addLayout(self._heading(self.tr("Colours")))
        column.addWidget(self._make_swatches())
        self.tags = FlowLayout()
        self._tags_heading = QWidget()
        self._tags_heading.setLayout(self._heading(self.tr("Tags")))
        column.addWidget(self._tags_heading)
        column.addLayout(self.tags)
        column.addStretch(1)
        self.setWidget(body)
        catalogue.changed.connect(self._fill)
        model.listed.connect(self._show)
        self._fill()

    def add_places(self, widget: QWidget) -> None:
        """Put other ways in below the boards."""
        self._places.addWidget(widget)

    def is_filtering(self) -> bool:
        """Whether stars, a colour, a tag, a folder or the trash is asked for."""
        text = self._text()
        return any(term_of(text, name) for name in ("rating", "colour", "tag", "folder")) or has_term(
            text, "is", "trash"
        )

    # Parts
    def _heading(self, words: str, *tools: QWidget) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setContentsMargins(6, 12, 0, 2)
        row.addWidget(PlainLabel(words, look="title"))
        row.addStretch(1)
        for tool in tools:
            row.addWidget(tool)
        return row

    def _make_swatches(self) -> QWidget:
        box = QWidget()
        flow = FlowLayout(5)
        box.setLayout(flow)
        flow.setContentsMargins(6, 2, 0, 2)
        self.swatches = {name: Swatch(name, _SWATCHES.get(name, "#808080")) for name in COLOURS}
        for name, swatch in self.swatches.items():
            swatch.clicked.connect(lambda _checked=False, name=name: self._on_colour(name))
            flow.addWidget(swatch)
        return box

    def _fill(self) -> None:
        while self.boards.count():
            item = self.boards.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for name, count in self._catalogue.boards:
            row = BoardRow(name, count)
            row.clicked.connect(lambda _checked=False, name=name: self._on_board(name))
            row.dropped.connect(lambda ids, name=name: self._put_onto(name, ids))
            self.boards.addWidget(row)
        self.tags.clear()
        most = sorted(self._catalogue.tags, key=lambda pair: (-pair[1], pair[0]))[:TAGS_MAX]
        for name, count in sorted(most):
            chip = QPushButton(name.replace("&", "&&"))
            chip.setProperty("look", "tag")
            chip.setCheckable(True)
            chip.setProperty("tagName", name)
            plain_tooltip(chip, self.tr("{n} with the tag “{tag}”").replace("{n}", str(count)).replace("{tag}", name))
            chip.clicked.connect(lambda _checked=False, name=name: self._set_text(toggled(self._text(), "tag", name)))
            self.tags.addWidget(chip)
        self._tags_heading.setVisible(bool(most))
        self._show()

    # What the artist wishes
    def _text(self) -> str:
        return self._model.query.text

    def _set_text(self, text: str) -> None:
        self._model.set_query(replace(self._model.query, text=text))

    def _show_all(self) -> None:
        self._model.set_query(Query(sort=self._model.query.sort))

    def _on_board(self, name: str) -> None:
        board = "" if self._model.query.board == name else name
        self._model.set_query(replace(self._model.query, board=board))

    def _on_stars(self, least: int) -> None:
        value = f">={least}" if least and term_of(self._text(), "rating") != f">={least}" else ""
        self._set_text(with_term(self._text(), "rating", value))

    def _on_colour(self, name: str) -> None:
        self._set_text(with_term(self._text(), "colour", "" if has_term(self._text(), "colour", name) else name))

    def _put_onto(self, board: str, ids: tuple[str, ...]) -> None:
        pictures = [found for picture_id in ids if (found := self._model.known(picture_id)) is not None]
        words = self.tr("put onto “{board}”").replace("{board}", board)
        self._model.mark(pictures, words, MarkChange(add_boards=(board,)))

    def _show(self) -> None:
        text, board = self._text(), self._model.query.board
        for number in range(self.boards.count()):
            item = self.boards.itemAt(number)
            row = item.widget() if item is not None else None
            if isinstance(row, BoardRow):
                row.setChecked(row.name == board)
        self.all.setChecked(not board and not text and self._model.alike is None)
        self.trash.setChecked(has_term(text, "is", "trash"))
        rating = term_of(text, "rating")
        self.stars.show_least(int(rating[2:]) if rating.startswith(">=") and rating[2:].isdigit() else 0)
        for name, swatch in self.swatches.items():
            swatch.setChecked(has_term(text, "colour", name))
        for number in range(self.tags.count()):
            item = self.tags.itemAt(number)
            chip = item.widget() if item is not None else None
            if isinstance(chip, QPushButton):
                chip.setChecked(has_term(text, "tag", str(chip.property("tagName"))))


class SideRow(QAbstractButton):
    """One line: an icon, words that are cut where the room ends, and a number."""

    def __init__(self, icon_name: str, words: str, count: int = -1, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._hot = False
        self.describe(icon_name, words, count)

    def describe(self, icon_name: str, words: str, count: int = -1) -> None:
        """What stands in it; no number for -1."""
        self._icon, self._count = icon_name, count
        self.setText(words)
        self.setAccessibleName(words)
        self.update()

    def set_hot(self, hot: bool) -> None:
        """Whether something is held over it that it would take."""
        self._hot = hot
        self.update()

    # Qt overrides
    def sizeHint(self) -> QSize:
        return QSize(120, 28)

    def minimumSizeHint(self) -> QSize:
        return QSize(60, 28)

    def paintEvent(self, _event: QPaintEvent) -> None:
        tokens = colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rect = QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5)
        if self.isChecked() or self._hot or self.underMouse():
            painter.setPen(QPen(tokens.color("accent"), 1.5) if self._hot else Qt.PenStyle.NoPen)
            painter.setBrush(tokens.color("accent_soft" if self.isChecked() or self._hot else "raised_hover"))
            painter.drawRoundedRect(rect, 6, 6)
        if self.hasFocus():
            painter.setPen(QPen(tokens.color("accent"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(rect, 6, 6)
        color = tokens.accent if self.isChecked() else tokens.text_muted
        image = render(self._icon, round(16 * self.devicePixelRatioF()), color)
        painter.drawImage(QRectF(8, self.height() / 2 - 8, 16, 16), image)
        number = f"{self._count:,}" if self._count >= 0 else ""
        painter.setFont(ui_font(12))
        painter.setPen(tokens.color("text_faint"))
        right = self.rect().adjusted(0, 0, -8, 0)
        painter.drawText(right, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), number)
        room = self.width() - 32 - 8 - (painter.fontMetrics().horizontalAdvance(number) + 8 if number else 0)
        painter.setFont(ui_font())
        painter.setPen(tokens.color("text"))
        words = painter.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room)
        line = self.rect().adjusted(32, 0, 0, 0)
        painter.drawText(line, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), words)


class BoardRow(SideRow):
    """A board. Signals: `dropped(tuple of ids)` - pictures of the history were dropped onto it."""

    dropped = Signal(object)

    def __init__(self, name: str, count: int, parent: QWidget | None = None) -> None:
        super().__init__("board", name, count, parent)
        self.name = name
        self.setAcceptDrops(True)
        plain_tooltip(self, self.tr("{name}\nDrop pictures here to put them onto it.").replace("{name}", name))

    # Qt overrides
    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasFormat(PICTURE_MIME):
            event.acceptProposedAction()
            self.set_hot(True)

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:
        self.set_hot(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self.set_hot(False)
        named = bytes(event.mimeData().data(PICTURE_MIME).data()).decode("utf-8", "replace")
        event.acceptProposedAction()
        self.dropped.emit(tuple(named.split()))


class NewBoard(QLineEdit):
    """A field for a board's name, there once its `button` was pressed. Signals: `named(str)`."""

    named = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = icon_button("plus", self.tr("New board"), px=14)
        self.button.clicked.connect(self._begin)
        self.setPlaceholderText(self.tr("Name of the board"))
        self.setAccessibleName(self.tr("Name of the new board"))
        self.setMaxLength(NAME_MAX)
        leave_undo_to_window(self)
        self.editingFinished.connect(self._end)
        self.hide()

    def _begin(self) -> None:
        self.clear()
        self.show()
        self.setFocus()

    def _end(self) -> None:
        name = " ".join(self.text().split())
        self.hide()
        if name:
            self.clear()
            self.named.emit(name)


class StarFilter(QWidget):
    """At least so many stars. Signals: `chosen(int)` - 1 ... 5."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(4, 0, 0, 0)
        row.setSpacing(0)
        self.buttons = []
        for number in range(1, RATING_MAX + 1):
            words = self.tr("At least {n}").replace("{n}", stars_words(number))
            button = icon_button("star-off", words, icon_on="star")
            button.setProperty("look", "star")
            button.clicked.connect(lambda _checked=False, number=number: self.chosen.emit(number))
            self.buttons.append(button)
            row.addWidget(button)
        row.addStretch(1)

    def show_least(self, least: int) -> None:
        """Light so many."""
        for number, button in enumerate(self.buttons, 1):
            button.setChecked(number <= least)


class Swatch(QAbstractButton):
    """A colour to look for."""

    def __init__(self, name: str, color: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._color = QColor(color)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        plain_tooltip(self, self.tr("Pictures with much {colour}").replace("{colour}", name), name=True)

    # Qt overrides
    def sizeHint(self) -> QSize:
        return QSize(22, 22)

    def paintEvent(self, _event: QPaintEvent) -> None:
        tokens = colors()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        lit = self.isChecked() or self.hasFocus()
        painter.setPen(QPen(tokens.color("accent" if lit else "border_strong"), 2 if lit else 1))
        painter.setBrush(self._color)
        inset = 2 if self.isChecked() else 4
        painter.drawEllipse(QRectF(self.rect()).adjusted(inset, inset, -inset, -inset))
