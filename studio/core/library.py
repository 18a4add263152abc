"""What the history is asked and what it answers: queries, the artist's marks, links between pictures. Plain values."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from studio.core.errors import StorageProblem, StudioError

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedFolder:
    """Another folder whose pictures the history shows: how many of them, whether new ones come by themselves, whether
    the folder was there when last looked at. `own`: the studio's own folder for copies, which cannot be taken out."""

    path: Path
    watched: bool = False
    gone: bool = False
    count: int = 0
    own: bool = False


_NAMED = 3  # refused files that are told one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """What became of picture files that were given to the library: ids of those copied, how many were there already or
    lie in its trash, (name, why) of those not taken, and what ended it before its time."""

    added: tuple[str, ...] = ()
    known: int = 0
    trashed: int = 0
    refused: tuple[tuple[str, str], ...] = ()
    trouble: StorageProblem | None = None

    def sentence(self) -> str:
        """What was taken, for the artist."""
        words = []
        if self.added:
            pictures = "1 picture was" if len(self.added) == 1 else f"{len(self.added):,} pictures were"
            words.append(f"{pictures} copied into the history.")
        if self.known:
            words.append(f"{_are(self.known, 'picture')} in the history already.")
        if self.trashed:
            words.append(f"{_are(self.trashed, 'picture')} in its trash; bring them back from there.")
        return " ".join(words) or "Nothing was taken into the history."

    def not_taken(self) -> str:
        """Which files were not taken and why, "" if there were none."""
        words = [f"“{name}” {why}." for name, why in self.refused[:_NAMED]]
        more = len(self.refused) - _NAMED
        if more > 0:
            words.append(f"{more:,} more were not taken either.")
        return " ".join(words)


def _are(count: int, noun: str) -> str:
    return f"1 {noun} is" if count == 1 else f"{count:,} {noun}s are"


class BadQuery(StudioError):
    """A search that cannot be understood; `position` and `length` say which characters of the text are meant."""

    def __init__(self, headline: str, hint: str = "", detail: str = "", position: int = 0, length: int = 0) -> None:
        super().__init__(headline, hint, detail)
        self.args = (headline, hint, detail, position, length)  # so that the error survives pickling
        self.position = position
        self.length = length
