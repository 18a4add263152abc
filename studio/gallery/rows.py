"""Between pictures, their PNG files and the rows of the index."""

from __future__ import annotations

import zlib
from datetime import UTC, datetime

from studio.core.errors import StudioError
from studio.core.paths import Folders
from studio.core.picture import MadeWith, Picture
from studio.core.recipe_text import from_text, to_text
from studio.gallery.index import Row
from studio.gallery.names import is_id, is_inside, time_of
from studio.gallery.png import made_with_from_text, made_with_text, read_imprint, stored_form

UNKNOWN = MadeWith(studio="", device="", dtype="", seconds=0.0)


def row_of(picture: Picture, file: str) -> Row:
    """The row of a picture that was saved as `file`, a path relative to the pictures folder."""
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
    )
    return row._replace(checksum=_checksum(row))


def row_from_file(folders: Folders, file: str, trashed: int) -> Row | None:
    """The row of a PNG in our folders, None when it carries no recipe or no id of the studio."""
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
    )
    return row_of(picture, file)._replace(trashed=trashed)


def picture_of(row: Row, folders: Folders) -> Picture | None:
    """The picture of a row, read from its PNG where the row is damaged; None when neither can be read."""
    if not is_inside(row.file) or not is_id(row.id):
        return None
    if row.checksum != _checksum(row):
        fresh = row_from_file(folders, row.file, row.trashed)
        return None if fresh is None else picture_of(fresh, folders)
    return Picture(
        id=row.id,
        recipe=from_text(row.recipe),
        made_with=made_with_from_text(row.made_with) or UNKNOWN,
        file=(folders.trash if row.trashed else folders.pictures) / row.file,
        width=row.width,
        height=row.height,
        created=datetime.fromisoformat(row.created).astimezone(UTC),
    )


def _checksum(row: Row) -> int:
    fixed = (row.id, row.width, row.height, row.created, row.recipe, row.made_with)
    return zlib.crc32(repr(fixed).encode("utf-8", "replace"))
