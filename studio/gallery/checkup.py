"""Compares a library's index with its folders and says what does not fit. Looks only; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from studio.core.paths import Folders
from studio.gallery.durable import leftover_parts, read_regular
from studio.gallery.index import Place
from studio.gallery.index_file import is_sound, open_to_read
from studio.gallery.journal import Journal
from studio.gallery.names import shown
from studio.gallery.png import FILE_MAX, is_whole
from studio.gallery.repair import files_below
from studio.gallery.rows import row_from_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """What was found. Names of files are relative to the pictures folder, in order."""

    index: str  # "good", "missing", "damaged", "not readable" (locked, or of another version)
    pictures: int = 0  # rows that are seen
    trashed: int = 0
    imported: int = 0  # rows of other folders
    unlisted: tuple[str, ...] = ()  # pictures of ours without a row
    missing: tuple[str, ...] = ()  # rows whose file is gone
    damaged: tuple[str, ...] = ()  # files that do not decode; only looked for on request
    unfinished: int = 0  # parts of interrupted saves
    journal_behind: int = 0  # bytes of marks that are not in the rows yet

    @property
    def is_well(self) -> bool:
        """Whether nothing needs repair. A missing or damaged file is told, but cannot be repaired by a rebuild."""
        fits = not (self.unlisted or self.missing or self.damaged or self.unfinished or self.journal_behind)
        return fits and self.index == "good"

    def sentences(self) -> tuple[str, ...]:
        """What was found, for the artist."""
        words = [f"{self.pictures:,} pictures, {self.trashed:,} in the trash, {self.imported:,} of other folders."]
        if self.index != "good":
            words.append(f"The index is {self.index}; “gallery rebuild” makes it from the pictures.")
        for files, what in (
            (self.unlisted, "in the folder but not in the index; the next start brings it in"),
            (self.missing, "in the index but not in the folder"),
            (self.damaged, "cannot be decoded"),
        ):
            if files:
                words.append(
                    f"{len(files):,} × {what}: {', '.join(map(shown, files[:3]))}{' …' if len(files) > 3 else ''}"
                )
        if self.unfinished:
            words.append(f"{self.unfinished:,} × left by an interrupted save; the next start deals with it.")
        if self.journal_behind:
            words.append("Some marks are not in the index yet; the next start brings them in.")
        return (*words, "Everything fits.") if self.is_well else tuple(words)


def check(folders: Folders, pixels: bool = False) -> Checkup:
    """Compare. `pixels` decodes every picture, which takes long. May raise sqlite3.Error, OSError."""
    here = set(files_below(folders.pictures))
    damaged = tuple(file for file in sorted(here) if pixels and not _decodes(folders.pictures / file))
    unfinished = sum(1 for _ in leftover_parts(folders.pictures))
    index = open_to_read(folders.index)
    if index is None or not is_sound(folders.index):
        state = "missing" if not folders.index.exists() else "not readable" if is_sound(folders.index) else "damaged"
        return Checkup(index=state, unlisted=_ours(folders, here), damaged=damaged, unfinished=unfinished)
    try:
        places = index.places()
        behind = Journal(folders.root / "marks.jsonl").read().end - index.journal_at()
        others = sum(len(index.places(folder.seq)) for folder in index.folders())
        known = {place.file for place in places}
        return Checkup(
            index="good",
            pictures=index.count(),
            trashed=sum(1 for place in places if place.trashed),
            imported=others,
            unlisted=_ours(folders, here - known, {place.id for place in places}),
            missing=tuple(sorted(place.file for place in places if _is_gone(place, here))),
            damaged=damaged,
            unfinished=unfinished,
            journal_behind=max(0, behind),
        )
    finally:
        index.close()


def _is_gone(place: Place, here: set[str]) -> bool:
    return not place.trashed and place.file not in here


def _ours(folders: Folders, files: set[str], known: set[str] | None = None) -> tuple[str, ...]:
    """Those that carry a recipe of the studio and are not mere copies."""
    entries = ((file, row_from_file(folders, file, 0)) for file in sorted(files))
    return tuple(file for file, entry in entries if entry is not None and entry.id not in (known or ()))


def _decodes(file: Path) -> bool:
    try:
        return is_whole(read_regular(file, FILE_MAX))
    except (OSError, ValueError):
        return False
