"""Picture ids and file names: time and chance, never the prompt. Pure; knows no disk."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

_ID = re.compile(r"\d{8}-\d{6}-\d{6}-[0-9a-f]{8}")
_STAMP = "%Y%m%d-%H%M%S-%f"
_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})-(\d{2})(\d{2})(\d{2})-(\d{6})", re.ASCII)
YEAR_MIN, YEAR_MAX = 1970, 9998  # Windows knows no local time before, and nobody one after
_AHEAD_AT_MOST = timedelta(days=400)


def new_id(now: datetime, last: str) -> str:
    """An id that sorts after `last`, also in the same microsecond or after the clock was set back.

    `now` is UTC. An id more than 400 days ahead of the clock is taken for nonsense and not followed.
    """
    moment = now
    if is_id(last):
        after = time_of(last)
        if moment <= after < now + _AHEAD_AT_MOST:
            moment = after + timedelta(microseconds=1)
    return f"{moment.strftime(_STAMP)}-{secrets.token_hex(4)}"


def is_id(text: str) -> bool:
    """Whether a text has the form of an id and names a moment to be believed; ids in foreign files may hold anything."""
    if not isinstance(text, str) or _ID.fullmatch(text) is None or not text.isascii():
        return False
    try:
        return is_believable(time_of(text))
    except ValueError:
        return False


def is_believable(moment: datetime) -> bool:
    """Whether a picture can be from this moment: at the ends of the calendar there is no local time to show."""
    return YEAR_MIN <= moment.year <= YEAR_MAX


def time_of(picture_id: str) -> datetime:
    """The moment in an id, UTC. Raises ValueError."""
    found = _TIME.match(picture_id)
    if found is None:
        raise ValueError(f"{picture_id!r:.40} does not begin with a time")
    return datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[misc, arg-type]  # seven numbers, 8 times strptime


def file_of(picture_id: str) -> PurePosixPath:
    """Where a picture lies below the pictures folder: one folder a day, "2026-11-21/20261121-....png"."""
    day = f"{picture_id[:4]}-{picture_id[4:6]}-{picture_id[6:8]}"
    return PurePosixPath(day) / f"{picture_id}.png"


def is_inside(relative: str) -> bool:
    """Whether a stored relative path stays below its folder."""
    if not isinstance(relative, str):
        return False
    path = PurePosixPath(relative)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in relative


def is_storable(relative: str) -> bool:
    """Whether a path can stand in the index and in JSON: letters of any script, but no bytes that are no letters."""
    try:
        relative.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(name: str) -> str:
    """A file name for a sentence: one line of visible characters, at most 80; markup stays the text it is."""
    clean = "".join(c if c.isprintable() else "\ufffd" for c in name)
    return clean if len(clean) <= 80 else clean[:60] + "…" + clean[-19:]
