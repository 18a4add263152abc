"""The page of the family tree: the tree, what is known of the selected picture, and what may be done with it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPoint, QSize, Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QDialog, QHBoxLayout, QMenu, QPushButton, QVBoxLayout, QWidget

from studio.core.picture import Picture
from studio.state.family import FamilyModel, FamilyView
from studio.state.thumbnails import Thumbnails
from studio.ui.icons import icon
from studio.ui.tree.view import TreeView
from studio.ui.tree.words import kind_words
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.fitting import open_in
from studio.ui.widgets.text import ElidedLabel, PlainLabel
from studio.ui.words import facts_line

SIZE = QSize(1080, 720)


class TreePage(QDialog):
    """Shows what the model knows and sends wishes.

    Signals: `use_wished(Picture)` - its settings into the panels; `show_wished(Picture)`; `delete_wished(Picture)`;
    `back_wished(Picture)`, out of the trash;
    `rating_wished(Picture, int)`, 0 ... 5; `verify_wished(Picture)`; `closed()`.
    """

    use_wished = Signal(object)
    show_wished = Signal(object)
    delete_wished = Signal(object)
    back_wished = Signal(object)
    rating_wished = Signal(object, int)
    verify_wished = Signal(object)
    closed = Signal()

    def __init__(self, model: FamilyModel, thumbnails: Thumbnails, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model = model
        self.setObjectName("treePage")
        self.setWindowTitle(self.tr("Family tree"))
        self.setModal(False)
        open_in(self, SIZE)
        self.view = TreeView(thumbnails)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._head())
        column.addWidget(self.view, 1)
        column.addWidget(self._foot())
        self.view.chosen.connect(self._on_chosen)
        self.view.activated.connect(self._on_activated)
        self.view.delete_wished.connect(lambda: self._wish(self.delete_wished))
        self.view.rating_wished.connect(self._on_rating)
        self.view.menu_wished.connect(self._on_menu)
        model.changed.connect(self._show)
        QShortcut(QKeySequence.StandardKey.Close, self, self.close)
        self.finished.connect(self._on_finished)  # Escape, too, which is no closeEvent
        self._on_chosen(None)
        self._show()

    def _head(self) -> QWidget:
        bar = QWidget()
        bar.setObjectName("treeHead")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.title = ElidedLabel("", "headline")
        self.count = PlainLabel("", "muted")
        row = QHBoxLayout(bar)
        row.setContentsMargins(16, 8, 12, 8)
        row.setSpacing(8)
        row.addWidget(self.title, 1)
        row.addWidget(self.count)
        row.addSpacing(8)
        for name, says, slot in (
            ("zoom-out", self.tr("Smaller (-)"), lambda: self.view.zoom(0.8)),
            ("zoom-in", self.tr("Larger (+)"), lambda: self.view.zoom(1.25)),
            ("fit", self.tr("All of the family (Home)"), self.view.fit),
        ):
            button = icon_button(name, says)
            button.clicked.connect(slot)
            row.addWidget(button)
        return bar

    def _foot(self) -> QWidget:
        bar = QWidget()
        bar.setObjectName("detailsBar")
        bar.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.prompt = ElidedLabel()
        self.prompt.setFixedHeight(20)
        self.change = ElidedLabel("", "muted")
        self.change.setFixedHeight(18)
        self.facts = ElidedLabel("", "faint")
        self.facts.setFixedHeight(18)
        words = QVBoxLayout()
        words.setSpacing(1)
        for label in (self.prompt, self.change, self.facts):
            words.addWidget(label)
        self.use = QPushButton(icon("reuse"), self.tr("Use these settings"))
        self.use.setObjectName("treeUse")
        self.use.setIconSize(QSize(16, 16))
        self.use.setAutoDefault(False)
        self.use.clicked.connect(lambda: self._wish(self.use_wished))
        self.star = icon_button("star-off", self.tr("Star it (1 to 5 give as many, 0 none)"), icon_on="star")
        self.star.clicked.connect(self._on_star)
        self.verify = icon_button("verify", self.tr("Make it again and verify"))
        self.verify.clicked.connect(lambda: self._wish(self.verify_wished))
        self.trash = icon_button("trash", self.tr("Move it to the trash (Delete)"))
        self.trash.clicked.connect(lambda: self._wish(self.delete_wished))
        row = QHBoxLayout(bar)
        row.setContentsMargins(16, 10, 12, 10)
        row.setSpacing(4)
        row.addLayout(words, 1)
        row.addSpacing(12)
        for button in (self.star, self.verify, self.trash):
            row.addWidget(button)
        row.addSpacing(8)
        row.addWidget(self.use)
        return bar

    def _show(self) -> None:
        view = self._model.view
        if view is None:
            return
        self.view.show_family(view)
        start = view.picture(view.family.start)
        prompt = start.recipe.prompt if start is not None else ""
        self.title.setText(self.tr("Family of “{prompt}”").replace("{prompt}", prompt or self.tr("(no prompt)")))
        self.count.setText(_count_words(self, view))
        self._on_chosen(self.view.picture)

    def _on_chosen(self, picture: Picture | None) -> None:
        for button in (self.use, self.star, self.verify, self.trash):
            button.setEnabled(picture is not None)
        view = self._model.view
        if picture is None or view is None:
            for label in (self.prompt, self.change, self.facts):
                label.setText("")
            return
        self.prompt.setText(picture.recipe.prompt or self.tr("(no prompt)"))
        self.change.setText(_came_words(self, view, picture))
        self.facts.setText(f"{facts_line(picture.recipe)}  ·  {picture.created.astimezone():%Y-%m-%d %H:%M}")
        self.star.setChecked(picture.marks.rating > 0)
        is_trashed = picture.id in view.family.trashed
        self.trash.setEnabled(not is_trashed)
        self.verify.setEnabled(not is_trashed)
        if is_trashed:
            self.facts.setText(f"{self.tr('In the trash')}  ·  {self.facts.text()}")

    def _on_finished(self, _result: int) -> None:
        self.closed.emit()

    def _on_activated(self, picture: Picture) -> None:
        self.show_wished.emit(picture)

    def _wish(self, signal: object) -> None:
        if self.view.picture is not None:
            signal.emit(self.view.picture)  # type: ignore[attr-defined]  # a bound Signal

    def _on_star(self) -> None:
        if (picture := self.view.picture) is not None:
            self.rating_wished.emit(picture, 0 if picture.marks.rating else 5)

    def _on_rating(self, rating: int) -> None:
        if (picture := self.view.picture) is not None:
            self.rating_wished.emit(picture, rating)

    def _on_menu(self, at: QPoint) -> None:
        picture = self.view.picture
        if picture is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(icon("reuse"), self.tr("Use these settings"), lambda: self.use_wished.emit(picture))
        menu.addAction(icon("image"), self.tr("Show in the window"), lambda: self.show_wished.emit(picture))
        menu.addAction(icon("verify"), self.tr("Make again and verify"), lambda: self.verify_wished.emit(picture))
        menu.addSeparator()
        menu.addAction(icon("star"), self.tr("Five stars"), lambda: self.rating_wished.emit(picture, 5))
        if self._model.view is not None and picture.id in self._model.view.family.trashed:
            menu.addAction(icon("undo"), self.tr("Bring back from the trash"), lambda: self.back_wished.emit(picture))
        else:
            menu.addAction(icon("trash"), self.tr("Move to trash"), lambda: self.delete_wished.emit(picture))
        menu.popup(at)

    # Qt overrides
    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange) and hasattr(self, "view"):
            self._show()  # lines and frames have colours of the theme


def _count_words(page: TreePage, view: FamilyView) -> str:
    count = len(view.family.members)
    words = page.tr("1 picture") if count == 1 else page.tr("{n} pictures").replace("{n}", str(count))
    if view.family.is_cut:
        return page.tr("the nearest {n} of a larger family").replace("{n}", str(count))
    return words


def _came_words(page: TreePage, view: FamilyView, picture: Picture) -> str:
    """From what it came, with every change."""
    if picture.id not in view.changes:
        return page.tr("The first of its line")
    link, changes = view.changes[picture.id]
    if not changes:
        return kind_words(link.kind).capitalize()
    said = [f"{change.title} {change.before} → {change.after}" for change in changes]
    return f"{kind_words(link.kind).capitalize()}: {'  ·  '.join(said)}"
