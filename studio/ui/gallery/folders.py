"""The folders of the history: their rows beside the grid, and the menu of one, for a row and for the File menu."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QPoint, Signal
from PySide6.QtGui import QContextMenuEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from studio.core.library import ImportedFolder
from studio.state.gallery_model import GalleryModel
from studio.state.imports import Imports
from studio.ui.gallery.side import SideRow
from studio.ui.gallery.terms import has_term, with_term
from studio.ui.icons import icon
from studio.ui.widgets.buttons import icon_button
from studio.ui.widgets.text import PlainLabel, plain_tooltip

Reveal = Callable[[ImportedFolder], None]


def tr(text: str) -> str:
    """Translate now."""
    return QCoreApplication.translate("folders", text)


def folder_names(folders: Sequence[ImportedFolder]) -> dict[ImportedFolder, str]:
    """What each is called: its name, with the folder above where two have the same."""
    known = Counter(folder.path.name for folder in folders)
    return {f: f"{f.path.name} ({f.path.parent.name})" if known[f.path.name] > 1 else f.path.name for f in folders}


class FolderMenus:
    """Fills menus with what can be done about one folder. `reveal` opens it in the file manager."""

    def __init__(self, model: GalleryModel, imports: Imports, reveal: Reveal) -> None:
        self._model, self.imports, self._reveal = model, imports, reveal

    def fill(self, menu: QMenu, folder: ImportedFolder) -> QMenu:
        """The menu of a folder; a folder for copies of files can be neither watched nor taken out."""
        menu.addAction(icon("search"), tr("&Show only its pictures")).triggered.connect(lambda: self.show_only(folder))
        menu.addAction(icon("open"), tr("&Open the folder")).triggered.connect(lambda: self._reveal(folder))
        if not folder.own:
            words = tr("&Watch it no longer") if folder.watched else tr("&Watch it for new pictures")
            watch = menu.addAction(icon("eye-off" if folder.watched else "eye"), words)
            watch.triggered.connect(lambda: self.imports.watch(folder, not folder.watched))
            menu.addSeparator()
            out = menu.addAction(icon("close"), tr("&Take it out of the history"))
            out.triggered.connect(lambda: self.imports.take_out(folder))
        return menu

    def fill_all(self, menu: QMenu) -> None:
        """A menu for each folder of the history."""
        menu.clear()
        for folder, name in folder_names(self.imports.folders).items():
            self.fill(menu.addMenu(icon("folder"), name.replace("&", "&&")), folder)
        if menu.isEmpty():
            menu.addAction(tr("No folder was added so far")).setEnabled(False)

    def show_only(self, folder: ImportedFolder) -> None:
        """The search asks for this folder, or no longer."""
        text = self._model.query.text
        value = self.term(folder)
        wanted = "" if has_term(text, "folder", value) else value
        self._model.set_query(replace(self._model.query, text=with_term(text, "folder", wanted)))

    def term(self, folder: ImportedFolder) -> str:
        """What the search calls it: its name where only one has it, else its path."""
        alike = [other for other in self.imports.folders if other.path.name == folder.path.name]
        return folder.path.name if len(alike) == 1 else str(folder.path)


class FolderSide(QWidget):
    """The rows of the folders, with a heading; not there while the history shows its own pictures only.

    Signals: `add_wished()` - another folder.
    """

    add_wished = Signal()

    def __init__(self, model: GalleryModel, menus: FolderMenus, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model, self._menus = model, menus
        self.add = icon_button("plus", self.tr("Add a folder's pictures"), px=14)
        self.add.clicked.connect(self.add_wished)
        head = QHBoxLayout()
        head.setContentsMargins(6, 12, 0, 2)
        head.addWidget(PlainLabel(self.tr("Folders"), look="title"))
        head.addStretch(1)
        head.addWidget(self.add)
        self.rows = QVBoxLayout()
        self.rows.setSpacing(2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(head)
        column.addLayout(self.rows)
        menus.imports.changed.connect(self._fill)
        model.listed.connect(self._show)
        self._fill()

    def made_rows(self) -> list[FolderRow]:
        """The rows as they stand."""
        widgets = (item.widget() for n in range(self.rows.count()) if (item := self.rows.itemAt(n)) is not None)
        return [widget for widget in widgets if isinstance(widget, FolderRow)]

    def _fill(self) -> None:
        names = folder_names(self._menus.imports.folders)
        if [row.folder.path for row in self.made_rows()] != [folder.path for folder in names]:
            self._make_rows(len(names))
        for row, (folder, name) in zip(self.made_rows(), names.items(), strict=True):
            row.tell(folder, name)
        self.setVisible(bool(names))
        self._show()

    def _make_rows(self, count: int) -> None:
        for row in self.made_rows():
            self.rows.removeWidget(row)
            row.hide()
            row.deleteLater()
        for _ in range(count):
            row = FolderRow()
            row.clicked.connect(lambda _checked=False, row=row: self._menus.show_only(row.folder))
            row.menu_wished.connect(lambda at, row=row: self._open_menu(row.folder, at))
            self.rows.addWidget(row)

    def _open_menu(self, folder: ImportedFolder, at: QPoint) -> None:
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        self._menus.fill(menu, folder).popup(at)

    def _show(self) -> None:
        for row in self.made_rows():
            row.setChecked(has_term(self._model.query.text, "folder", self._menus.term(row.folder)))


class FolderRow(SideRow):
    """A folder, as last told. Signals: `menu_wished(QPoint)` - at a global place."""

    menu_wished = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("folder", "", parent=parent)
        self.folder = ImportedFolder(path=Path())

    def tell(self, folder: ImportedFolder, name: str) -> None:
        """Which folder it is, and how it is with it."""
        self.folder = folder
        self.describe("image-missing" if folder.gone else "folder", name, folder.count)
        if folder.own:
            says = self.tr("Copies of files that you gave to the history.")
        elif folder.gone:
            says = self.tr("It cannot be reached now; its pictures come back with it.")
        elif folder.watched:
            says = self.tr("New pictures in it come by themselves.")
        else:
            says = self.tr("As it was when it was added.")
        hand = self.tr("Right-click to open it, watch it or take it out.")
        plain_tooltip(self, f"{folder.path}\n{says}\n{hand}")

    # Qt overrides
    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        at = event.globalPos()
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            at = self.mapToGlobal(self.rect().bottomLeft())
        self.menu_wished.emit(at)
