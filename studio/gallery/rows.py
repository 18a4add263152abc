"""Between pictures, their PNG files and the rows of the index, with all that a search asks of a picture."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from studio.core.choices import Tiling
from studio.core.errors import StudioError
from studio.core.library import Link, LinkKind, Marks
from studio.core.paths import Folders
from studio.core.picture import MadeWith, Picture
from studio.core.recipe import Recipe
from studio.core.recipe_text import from_text, to_text, understood
from studio.core.schedulers import scheduler_name
from studio.gallery.marks import marks_from_text, marks_text
from studio.gallery.names import is_id, is_inside, time_of
from studio.gallery.png import made_with_from_text, made_with_text, read_imprint, stored_form
from studio.gallery.words import spaced

UNKNOWN = MadeWith(studio="", device="", dtype="", seconds=0.0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SKETCHES = ("scribble", "sketch")


class Row(NamedTuple):
    """One picture in the table. `file` is relative to its folder: the place's, or the trash with `trashed`."""

    id: str
    file: str
    width: int
    height: int
    created: str
    prompt: str
    recipe: str
    made_with: str
    checksum: int  # of what does not change, because SQLite does not notice a changed letter
    trashed: int = 0
    missing: int = 0
    place: int = 0
    parents: str = ""
    marks: str = ""


class Words(NamedTuple):
    """The searched texts of one picture, ready for the full-text index."""

    prompt: str
    raw: str
    negative: str
    note: str
    tags: str


class Entry(NamedTuple):
    """A row with what is found out about it once: numbers, words, facets ("model", "mini"), ids of parents."""

    row: Row
    made: int  # microseconds since 1970, by the id
    seed: int
    steps: int
    guidance: float
    rating: int
    words: Words
    facets: tuple[tuple[str, str], ...]
    parents: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.row.id


def row_of(picture: Picture, file: str) -> Entry:
    """The entry of a picture that was saved as `file`, a path relative to the pictures folder."""
    recipe = stored_form(picture.recipe)
    row = Row(
        id=picture.id,
        file=file,
        width=picture.width,
        height=picture.height,
        created=picture.created.isoformat(),
        prompt=recipe.prompt,
        recipe=to_text(recipe),
        made_with=made_with_text(picture.made_with),
        checksum=0,
        parents=_links_text(picture.parents),
        marks=marks_text(picture.marks),
    )
    return entry_of(row._replace(checksum=checksum(row)), recipe)


def entry_of(row: Row, recipe: Recipe | None = None) -> Entry:
    """All that is found out about a row; a row whose recipe cannot be read has only its marks."""
    if recipe is None:
        try:
            recipe = from_text(row.recipe)
        except StudioError:
            recipe = None
    marks = marks_from_text(row.marks)
    parents = tuple(dict.fromkeys(link.parent for link in _links(row.parents)))
    facets = [("has", "parent")] * bool(parents) + list(mark_facets(marks))
    facets += [("has", "sheet")] * ('"sheet": ' in row.made_with)  # written only of sheets
    words = Words("", "", "", spaced(marks.note), tag_words(marks))
    if recipe is None:
        return Entry(row, made_of(row.id), 0, 0, 0.0, marks.rating, words, tuple(facets), parents)
    words = words._replace(
        prompt=spaced(recipe.prompt), raw=spaced(recipe.raw_prompt), negative=spaced(recipe.negative_prompt)
    )
    facets += _recipe_facets(recipe)
    numbers = (recipe.seed, recipe.steps, recipe.guidance_scale, marks.rating)
    return Entry(row, made_of(row.id), *numbers, words, tuple(dict.fromkeys(facets)), parents)


def mark_facets(marks: Marks) -> tuple[tuple[str, str], ...]:
    """What marks add to the facets of a picture."""
    names = [("tag", tag) for tag in marks.tags] + [("board", board) for board in marks.boards]
    return tuple(names + [("has", "note")] * bool(marks.note.strip()))


def tag_words(marks: Marks) -> str:
    """Tags and boards as searched words."""
    return spaced("\n".join((*marks.tags, *marks.boards)))


def made_of(picture_id: str) -> int:
    """The time in an id in microseconds since 1970, 0 where it is none."""
    return (time_of(picture_id) - _EPOCH) // timedelta(microseconds=1) if is_id(picture_id) else 0


def row_from_file(folders: Folders, file: str, trashed: int) -> Entry | None:
    """The entry of a PNG in our folders, None when it carries no recipe or no id of the studio."""
    path = (folders.trash if trashed else folders.pictures) / file
    try:
        imprint = read_imprint(path)
    except StudioError:
        return None
    if not imprint.id:
        return None
    picture = Picture(
        id=imprint.id,
        recipe=imprint.recipe,
        made_with=imprint.made_with or UNKNOWN,
        file=path,
        width=imprint.width,
        height=imprint.height,
        created=imprint.created or time_of(imprint.id),
        parents=imprint.parents,
    )
    entry = row_of(picture, file)
    return entry._replace(row=entry.row._replace(trashed=trashed))


def picture_of(row: Row, folders: Folders, places: dict[int, str] | None = None) -> Picture | None:
    """The picture of a row, read from its PNG where the row is damaged; None when neither can be read.

    `places`: the other folders by number, for rows whose file lies in one of them.
    """
    if not is_inside(row.file) or not is_id(row.id):
        return None
    if row.checksum != checksum(row):
        fresh = None if row.place else row_from_file(folders, row.file, row.trashed)
        return None if fresh is None else picture_of(fresh.row._replace(marks=row.marks), folders)
    folder = folders.trash if row.trashed else folders.pictures
    if row.place:
        if row.place not in (places or {}):
            return None
        folder = Path((places or {})[row.place])
    try:
        recipe, partly = from_text(row.recipe), False
    except StudioError:
        recipe, partly = understood(row.recipe), True
    return Picture(
        id=row.id,
        recipe=recipe,
        made_with=made_with_from_text(row.made_with) or UNKNOWN,
        file=folder / row.file,
        width=row.width,
        height=row.height,
        created=datetime.fromisoformat(row.created).astimezone(UTC),
        parents=_links(row.parents),
        marks=marks_from_text(row.marks),
        partly=partly,
    )


def checksum(row: Row) -> int:
    """Over what never changes in a row."""
    fixed: tuple[object, ...] = (row.id, row.width, row.height, row.created, row.recipe, row.made_with)
    if row.parents:  # rows of schema 1 have none and keep their sum
        fixed = (*fixed, row.parents)
    return zlib.crc32(repr(fixed).encode("utf-8", "replace"))


def _recipe_facets(recipe: Recipe) -> list[tuple[str, str]]:
    kinds = [str(use.kind) for use in recipe.controls]
    plugins = [use.plugin.id for use in recipe.plugins] + [use.plugin.id for use in recipe.controls if use.plugin]
    scheduler = scheduler_name(recipe.scheduler, recipe.spacing)
    facets = [("model", recipe.model.name), ("scheduler", scheduler)]
    facets += [("control", kind) for kind in kinds] + [("plugin", plugin) for plugin in plugins]
    has = {
        "control": bool(kinds),
        "sketch": any(word in kind for kind in kinds for word in _SKETCHES),
        "plugin": bool(plugins),
        "start": recipe.init is not None,  # it began with a picture
        "negative": bool(recipe.negative_prompt.strip()),
        "tiling": recipe.tiling is not Tiling.OFF,
        "freeu": recipe.freeu is not None,
    }
    return facets + [("has", name) for name, true in has.items() if true]


def _links_text(links: tuple[Link, ...]) -> str:
    return json.dumps([[link.kind.value, link.parent] for link in links]) if links else ""


def _links(text: str) -> tuple[Link, ...]:
    try:
        pairs = json.loads(text) if text else []
        return tuple(Link(kind=LinkKind(kind), parent=str(parent)) for kind, parent in pairs)
    except (ValueError, TypeError, RecursionError):
        return ()
