"""The gallery's front: save, find, mark, throw away, bring back. Files first, rows second."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from studio.core.errors import BadInputImage, BadRecipe, StorageProblem
from studio.core.found import Found
from studio.core.library import Brought, Completion, ImportedFolder, Link, Listing, Query
from studio.core.own_root import check, watch_over
from studio.core.paths import Folders
from studio.core.picture import MadeWith, Picture
from studio.core.pixels import Pixels
from studio.core.recipe import Recipe
from studio.gallery import care, png, to_copy
from studio.gallery.care import OnChange, Stopped
from studio.gallery.durable import move_once, storage_problem, write_new
from studio.gallery.finder import Finder
from studio.gallery.foreign.door import AskPlugins, usable_recipe
from studio.gallery.foreign.found import found_in
from studio.gallery.imported import Visit
from studio.gallery.index import GONE, Folder, Index, Place
from studio.gallery.inputs import Inputs
from studio.gallery.marks import change_of, changed
from studio.gallery.names import file_of, is_id, new_id
from studio.gallery.rows import Row, picture_of
from studio.gallery.shelf import Shelf
from studio.gallery.thumbs import Thumbnails


class GalleryStore:
    """All pictures below `folders`. Any method may be called from any thread; the first that needs it opens the index.

    The PNGs are the truth and the index follows them, so no state of the index can keep the store from opening or a
    picture from being saved. `notices` holds sentences for the artist about what was repaired or could not be done.
    With `read_only` (another studio works in this library) nothing is written: what would, raises StorageProblem.
    """

    def __init__(self, folders: Folders, plugins: AskPlugins | None = None, read_only: bool = False) -> None:
        self.folders, self._plugins = folders, plugins
        if not read_only:
            watch_over(folders.root)
        self.inputs = Inputs(folders.inputs)
        self._thumbnails = Thumbnails(folders.thumbnails)
        self._shelf = Shelf(folders, read_only)
        self._finder = Finder(self._shelf)

    @property
    def notices(self) -> tuple[str, ...]:
        return tuple(self._shelf.notices)  # without the lock: the UI thread asks, and must not wait for a disk

    def open(self) -> GalleryStore:
        """Finish or clear away interrupted saves, open or rebuild the index, compare it with the folders.

        Raises nothing; see `notices`. Takes time with the number of pictures: a window calls `open_quickly`.
        """
        self._shelf.open(compare=True)
        return self

    def open_quickly(self) -> GalleryStore:
        """Open the index as it is, in the same time whatever it holds; `care` does the rest later. Raises nothing."""
        self._shelf.open(compare=False)
        return self

    def check_writable(self) -> None:
        """Raise StorageProblem when no picture could be saved: before work whose outcome lives in memory only."""
        self._shelf.check_writable()
        self._shelf.probe()

    def finish_saves(self) -> None:
        """Finish or clear away what a kill interrupted between a picture's bytes and its name. Raises nothing."""
        self._shelf.sweep()

    def close(self) -> None:
        """Let go of the index. The store opens again when it is used again."""
        self._finder.keep()
        self._shelf.close()

    def add(self, pixels: Pixels, recipe: Recipe, made_with: MadeWith, parents: Sequence[Link] = ()) -> Picture:
        """Save a picture: when this returns, its file is on disk under its final name.

        A row that cannot be written is made up for later and never costs the picture. Raises StorageProblem when the
        file cannot be written; then nothing is left behind and the same call may be repeated.
        """
        self._shelf.check_writable()
        self.open_quickly()
        created = datetime.now(UTC)
        picture_id = self._next_id(created)
        file = file_of(picture_id)
        path = self.folders.pictures / file
        try:
            data = png.encode(pixels, recipe, made_with, picture_id, created, self._inputs_of(recipe), parents)
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
            parents=tuple(parents),
        )
        self._shelf.put(picture)
        return picture

    def get(self, picture_id: str) -> Picture | None:
        """The picture of an id, also one in the trash; None for an unknown one."""
        return next(iter(self.get_many([picture_id])), None)

    def get_many(self, ids: Iterable[str]) -> tuple[Picture, ...]:
        """The pictures of ids in their order, also those in the trash; unknown ones are left out."""
        wanted = tuple(dict.fromkeys(ids))
        found = {i: picture for i in wanted if (picture := self._shelf.find_unlisted(i)) is not None}
        rest = [picture_id for picture_id in wanted if picture_id not in found]
        if rest:
            rows = self._shelf.look(lambda index: index.rows_of(rest))
            found |= {picture.id: picture for picture in self._pictures_of(rows) if picture is not None}
        return tuple(found[picture_id] for picture_id in wanted if picture_id in found)

    def page(self, offset: int, limit: int) -> tuple[Picture, ...]:
        """At most `limit` pictures, newest first, after the first `offset`. Trashed and missing ones are left out."""
        unlisted = self._shelf.unlisted()
        head = unlisted[offset : offset + limit]
        rows = self._shelf.look(lambda index: index.page(max(0, offset - len(unlisted)), limit - len(head)))
        pictures = self._pictures_of(rows)
        lost = [row for row, picture in zip(rows, pictures, strict=True) if picture is None]  # nor can its file be read
        if lost and all(is_id(row.id) and self._shelf.move(Place(row.id, row.file, row.trashed, 1)) for row in lost):
            return self.page(offset, limit)  # so that a page is only short where the pictures end
        return (*head, *(picture for picture in pictures if picture is not None))

    def count(self) -> int:
        """How many pictures `page` goes through."""
        return self._shelf.look(lambda index: index.count()) + len(self._shelf.unlisted())

    def listing(self, query: Query) -> Listing:
        """All pictures that answer a query, in order. Raises BadQuery, StorageProblem."""
        return self._finder.listing(query)

    def pictures(self, keys: Iterable[int]) -> tuple[Picture | None, ...]:
        """The pictures of a listing's keys in their order; None for one that cannot be read any more."""
        wanted = tuple(keys)
        rows = self._shelf.look(lambda index: index.rows_at(key for key in wanted if key > 0)) if wanted else {}
        found = dict(zip(rows, self._pictures_of(list(rows.values())), strict=True))
        return tuple(found.get(key) if key > 0 else self.get(self._shelf.stands_for(key)) for key in wanted)

    def boards(self) -> tuple[tuple[str, int], ...]:
        """All boards by name, and how many pictures each has."""
        return self._finder.boards()

    def tags(self) -> tuple[tuple[str, int], ...]:
        """All tags by name, and how many pictures each has."""
        return self._finder.tags()

    def complete(self, text: str, cursor: int) -> tuple[Completion, ...]:
        """Ways to finish what is being typed at `cursor` of a search, the likeliest first."""
        return self._finder.complete(text, cursor)

    def similar(self, picture_id: str, count: int) -> tuple[str, ...]:
        """Ids of pictures that look alike, the nearest first; empty while the picture was not yet looked at."""
        return self._finder.similar(picture_id, count)

    def children(self, picture_id: str) -> tuple[str, ...]:
        """Ids of the pictures that came from one, oldest first, also of those in the trash."""
        return self._finder.children(picture_id)

    def mark(
        self,
        ids: Iterable[str],
        *,
        rating: int | None = None,
        note: str | None = None,
        add_tags: Iterable[str] = (),
        remove_tags: Iterable[str] = (),
        add_boards: Iterable[str] = (),
        remove_boards: Iterable[str] = (),
    ) -> tuple[Picture, ...]:
        """Change marks and give the pictures as they are now. What is not named stays.

        Raises StudioError for what cannot be a mark and StorageProblem when it cannot be kept; then nothing changed.
        """
        change = change_of(rating, note, add_tags, remove_tags, add_boards, remove_boards)
        self._shelf.check_writable()
        with self._shelf.lock:
            self._shelf.list_unlisted()
            pictures = self.get_many(ids)
            marks = {picture.id: changed(picture.marks, change) for picture in pictures}
            self._shelf.mark({p.id: marks[p.id] for p in pictures if marks[p.id] != p.marks})
        return tuple(replace(picture, marks=marks[picture.id]) for picture in pictures)

    def found_in(self, path: Path) -> Found:
        """What a picture of anybody says of how it was made, for the list before it is restored. Raises as `recipe_of`."""
        return found_in(path, self.inputs, self._plugins)

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

    def empty_trash(self) -> int:
        """Delete for good what is in the trash: how many pictures. Only ever on the artist's own wish.

        Raises StorageProblem; what was deleted by then stays deleted.
        """
        return care.empty_trash(self._shelf, self._thumbnails)

    def care(self, on_change: OnChange = lambda: None, stopped: Stopped = lambda: False) -> None:
        """All that `open_quickly` left out, and copies, looks, other folders: for a thread of its own; may take long.

        `on_change` is called in that thread when the history shows more or less than before. Raises nothing.
        """
        care.tend(self._shelf, self._thumbnails, on_change, stopped)
        self._finder.keep()

    def look_at_new(self, stopped: Stopped = lambda: False) -> int:
        """Work out how pictures look that were not looked at yet, for `similar` and colours: how many."""
        return self._shelf.look(lambda _: care.look_at_new(self._shelf, self._thumbnails, stopped))

    def import_folder(
        self,
        folder: Path,
        watched: bool = False,
        on_change: OnChange = lambda: None,
        stopped: Stopped = lambda: False,
    ) -> Visit:
        """Show the pictures of another folder, which stay where they are. Raises StudioError, StorageProblem."""
        return care.import_folder(self._shelf, folder, watched, on_change, stopped)

    def imported_folders(self) -> tuple[Folder, ...]:
        """The other folders whose pictures are shown."""
        return tuple(self._shelf.look(Index.folders))

    def bring(
        self, files: Iterable[Path], on_change: OnChange = lambda: None, stopped: Stopped = lambda: False
    ) -> Brought:
        """Copy single picture files into the library; the files given stay. Raises StorageProblem: see `brought`.

        What is stopped goes on when `care` is called after the next start.
        """
        return to_copy.bring(self._shelf, files, on_change, stopped)

    def other_folders(self) -> tuple[ImportedFolder, ...]:
        """As `imported_folders`, by name and with how many pictures of each are seen."""
        counts = self._shelf.look(Index.counts_by_place)
        own = os.path.abspath(self.folders.imported)
        found = [
            ImportedFolder(
                path=Path(folder.folder),
                watched=bool(folder.watched),
                gone=folder.gone == GONE,
                count=counts.get(folder.seq, 0),
                own=folder.folder == own,
            )
            for folder in self.imported_folders()
        ]
        return tuple(sorted(found, key=lambda folder: (folder.path.name.casefold(), str(folder.path))))

    def forget_folder(self, folder: Path) -> None:
        """Take another folder out of the history; its files stay, and so do its marks for when it comes back."""
        care.forget_folder(self._shelf, folder)

    def visit_folders(
        self, on_change: OnChange = lambda: None, stopped: Stopped = lambda: False, everything: bool = False
    ) -> None:
        """Look for new pictures in the watched folders, with `everything` see to the others too.

        Raises StorageProblem.
        """
        self._shelf.look(lambda _: care.visit_folders(self._shelf, on_change, stopped, everything))

    def _move(self, picture_id: str, trashed: int, what: str) -> Picture:
        self._shelf.check_writable()
        with self._shelf.lock:
            self._shelf.list_unlisted()
            picture = self.get(picture_id)
            if picture is None:
                raise StorageProblem(f"{what}: it is not in the history.", "Nothing was changed.", picture_id)
            pictures, trash = self.folders.pictures, self.folders.trash
            if not (picture.file.is_relative_to(trash) or picture.file.is_relative_to(pictures)):
                self._shelf.hide(picture_id, bool(trashed))  # of another folder: its file is the artist's
                return picture
            file = picture.file.relative_to(trash if picture.file.is_relative_to(trash) else pictures)
            source, target = (pictures / file, trash / file) if trashed else (trash / file, pictures / file)
            try:
                check(self.folders.root)
                gone = bool(trashed) and not source.exists() and not target.exists()  # by other means: let it go
                if not gone:
                    move_once(source, target)
            except OSError as error:
                raise storage_problem(what, "it stays where it was", self.folders.root, error) from None
            self._shelf.move(Place(picture_id, file.as_posix(), trashed, int(gone)))
            return replace(picture, file=target)

    def _opened(self) -> Index:
        return self._shelf.opened()

    def _pictures_of(self, rows: Sequence[Row]) -> list[Picture | None]:
        places = {}
        if any(row.place for row in rows):
            folders = self._shelf.look(lambda index: index.folders())
            places = {folder.seq: folder.folder for folder in folders}
        return [picture_of(row, self.folders, places) for row in rows]

    def _next_id(self, now: datetime) -> str:
        with self._shelf.lock:
            self._shelf.last_id = new_id(now, self._shelf.last_id)
            return self._shelf.last_id

    def _inputs_of(self, recipe: Recipe) -> dict[str, bytes]:
        found = {}
        for ref in png.pictures_of(recipe):
            try:
                found[ref.digest] = self.inputs.read(ref)
            except BadInputImage:
                self._shelf.notice(
                    "A control picture was missing when a picture was saved; the picture is saved without it."
                )
        return found
