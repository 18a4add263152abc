"""Pictures from elsewhere come into the history and go out again: single files copied, whole folders shown in place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from studio.core.errors import StudioError
from studio.core.library import Brought, ImportedFolder

if TYPE_CHECKING:
    from studio.core.picture import Picture
    from studio.state.background import Background
    from studio.state.gallery_model import GalleryModel
    from studio.state.librarian import Librarian

OnChange = Callable[[], None]
Stopped = Callable[[], bool]
FILES_MAX = 10_000  # of one drop


class Library(Protocol):
    """What this needs of the gallery; every method is called in a background thread and may raise StudioError."""

    def bring(self, files: Sequence[Path], on_change: OnChange, stopped: Stopped, /) -> Brought: ...
    def import_folder(self, folder: Path, watched: bool, on_change: OnChange, stopped: Stopped, /) -> object: ...
    def forget_folder(self, folder: Path, /) -> None: ...
    def other_folders(self) -> Sequence[ImportedFolder]: ...
    def remove(self, picture_id: str, /) -> object: ...
    def restore(self, picture_id: str, /) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was done, for the artist. `is_step`: it is the newest step of the undo stack."""

    headline: str
    hint: str = ""
    is_step: bool = False


class Imports(QObject):
    """Every method returns at once. What was done is one undo step each, whose undo touches none of the artist's files.

    Mutable state: `_folders` as last read, and `_is_known`, whether they were.

    Signals: `folders_given(tuple of Path)` - folders were dropped: the artist must say whether they are watched;
    `changed()` - the folders of the history are others; `told(Told)`; `failed(StudioError)`.
    """

    folders_given = Signal(object)
    changed = Signal()
    told = Signal(object)
    failed = Signal(object)

    def __init__(
        self,
        library: Library,
        librarian: Librarian,
        gallery: GalleryModel,
        undo_stack: QUndoStack,
        background: Background,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._library, self._librarian, self._undo, self._background = library, librarian, undo_stack, background
        self._folders: tuple[ImportedFolder, ...] = ()
        self._is_known = False
        gallery.listed.connect(self._on_listed)
        librarian.changed.connect(self.refresh)

    @property
    def folders(self) -> tuple[ImportedFolder, ...]:
        """The other folders that the history shows, by name."""
        return self._folders

    def shown_in_place(self, pictures: Iterable[Picture]) -> int:
        """How many of these lie in folders of the artist's: deleting takes them out of the history, their files stay."""
        theirs = [folder.path for folder in self._folders if not folder.own]
        return sum(any(picture.file.is_relative_to(path) for path in theirs) for picture in pictures)

    def refresh(self) -> None:
        """Read the list of folders anew; `changed` follows if it is another."""
        read = self._library.other_folders
        self._background.run_latest("folders", lambda: tuple(read()), self._on_folders, lambda _: None)

    # Coming in
    def take(self, paths: Sequence[Path]) -> None:
        """Dropped or chosen: files are copied into the library, folders are asked about by `folders_given`."""
        self._background.run(partial(_sorted_out, tuple(paths)), self._on_sorted, self.failed.emit)

    def add_folder(self, folder: Path, watched: bool) -> None:
        """Show the pictures of a folder; with `watched` new ones come by themselves. Its files stay where they are."""
        is_new = Path(os.path.abspath(folder)) not in (known.path for known in self._folders)
        self._show(folder, watched, partial(self._on_folder_in, folder, watched, is_new))

    def watch(self, folder: ImportedFolder, watched: bool) -> None:
        """Look into a folder of the history for new pictures from now on, or no longer."""
        self._show(folder.path, watched, self._settle)

    # Going out
    def take_out(self, folder: ImportedFolder) -> None:
        """Show its pictures no longer. Files stay, and stars and tags are kept for when it comes back."""
        self._hide(folder.path, partial(self._on_folder_out, folder))

    # The work
    def _show(self, folder: Path, watched: bool, done: Callable[[object], None]) -> None:
        self._librarian.do(partial(self._library.import_folder, folder, watched), done, self.failed.emit)

    def _hide(self, folder: Path, done: Callable[[object], None]) -> None:
        self._librarian.do(lambda *_: self._library.forget_folder(folder), done, self.failed.emit)

    def _move(self, ids: tuple[str, ...], back: bool) -> None:
        move = self._library.restore if back else self._library.remove
        self._librarian.do(lambda *_: _each(move, ids), self._settle, self._on_not_moved)

    def _on_not_moved(self, error: StudioError) -> None:
        self.failed.emit(error)
        self._settle()

    def _settle(self, _result: object = None) -> None:
        self._librarian.changed.emit()
        self._librarian.look()

    # Answers
    def _on_sorted(self, found: tuple[tuple[Path, ...], tuple[Path, ...]]) -> None:
        files, folders = found
        if files:
            self._librarian.do(partial(self._library.bring, files), self._on_brought, self.failed.emit)
        if folders:
            self.folders_given.emit(folders)

    def _on_brought(self, found: Brought) -> None:
        ids = found.added
        if ids:
            words = self.tr("import %n pictures", "", len(ids)) if len(ids) > 1 else self.tr("import picture")
            self._undo.push(_Step(words, partial(self._move, ids, True), partial(self._move, ids, False)))
        self.told.emit(Told(headline=found.sentence(), hint=found.not_taken(), is_step=bool(ids)))
        if found.trouble is not None:
            self.failed.emit(found.trouble)
        self._settle()

    def _on_folder_in(self, folder: Path, watched: bool, is_new: bool, visit: Any) -> None:  # Any: the gallery's Visit
        if is_new:
            words = self.tr("import folder “{name}”").replace("{name}", folder.name)
            show = partial(self._show, folder, watched, self._settle)
            self._undo.push(_Step(words, show, partial(self._hide, folder, self._settle)))
        self.told.emit(Told(headline=str(visit.sentence(str(folder))), is_step=is_new))
        self._settle()

    def _on_folder_out(self, folder: ImportedFolder, _nothing: object) -> None:
        words = self.tr("take out folder “{name}”").replace("{name}", folder.path.name)
        show = partial(self._show, folder.path, folder.watched, self._settle)
        self._undo.push(_Step(words, partial(self._hide, folder.path, self._settle), show))
        headline = self.tr("The folder “{name}” is out of the history.").replace("{name}", folder.path.name)
        hint = self.tr("Its files are untouched; stars, tags and notes are kept for when it comes back.")
        self.told.emit(Told(headline=headline, hint=hint, is_step=True))
        self._settle()

    def _on_listed(self) -> None:
        if not self._is_known:  # not before the first rows are there
            self.refresh()

    def _on_folders(self, folders: tuple[ImportedFolder, ...]) -> None:
        self._is_known = True
        if folders != self._folders:
            self._folders = folders
            self.changed.emit()


class _Step(QUndoCommand):
    """Something that is done already when it is pushed."""

    def __init__(self, words: str, forth: Callable[[], None], back: Callable[[], None]) -> None:
        super().__init__(words)
        self._forth, self._back, self._done = forth, back, True

    def redo(self) -> None:
        if not self._done:
            self._forth()
        self._done = False

    def undo(self) -> None:
        self._back()


def _each(move: Callable[[str], object], ids: Sequence[str]) -> None:
    """One that cannot be moved does not keep the others; then raises the first StudioError."""
    errors: list[StudioError] = []
    for picture_id in ids:
        try:
            move(picture_id)
        except StudioError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _sorted_out(paths: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Files, each once, and folders. Reads the disk."""
    folders = tuple(dict.fromkeys(path for path in paths if path.is_dir()))
    files = tuple(dict.fromkeys(path for path in paths if path not in folders))
    return files[:FILES_MAX], folders
