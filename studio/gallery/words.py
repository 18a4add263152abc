"""Texts for SQLite's full-text index (FTS5, tokenizer unicode61), and queries on them. Knows no tables but `words`.

Scripts without spaces between words are taken apart, each character a word, so that any piece of a Chinese text is
found as a phrase of characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from studio.core.query_values import Word

_ALONE = re.compile(
    "([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff])"
)  # kana, Chinese characters, Hangul syllables
_PLACES = ("prompt", "raw", "note", "tags")
_EVERYWHERE = f"{{{' '.join(_PLACES)}}}"


def spaced(text: str) -> str:
    """The text with spaces around each character of a script that does not use them."""
    return _ALONE.sub(r" \1 ", text)


def match_all(words: Iterable[Word]) -> str:
    """An FTS5 expression: all of these words, each anywhere or in its field."""
    return " AND ".join(f"({word.field or _EVERYWHERE} : {_phrase(word)})" for word in words)


def holding(field: str) -> str:
    """A query for the rows whose text, everywhere or in a field, holds a run of `symbols`."""
    text = " || char(10) || ".join((field,) if field else _PLACES)
    return f"SELECT group_concat(rowid) FROM words WHERE instr(replace(replace({text}, char(65038), ''), char(65039), ''), ?)"


def _phrase(word: Word) -> str:
    text = spaced(word.text).replace('"', " ").replace("\x00", " ").encode("utf-8", "replace").decode()
    return f'"{text}" *' if word.prefix else f'"{text}"'
