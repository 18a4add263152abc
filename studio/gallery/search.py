"""From the plan of a search to row numbers: numbers by masks in memory, words and names by the index. Pure reading."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date
from pathlib import PurePath

import numpy as np

from studio.core.library import Listing, Query, Sort
from studio.core.query import Condition, parse
from studio.core.query_values import Box, Choice, Days, Part, Span, Word, symbols
from studio.gallery.columns import IMPORTED, MISSING, TRASHED, Columns, Ints, Mask, day_runs, midnight, packed, seqs_of
from studio.gallery.index import Index
from studio.gallery.looks import Looks
from studio.gallery.words import holding, match_all

_IS = {"trash": TRASHED, "missing": MISSING, "imported": IMPORTED}
_FACET = "SELECT group_concat(seq) FROM facets WHERE kind = ? AND value IN (SELECT value FROM json_each(?))"


class Search:
    """One question to one state of the index. Every method may raise sqlite3.Error."""

    def __init__(self, index: Index, columns: Columns, looks: Looks) -> None:
        self._index, self.columns, self._looks = index, columns, looks

    def listing(self, query: Query, today: date) -> Listing:
        """All pictures that answer, in order. Raises BadQuery."""
        mask = self._answers(query, parse(query.text, today))
        keys = self._ordered(np.flatnonzero(mask), query.sort)
        made = self.columns["made"][keys]
        days = day_runs(made) if query.sort in (Sort.NEWEST, Sort.OLDEST) else ()
        return Listing(query=query, keys=packed(self.columns["seq"][keys]), days=days)

    def seen(self) -> Mask:
        """Which pictures are shown when nothing is asked: all but those in the trash or missing."""
        mask: Mask = self.columns["state"] & (TRASHED | MISSING) == 0
        return mask

    def having(self, kind: str, values: Iterable[str]) -> Mask:
        """Which pictures have one of these values of a facet."""
        return self.columns.has(seqs_of(self._index, _FACET, (kind, json.dumps(list(values)))))

    def values(self, kind: str) -> dict[str, int]:
        """The known values of a facet, and how many pictures that are seen have each."""
        if kind == "folder":
            return self._folders()
        query = "SELECT value, group_concat(seq) FROM facets WHERE kind = ? GROUP BY value"
        seen = self.columns["seq"][self.seen()]
        among = np.zeros(int(self.columns["seq"].max(initial=0)) + 1, np.bool_)
        among[seen] = True
        counts = {}
        for value, seqs in self._index.read(query, (kind,)):
            rows = np.fromstring(seqs, np.int64, sep=",")
            counts[str(value)] = int(among[rows[rows < len(among)]].sum())
        return {value: count for value, count in counts.items() if count}

    def _folders(self) -> dict[str, int]:
        counts, by_name = self._index.counts_by_place(), dict[str, int]()
        for folder in self._index.folders():
            name = PurePath(folder.folder).name
            by_name[name] = by_name.get(name, 0) + counts.get(folder.seq, 0)
        return {name: count for name, count in by_name.items() if count}

    def _answers(self, query: Query, conditions: tuple[Condition, ...]) -> Mask:
        where = [c.term.value for c in conditions if isinstance(c.term, Choice) and c.term.field == "is"]
        mask = self.seen() if not {"trash", "missing"} & set(where) else np.ones(len(self.columns), np.bool_)
        if query.board:
            mask = mask & self.having("board", (query.board,))
        words = [c.term for c in conditions if isinstance(c.term, Word) and not c.negated]
        if words:
            mask = mask & self._matching(words)
        for condition in conditions:
            if condition.negated:
                mask = mask & ~self._holds(condition)
            elif not isinstance(condition.term, Word):
                mask = mask & self._holds(condition)
        return mask

    def _holds(self, condition: Condition) -> Mask:
        columns = self.columns
        match condition.term:
            case Word():
                return self._matching([condition.term])
            case Span(field, low, high):
                inside: Mask = (columns[field] >= low) & (columns[field] <= high)
                return inside
            case Box(width, height):
                fits: Mask = (columns["width"] == width) & (columns["height"] == height)
                return fits
            case Days(first, until):
                mask = np.ones(len(columns), np.bool_)
                if first is not None:
                    mask &= columns["made"] >= midnight(first)
                if until is not None:
                    mask &= columns["made"] < midnight(until)
                return mask
            case Part():
                return self._named(condition.term)
            case Choice(field, value):
                return self._chosen(field, value)

    def _matching(self, words: Iterable[Word]) -> Mask:
        """Words by the full-text index, and symbols, of which it knows nothing, by reading the texts through."""
        words, mask = list(words), np.ones(len(self.columns), np.bool_)
        held = [word for word in words if any(c.isalnum() for c in word.text)]
        if held:
            query = "SELECT group_concat(rowid) FROM words WHERE words MATCH ?"
            mask &= self.columns.has(seqs_of(self._index, query, (match_all(held),)))
        for word in words:
            for run in symbols(word.text):
                mask &= self.columns.has(seqs_of(self._index, holding(word.field), (run,)))
        return mask

    def _named(self, part: Part) -> Mask:
        if part.field == "folder":
            return self._in_folders(part)
        fold = _fold_scheduler if part.field == "scheduler" else str.casefold
        wanted = fold(part.text)
        known = [str(row[0]) for row in self._index.read(_distinct(), (part.field, part.field))]
        fitting = [v for v in known if (wanted == fold(v) if part.whole else wanted in fold(v))]
        return self.having(part.field, fitting) if fitting else np.zeros(len(self.columns), np.bool_)

    def _in_folders(self, part: Part) -> Mask:
        """Pictures of other folders: a whole name or path, or a piece of a path."""
        wanted, places = part.text.casefold(), []
        for folder in self._index.folders():
            path = folder.folder.casefold()
            if wanted in (path, PurePath(path).name) if part.whole else wanted in path:
                places.append(folder.seq)
        query = "SELECT group_concat(seq) FROM pictures WHERE place IN (SELECT value FROM json_each(?))"
        return self.columns.has(seqs_of(self._index, query, (json.dumps(places),)))

    def _chosen(self, field: str, value: str) -> Mask:
        columns = self.columns
        if value == "sheet":
            return self.having("has", (value,))
        if field == "is":
            there: Mask = columns["state"] & _IS[value] != 0
            return there
        if field == "shape":
            wide, tall = columns["width"] > columns["height"], columns["width"] < columns["height"]
            return {"wide": wide, "tall": tall}.get(value, ~wide & ~tall)
        if field == "colour":
            return columns.has(self._looks.of_colour(self._index, value))
        if value == "rating":
            return columns["rating"] > 0
        if value in ("tag", "board"):
            return columns.has(seqs_of(self._index, "SELECT group_concat(seq) FROM facets WHERE kind = ?", (value,)))
        return self.having("has", (value,))

    def _ordered(self, found: Ints, sort: Sort) -> Ints:
        newest = found[::-1]
        columns = self.columns
        if sort is Sort.OLDEST:
            return found
        if sort is Sort.RATING:
            return newest[np.argsort(-columns["rating"][newest].astype(np.int64), kind="stable")]
        if sort is Sort.LARGEST:
            pixels = columns["width"][newest].astype(np.int64) * columns["height"][newest]
            return newest[np.argsort(-pixels, kind="stable")]
        if sort in (Sort.PROMPT, Sort.MODEL):
            return newest[np.argsort(self._ranks(sort)[newest], kind="stable")]
        return newest

    def _ranks(self, sort: Sort) -> Ints:
        """For each picture its place in the alphabet of prompts or models; equal ones share it."""
        if sort is Sort.PROMPT:
            inner = "SELECT seq, dense_rank() OVER (ORDER BY trim(prompt) COLLATE NOCASE) AS place FROM pictures"
        else:
            inner = "SELECT seq, dense_rank() OVER (ORDER BY value COLLATE NOCASE) AS place FROM facets WHERE kind = 'model'"
        query = f"WITH ranks AS ({inner}) SELECT group_concat(seq), group_concat(place) FROM ranks"
        seqs, places = (np.fromstring(text or "", np.int64, sep=",") for text in self._index.read(query)[0])
        mine = self.columns["seq"]
        by_seq = np.full(int(max(mine.max(initial=0), seqs.max(initial=0))) + 1, len(mine) + 1, np.int64)
        by_seq[seqs] = places
        return by_seq[mine]


def _distinct() -> str:
    """The distinct values of a facet by skipping from one to the next in the key, however many pictures have each."""
    return (
        "WITH RECURSIVE known (value) AS (SELECT min(value) FROM facets WHERE kind = ? UNION ALL "
        "SELECT (SELECT min(value) FROM facets WHERE kind = ? AND value > known.value) FROM known "
        "WHERE known.value IS NOT NULL) SELECT value FROM known WHERE value IS NOT NULL"
    )


def _fold_scheduler(text: str) -> str:
    """ "DPM++ 2M Karras", "dpmpp_2m", "dpm++2m": one form."""
    return re.sub(r"[\s_-]", "", text.casefold().replace("++", "pp"))
