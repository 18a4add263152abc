"""What the history is asked and what it answers: queries, the artist's marks, links between pictures. Plain values."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import StrEnum

from studio.core.errors import StudioError

RATING_MAX = 5
NAME_MAX = 80  # characters of a tag or a board's name
NOTE_MAX = 20_000


class Sort(StrEnum):
    """The order of a listing. Equal ones stand newest first."""

    NEWEST = "newest"
    OLDEST = "oldest"
    RATING = "rating"  # best first
    PROMPT = "prompt"  # by alphabet
    MODEL = "model"  # by alphabet
    LARGEST = "largest"  # most pixels first


class LinkKind(StrEnum):
    """How a picture came from another one."""

    REMADE = "remade"  # all the same, the seed too
    VARIED = "varied"  # restored from it, then anything changed: seed or settings
    BRANCHED = "branched"  # continued from its pixels (image to image)
    CONTROL = "control"  # its pixels steered, as a control layer or a plugin's picture
    UPSCALED = "upscaled"
    CELL = "cell"  # a sheet (plot, contact sheet) was drawn from it


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """An edge of the family tree: from a picture to the `parent` it came from, an id that may no longer be here."""

    kind: LinkKind
    parent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What only the artist can make and no file tells: 0 ... 5 stars, tags and boards in alphabetical order, a note."""

    rating: int = 0
    tags: tuple[str, ...] = ()
    boards: tuple[str, ...] = ()
    note: str = ""


NO_MARKS = Marks()


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is looked for: `text` as the artist typed it (see `studio.core.query`), within `board` unless that is ""."""

    text: str = ""
    sort: Sort = Sort.NEWEST
    board: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """All pictures that answer a query, as row numbers in order; cheap to hold for 100,000.

    `days` are the local days in the same order with how many pictures stand in a row under each, ("2026-11-25", 14);
    only for the sorts newest and oldest. A row number names the same picture until the index is rebuilt.
    """

    query: Query
    keys: array[int] = field(default_factory=lambda: array("q"))
    days: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One way to finish what is being typed: put `text` in place of the characters from `start` to `end`."""

    text: str
    start: int
    end: int
    hint: str = ""  # a few words beside it: what a field means, how many pictures have a value


class BadQuery(StudioError):
    """A search that cannot be understood; `position` and `length` say which characters of the text are meant."""

    def __init__(self, headline: str, hint: str = "", detail: str = "", position: int = 0, length: int = 0) -> None:
        super().__init__(headline, hint, detail)
        self.args = (headline, hint, detail, position, length)  # so that the error survives pickling
        self.position = position
        self.length = length
