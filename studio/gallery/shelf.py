"""The index as the store uses it: opened whatever its state, replaced when it breaks, made to follow the folders."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from studio.core.errors import StorageProblem
from studio.core.library import Marks
from studio.core.own_root import check, returns
from studio.core.paths import Folders
from studio.core.picture import Picture
from studio.gallery.durable import PART, make_folder, storage_problem
from studio.gallery.imported import folders_after
from studio.gallery.index import Index, Place
from studio.gallery.index_file import IN_MEMORY, is_damage, memory_index, open_index, open_to_read, set_aside
from studio.gallery.journal import Journal
from studio.gallery.names import file_of, new_id
from studio.gallery.repair import match, sweep
from studio.gallery.rows import row_of

T = TypeVar("T")
_ROW_LATER = "The picture is saved, but the history index could not be written ({}); it is made up for later."
_READ_ONLY = "This window only looks: another Diffusion Studio has this library open."


class Shelf:
    """Any method may be called from any thread.

    Mutable state, under one lock: the index, pictures whose row is still to be written with the keys that stand for
    them meanwhile, the last id, whether index and folders were compared, the notices.
    """

    def __init__(self, folders: Folders, read_only: bool = False) -> None:
        self.folders, self.read_only = folders, read_only
        self.journal = Journal(folders.root / "marks.jsonl")
        self.lock = threading.RLock()
        self.notices: list[str] = []
        self.last_id = ""
        self.compared = False
        self.passed_over: set[tuple[str, int]] = set()  # files of watched folders that say nothing
        self._index: Index | None = None
        self._returns = 0  # of the root, when the index was opened
        self._unlisted: dict[str, Picture] = {}
        self._stand_ins: dict[int, str] = {}  # negative keys of pictures that had no row when they were listed

    def open(self, compare: bool) -> None:
        """Open or rebuild the index; with `compare` see to it that it says what the folders hold. Raises nothing."""
        with self.lock:
            if self._index is None:
                if not self.read_only:
                    self._probe()
                if compare:
                    self.sweep()
                self._open_index(compare)

    def opened(self) -> Index:
        """The index, opened if need be."""
        with self.lock:
            if self._index is not None and self._returns != returns(self.folders.root):
                with suppress(sqlite3.Error):
                    self._index.close()
                self._open_index(compare=True)
            self.open(compare=False)
            assert self._index is not None  # open() never leaves without one
            return self._index

    def close(self) -> None:
        """Let go of the index."""
        with self.lock:
            if self._index is not None:
                self._list_unlisted()
                self._index.close()
                self._index, self.compared = None, False

    def sweep(self) -> None:
        """Finish or clear away interrupted saves."""
        if not self.read_only:
            with suppress(OSError):
                self.notice(*sweep(self.folders).notices())

    def compare(self, index: Index, on_change: Callable[[], None] = lambda: None) -> None:
        """Make the index follow the folders and the journal. May raise sqlite3.Error."""
        if not index.is_described():
            index.describe_anew()
        is_new = index.is_empty()
        found = match(index, self.folders, on_change, self.lock)
        self.notice(*found.notices(is_new))
        self.absorb(index, anew=True)  # all of it: marks have no checksum, the journal is what is right
        self.compared = True

    def absorb(self, index: Index, anew: bool = False) -> None:
        """Bring what the journal says, and these rows do not, into them. May raise sqlite3.Error."""
        with self.lock, suppress(OSError):
            known, size = index.journal_at(), self.journal.size()
            if known == size and not anew:
                return
            told = self.journal.read(0 if anew or known > size else known)
            if anew or told.end != known:
                if folders_after(index.folders(), told.folders)[0] != index.folders():
                    index.set_folders(*folders_after(index.folders(), told.folders))
                index.set_marks(told.marks, told.hidden, told.end)

    def notice(self, *sentences: str) -> None:
        """Keep sentences for the artist, each once."""
        self.notices += [words for words in sentences if words not in self.notices]

    def check_writable(self) -> None:
        """Raise StorageProblem when this window may only look."""
        if self.read_only:
            raise StorageProblem(_READ_ONLY, "Close the other window, or work there; nothing was changed.")

    def probe(self, kept: str = "nothing was made") -> None:
        """Raise StorageProblem when no picture can be saved, as far as that can be seen before."""
        try:
            make_folder(self.folders.pictures)
            probe = self.folders.pictures / f"probe.{secrets.token_hex(4)}{PART}"  # swept like any part after a kill
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            raise storage_problem("Pictures cannot be saved", kept, self.folders.pictures, error) from None

    def put(self, picture: Picture) -> None:
        """Write the row of a picture that was saved; what fails is made up for later."""
        with self.lock:
            self._unlisted[picture.id] = picture
            self._list_unlisted()

    def unlisted(self) -> list[Picture]:
        """Pictures without a row, newest first."""
        with self.lock:
            return sorted(self._unlisted.values(), key=lambda picture: picture.id, reverse=True)

    def find_unlisted(self, picture_id: str) -> Picture | None:
        """A picture without a row by its id."""
        with self.lock:
            return self._unlisted.get(picture_id)

    def list_unlisted(self) -> None:
        """Try once more to write the rows that are still to be written."""
        with self.lock:
            self._list_unlisted()

    def stand_in(self, picture_id: str) -> int:
        """A negative key for a picture without a row."""
        with self.lock:
            key = -1 - len(self._stand_ins)
            self._stand_ins[key] = picture_id
            return key

    def stands_for(self, key: int) -> str:
        """The id behind a negative key, "" for an unknown one."""
        return self._stand_ins.get(key, "")

    def move(self, place: Place) -> bool:
        """Write where a picture is; False when that has to wait for the next start."""
        try:
            self.ask(lambda index: index.move([place]))
        except sqlite3.Error as error:
            self.notice(f"The history index could not be written ({error}); it is repaired at the next start.")
            return False
        return True

    def mark(self, marks: dict[str, Marks]) -> None:
        """Write marks into the journal and then into the rows. Raises StorageProblem, then nothing has changed."""
        self._keep(lambda: self.journal.mark(marks))

    def hide(self, picture_id: str, hidden: bool) -> None:
        """Take a picture of another folder out of the history, or back; its file is not touched. As `mark`."""
        self._keep(lambda: self.journal.hide([picture_id], hidden))

    def _keep(self, write: Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            what, kept = "The mark could not be kept", "everything is as it was"
            raise storage_problem(what, kept, self.folders.root, error) from None
        try:
            self.ask(self.absorb)
        except sqlite3.Error as error:
            self.notice(f"The history index could not be written ({error}); it is repaired at the next start.")

    def look(self, question: Callable[[Index], T]) -> T:
        """As `ask`. Raises StorageProblem."""
        try:
            return self.ask(question)
        except sqlite3.Error as error:
            if (gone := self._gone()) is not None:
                what, kept = "The history cannot be read", "the pictures themselves are untouched"
                raise storage_problem(what, kept, self.folders.root, gone) from None
            hint = "The pictures themselves are untouched. Try again; at the next start the history is built anew."
            raise StorageProblem("The history cannot be read at the moment.", hint, repr(error)) from None

    def ask(self, question: Callable[[Index], T]) -> T:
        """Put a question to the index; one that turns out damaged or gone is replaced and asked again."""
        index = self.opened()
        try:
            return question(index)
        except sqlite3.Error as error:
            vanished = index.file is not None and not index.file.exists()
            if self.read_only or (not vanished and not is_damage(error)) or self._gone() is not None:
                raise
        self.replace(index)
        return question(self.opened())

    def replace(self, index: Index) -> None:
        """Put a damaged index aside and another one, that follows the folders, in its place."""
        with self.lock:
            if self._index is index:
                index.close()
                if index.file is not None:
                    set_aside(index.file)
                self.notice("The history index was damaged or gone and has been rebuilt from the pictures.")
                self._open_index(compare=True)

    def _open_index(self, compare: bool) -> None:
        if self.read_only:
            index = open_to_read(self.folders.index)
            self._adopt(index or memory_index(), compare=index is None)
            return
        for _ in range(2):
            index, notices = open_index(self.folders.index)
            self.notice(*notices)
            try:
                self._adopt(index, compare or bool(notices))
                return
            except sqlite3.Error as error:
                index.close()
                if index.file is None or not is_damage(error) or not set_aside(index.file):
                    break  # opened, but a full or failing disk takes no rows
        self.notice(IN_MEMORY)
        self._adopt(memory_index(), compare=True)

    def _adopt(self, index: Index, compare: bool) -> None:
        if compare or index.is_empty():
            self.compare(index)
        self.last_id = max(self.last_id, index.last_id(_far_ahead()))
        self._index, self._returns = index, returns(self.folders.root)

    def _list_unlisted(self) -> None:
        if not self._unlisted:
            return
        rows = [row_of(picture, file_of(picture.id).as_posix()) for picture in self._unlisted.values()]
        try:
            self.ask(lambda index: index.insert(rows))
        except sqlite3.Error as error:
            self.notice(_ROW_LATER.format(error))
        else:
            self._unlisted.clear()

    def _gone(self) -> OSError | None:
        """What says that the whole library is not where it was: then there is nothing to repair."""
        try:
            check(self.folders.root)
        except OSError as error:
            return error
        return None

    def _probe(self) -> None:
        try:
            self.probe("until then they stay in memory only")
        except StorageProblem as problem:
            self.notice(str(problem))


def _far_ahead() -> str:
    """An id after all that are to be believed: see `new_id`."""
    return new_id(datetime.now(UTC) + timedelta(days=400), "")
