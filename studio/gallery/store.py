"""The gallery's front: save, find, page, throw away, bring back. Files first, rows second."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from studio.core.errors import BadInputImage, BadRecipe, StorageProblem
from studio.core.paths import Folders
from studio.core.picture import MadeWith, Picture
from studio.core.pixels import Pixels
from studio.core.recipe import Recipe
from studio.gallery import png
from studio.gallery.durable import PART, make_folder, move_once, storage_problem, write_new
from studio.gallery.foreign.door import AskPlugins, usable_recipe
from studio.gallery.index import Index, Place
from studio.gallery.index_file import IN_MEMORY, is_damage, memory_index, open_index, set_aside
from studio.gallery.inputs import Inputs
from studio.gallery.names import file_of, is_id, new_id
from studio.gallery.repair import match, sweep
from studio.gallery.rows import picture_of, row_of
from studio.gallery.thumbs import Thumbnails

T = TypeVar("T")
_ROW_LATER = "The picture is saved, but the history index could not be written ({}); it is made up for later."


class GalleryStore:
    """All pictures below `folders`. Any method may be called from any thread; the first that needs it does `open`.

    The PNGs are the truth and the index follows them, so no state of the index can keep the store from opening or a
    picture from being saved. `notices` holds sentences for the artist about what was repaired or could not be done.
    Mutable state, under one lock: the index, the last id, pictures whose row is still to be written, the notices.
    """

    def __init__(self, folders: Folders, plugins: AskPlugins | None = None) -> None:
        self.folders, self._plugins = folders, plugins
        self.inputs = Inputs(folders.inputs)
        self._thumbnails = Thumbnails(folders.thumbnails)
        self._lock = threading.RLock()
        self._index: Index | None = None
        self._last_id = ""
        self._unlisted: dict[str, Picture] = {}
        self._notices: list[str] = []

    @property
    def notices(self) -> tuple[str, ...]:
        return tuple(self._notices)  # without the lock: the UI thread asks, and must not wait for a disk

    def open(self) -> GalleryStore:
        """Finish or clear away interrupted saves, open or rebuild the index. Raises nothing; see `notices`."""
        with self._lock:
            if self._index is None:
                self._probe()
                with suppress(OSError):
                    self._notices += sweep(self.folders).notices()
                self._open_index()
        return self

    def close(self) -> None:
        """Let go of the index. The store opens again when it is used again."""
        with self._lock:
            if self._index is not None:
                self._list_unlisted()
                self._index.close()
                self._index = None

    def add(self, pixels: Pixels, recipe: Recipe, made_with: MadeWith) -> Picture:
        """Save a picture: when this returns, its file is on disk under its final name.

        A row that cannot be written is made up for later and never costs the picture. Raises StorageProblem when the
        file cannot be written; then nothing is left behind and the same call may be repeated.
        """
        self.open()
        created = datetime.now(UTC)
        picture_id = self._next_id(created)
        file = file_of(picture_id)
        path = self.folders.pictures / file
        try:
            data = png.encode(pixels, recipe, made_with, picture_id, created, self._inputs_of(recipe))
            write_new(path, data)
        except (OSError, MemoryError) as error:
            what, kept = "The picture could not be saved", "it is still in memory"
            raise storage_problem(what, kept, self.folders.pictures, error) from None
        picture = Picture(
            id=picture_id,
            recipe=png.stored_form(recipe),
            made_with=made_with,
            file=path,
            width=pixels.width,
            height=pixels.height,
            created=created,
        )
        self._list(picture)
        return picture

    def get(self, picture_id: str) -> Picture | None:
        """The picture of an id, also one in the trash; None for an unknown one."""
        with self._lock:
            if picture_id in self._unlisted:
                return self._unlisted[picture_id]
        row = self._look(lambda index: index.get(picture_id))
        return None if row is None else picture_of(row, self.folders)

    def page(self, offset: int, limit: int) -> tuple[Picture, ...]:
        """At most `limit` pictures, newest first, after the first `offset`. Trashed and missing ones are left out."""
        with self._lock:
            unlisted = sorted(self._unlisted.values(), key=lambda picture: picture.id, reverse=True)
        head = unlisted[offset : offset + limit]
        rows = self._look(lambda index: index.page(max(0, offset - len(unlisted)), limit - len(head)))
        pictures = {row: picture_of(row, self.folders) for row in rows}
        lost = [row for row, picture in pictures.items() if picture is None]  # neither row nor file can be read
        if lost and all(is_id(row.id) and self._note_place(Place(row.id, row.file, row.trashed, 1)) for row in lost):
            return self.page(offset, limit)  # so that a page is only short where the pictures end
        return (*head, *(picture for picture in pictures.values() if picture is not None))

    def count(self) -> int:
        """How many pictures `page` goes through."""
        return self._look(lambda index: index.count()) + len(self._unlisted)

    def recipe_of(self, path: Path) -> Recipe:
        """The recipe in a picture of the studio or of another program; embedded control pictures come into `inputs`.

        Raises BadInputImage, BadRecipe, StorageProblem.
        """
        try:
            recipe, _, inputs = png.recipe_of(path)
        except BadRecipe:
            return usable_recipe(path, plugins=self._plugins)
        for digest, data in inputs.items():
            with suppress(BadInputImage):  # the recipe is worth having without it; its layer will say what is missing
                self.inputs.restore(digest, data)
        return recipe

    def thumbnail(self, picture: Picture) -> Pixels:
        """A small version, long side at most 256, from the cache. Raises BadInputImage when the file cannot be read."""
        return self._thumbnails.thumbnail(picture)

    def remove(self, picture_id: str) -> None:
        """Move a picture to the trash folder; `restore` undoes it. Raises StorageProblem, then nothing has changed."""
        self._move(picture_id, trashed=1, what="The picture could not be moved to the trash")

    def restore(self, picture_id: str) -> Picture:
        """Bring a picture back from the trash to where it was. Raises StorageProblem."""
        return self._move(picture_id, trashed=0, what="The picture could not be brought back from the trash")

    def _move(self, picture_id: str, trashed: int, what: str) -> Picture:
        with self._lock:
            self._list_unlisted()
            picture = self.get(picture_id)
            if picture is None:
                raise StorageProblem(f"{what}: it is not in the history.", "Nothing was changed.", picture_id)
            pictures, trash = self.folders.pictures, self.folders.trash
            file = picture.file.relative_to(trash if picture.file.is_relative_to(trash) else pictures)
            source, target = (pictures / file, trash / file) if trashed else (trash / file, pictures / file)
            gone = bool(trashed) and not source.exists() and not target.exists()  # deleted by other means: let it go
            try:
                if not gone:
                    move_once(source, target)
            except OSError as error:
                raise storage_problem(what, "it stays where it was", self.folders.root, error) from None
            self._note_place(Place(picture_id, file.as_posix(), trashed, int(gone)))
            return replace(picture, file=target)

    def _note_place(self, place: Place) -> bool:
        try:
            self._ask(lambda index: index.move([place]))
        except sqlite3.Error as error:
            self._notice(f"The history index could not be written ({error}); it is repaired at the next start.")
            return False
        return True

    def _list(self, picture: Picture) -> None:
        with self._lock:
            self._unlisted[picture.id] = picture
            self._list_unlisted()

    def _list_unlisted(self) -> None:
        """Write the rows that are still to be written; what fails stays for the next time or the next start."""
        if not self._unlisted:
            return
        rows = [row_of(picture, file_of(picture.id).as_posix()) for picture in self._unlisted.values()]
        try:
            self._ask(lambda index: index.insert(rows))
        except sqlite3.Error as error:
            self._notice(_ROW_LATER.format(error))
        else:
            self._unlisted.clear()

    def _look(self, question: Callable[[Index], T]) -> T:
        try:
            return self._ask(question)
        except sqlite3.Error as error:
            hint = "The pictures themselves are untouched. Try again; at the next start the history is built anew."
            raise StorageProblem("The history cannot be read at the moment.", hint, repr(error)) from None

    def _ask(self, question: Callable[[Index], T]) -> T:
        """Put a question to the index; one that turns out damaged or gone is replaced and asked again."""
        index = self._opened()
        try:
            return question(index)
        except sqlite3.Error as error:
            vanished = index.file is not None and not index.file.exists()
            if not vanished and not is_damage(error):
                raise
        with self._lock:
            if self._index is index:
                index.close()
                if index.file is not None:
                    set_aside(index.file)
                self._notice("The history index was damaged or gone and has been rebuilt from the pictures.")
                self._open_index()
        return question(self._opened())

    def _opened(self) -> Index:
        with self._lock:
            self.open()
            assert self._index is not None  # open() never leaves without one
            return self._index

    def _open_index(self) -> None:
        for _ in range(2):
            index, notices = open_index(self.folders.index)
            self._notices += notices
            try:
                self._adopt(index)
                return
            except sqlite3.Error as error:
                index.close()
                if index.file is None or not is_damage(error) or not set_aside(index.file):
                    break  # opened, but a full or failing disk takes no rows
        self._notice(IN_MEMORY)
        self._adopt(memory_index())

    def _adopt(self, index: Index) -> None:
        is_new = not index.places()
        self._notices += match(index, self.folders).notices(is_new)
        self._last_id = max(self._last_id, index.last_id(_far_ahead()))
        self._index = index

    def _next_id(self, now: datetime) -> str:
        with self._lock:
            self._last_id = new_id(now, self._last_id)
            return self._last_id

    def _inputs_of(self, recipe: Recipe) -> dict[str, bytes]:
        found = {}
        for ref in png.pictures_of(recipe):
            try:
                found[ref.digest] = self.inputs.read(ref)
            except BadInputImage:
                self._notice("A control picture was missing when a picture was saved; the picture is saved without it.")
        return found

    def _probe(self) -> None:
        try:
            make_folder(self.folders.pictures)
            probe = self.folders.pictures / f"probe.{secrets.token_hex(4)}{PART}"  # swept like any part after a kill
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            what, kept = "Pictures cannot be saved", "until then they stay in memory only"
            self._notice(str(storage_problem(what, kept, self.folders.pictures, error)))

    def _notice(self, words: str) -> None:
        if words not in self._notices:
            self._notices.append(words)


def _far_ahead() -> str:
    """An id after all that are to be believed: see `new_id`."""
    return new_id(datetime.now(UTC) + timedelta(days=400), "")
