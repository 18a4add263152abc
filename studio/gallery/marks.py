"""The artist's marks as text, and changes to them. Checked where they come in; pure."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from studio.core.errors import StudioError
from studio.core.library import NAME_MAX, NO_MARKS, NOTE_MAX, RATING_MAX, Marks

NAMES_MAX = 100  # tags, or boards, of one picture


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to be different; None and () leave things as they are."""

    rating: int | None = None
    note: str | None = None
    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    add_boards: tuple[str, ...] = ()
    remove_boards: tuple[str, ...] = ()


def change_of(
    rating: int | None = None,
    note: str | None = None,
    add_tags: Iterable[str] = (),
    remove_tags: Iterable[str] = (),
    add_boards: Iterable[str] = (),
    remove_boards: Iterable[str] = (),
) -> Change:
    """A checked change. Raises StudioError with a sentence for what cannot be a mark."""
    if rating is not None and (isinstance(rating, bool) or rating not in range(RATING_MAX + 1)):
        raise StudioError(f"A picture has 0 to {RATING_MAX} stars, not {rating!r}.", "Nothing was changed.")
    if note is not None and len(note) > NOTE_MAX:
        raise StudioError(f"The note is longer than {NOTE_MAX:,} characters.", "Shorten it; nothing was changed.")
    return Change(
        rating=rating,
        note=None if note is None else _clean(note).strip(),
        add_tags=tuple(_name("tag", name) for name in add_tags),
        remove_tags=tuple(remove_tags),
        add_boards=tuple(_name("board", name) for name in add_boards),
        remove_boards=tuple(remove_boards),
    )


def changed(marks: Marks, change: Change) -> Marks:
    """The marks after a change. Raises StudioError when a picture would have too many names."""
    return Marks(
        rating=marks.rating if change.rating is None else change.rating,
        tags=_names("tags", marks.tags, change.add_tags, change.remove_tags),
        boards=_names("boards", marks.boards, change.add_boards, change.remove_boards),
        note=marks.note if change.note is None else change.note,
    )


def marks_text(marks: Marks) -> str:
    """Marks as one line of JSON, "" for none at all."""
    if marks == NO_MARKS:
        return ""
    fields = {"rating": marks.rating, "tags": marks.tags, "boards": marks.boards, "note": marks.note}
    return json.dumps({key: value for key, value in fields.items() if value}, ensure_ascii=False)


def marks_from_text(text: str) -> Marks:
    """Marks of a text of `marks_text`; what cannot be read is left out."""
    try:
        return marks_from(json.loads(text)) if text else NO_MARKS
    except (ValueError, RecursionError):
        return NO_MARKS


def marks_from(fields: object) -> Marks:
    """Marks of a decoded JSON object; what cannot be one is left out."""
    if not isinstance(fields, dict):
        return NO_MARKS
    rating, note = fields.get("rating", 0), fields.get("note", "")
    return Marks(
        rating=rating if isinstance(rating, int) and rating in range(RATING_MAX + 1) else 0,
        tags=_texts(fields.get("tags")),
        boards=_texts(fields.get("boards")),
        note=_clean(note[:NOTE_MAX]) if isinstance(note, str) else "",
    )


def _name(what: str, name: str) -> str:
    clean = " ".join(_clean(unicodedata.normalize("NFC", name)).split())
    if not clean:
        raise StudioError(f"A {what} needs a name.", "Nothing was changed.")
    if len(clean) > NAME_MAX:
        raise StudioError(f"The name of a {what} has at most {NAME_MAX} characters.", "Shorten it.")
    return clean


def _names(what: str, old: tuple[str, ...], add: tuple[str, ...], remove: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(sorted((set(old) | set(add)) - set(remove), key=lambda name: (name.casefold(), name)))
    if len(names) > NAMES_MAX:
        raise StudioError(f"A picture has at most {NAMES_MAX} {what}.", "Nothing was changed.")
    return names


def _texts(value: object) -> tuple[str, ...]:
    names = [_clean(name) for name in value if isinstance(name, str)] if isinstance(value, list) else []
    return tuple(dict.fromkeys(name for name in names if 0 < len(name) <= NAME_MAX))[:NAMES_MAX]


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
