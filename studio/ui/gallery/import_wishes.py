"""Joins what brings pictures into the history with the window: drops, choosing files and folders, the question, the menu."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QMimeData, QObject, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from studio.core.errors import StudioError
from studio.core.library import ImportedFolder
from studio.state.imports import Told
from studio.state.intake import local_file
from studio.ui.drops import brings_files
from studio.ui.gallery.folder_question import FolderQuestion
from studio.ui.gallery.folders import FolderMenus, FolderSide
from studio.ui.icons import icon

if TYPE_CHECKING:
    from studio.ui.main_window import MainWindow

_FILES = "*.png *.jpg *.jpeg *.webp"


class ImportWishes(QObject):
    """Mutable state: `question` while the artist is asked about folders; a second drop is asked about after it."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._state, self._imports = window, window.state, window.state.imports
        self.question: FolderQuestion | None = None
        self._waiting: list[tuple[Path, ...]] = []
        self.menus = FolderMenus(self._state.gallery, self._imports, self._reveal)
        self._imports.folders_given.connect(self.ask)
        self._imports.told.connect(self._tell)

    def make_side(self) -> FolderSide:
        """The rows of the folders for a page."""
        side = FolderSide(self._state.gallery, self.menus)
        side.add_wished.connect(self.add_folder)
        return side

    def take_drops(self, *widgets: QWidget) -> None:
        """Files and folders dropped on the first widget, or on the others around it, come into the history."""
        first, *others = widgets
        words = self.tr("Add to the history\nFiles are copied, folders stay where they are")
        target = self._window.zones.add(first, words, "history", self.drop, brings_files)
        for other in others:
            target.also(other)

    def fill_menu(self, file_menu: QMenu) -> None:
        """A menu of the folders into the File menu."""
        menu = QMenu(self.tr("&Folders in the history"), file_menu)
        menu.setIcon(icon("folder"))
        menu.aboutToShow.connect(partial(self.menus.fill_all, menu))
        self.menus.fill_all(menu)
        file_menu.insertMenu(self._window.commands["export"], menu)

    # What the artist wishes
    def drop(self, mime: QMimeData) -> None:
        """Files and folders of a drag."""
        paths = []
        for url in mime.urls():
            try:
                paths.append(local_file(url))
            except StudioError as error:
                self._state.messages.error(error)
        if paths:
            self._imports.take(paths)

    def choose_files(self) -> None:
        """Copy chosen files into the history."""
        dialog = self._dialog(self.tr("Import pictures into the history"), QFileDialog.FileMode.ExistingFiles)
        dialog.setNameFilter(self.tr("Pictures ({patterns})").replace("{patterns}", _FILES))
        dialog.filesSelected.connect(lambda files: self._imports.take([Path(file) for file in files]))
        dialog.open()

    def add_folder(self) -> None:
        """Pictures of another folder into the history, as they are now."""
        self._choose_folder(self.tr("Add a folder's pictures to the history"), watched=False)

    def watch_folder(self) -> None:
        """Pictures of another folder into the history, and those that come into it later."""
        self._choose_folder(self.tr("Watch a folder"), watched=True)

    def ask(self, folders: Sequence[Path]) -> None:
        """Ask how these folders shall come in."""
        if self.question is not None:
            self._waiting.append(tuple(folders))
            return
        question = self.question = FolderQuestion(folders, self._window)
        question.answered.connect(partial(self._add, tuple(folders)))
        question.finished.connect(self._on_answered)
        question.open()

    def _choose_folder(self, title: str, watched: bool) -> None:
        dialog = self._dialog(title, QFileDialog.FileMode.Directory)
        dialog.setOption(QFileDialog.Option.ShowDirsOnly)
        dialog.fileSelected.connect(lambda path: self._imports.add_folder(Path(path), watched))
        dialog.open()

    def _dialog(self, title: str, mode: QFileDialog.FileMode) -> QFileDialog:
        dialog = QFileDialog(self._window, title)
        dialog.setFileMode(mode)
        dialog.finished.connect(dialog.deleteLater)
        return dialog

    def _add(self, folders: tuple[Path, ...], watched: bool) -> None:
        for folder in folders:
            self._imports.add_folder(folder, watched)

    def _on_answered(self, _result: int) -> None:
        self.question = None
        if self._waiting:
            self.ask(self._waiting.pop(0))

    def _reveal(self, folder: ImportedFolder) -> None:
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder.path))):
            self._state.messages.warn(self.tr("No file manager could be opened."), str(folder.path))

    def _tell(self, told: Told) -> None:
        if told.is_step:
            self._window.wishes.tell_with_undo(told.headline, told.hint)
        elif told.hint:
            self._state.messages.warn(told.headline, told.hint)
        else:
            self._state.messages.info(told.headline)
