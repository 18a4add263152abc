"""What artists and other programs keep beside a weight file: a preview picture, notes, trigger words.

A1111 and its managers write NAME.preview.png, NAME.png, NAME.txt, NAME.json ({"description", "activation text", "notes"})
and NAME.civitai.info ({"trainedWords", "description"}).
"""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

_PICTURES = (".preview.png", ".preview.jpg", ".preview.jpeg", ".preview.webp", ".png", ".jpg", ".jpeg", ".webp")
_TEXTS = (".txt", ".md", ".description.txt", ".notes.txt")
_FIELDS = (".json", ".civitai.info", ".metadata.json", ".cm-info.json")
_NOTES_MAX, _TEXT_MAX, _WORDS_MAX = 4000, 500_000, 12


@dataclass(frozen=True, slots=True)
class Beside:
    """A preview picture, a note, and words that call the model."""

    preview: Path | None
    notes: str
    triggers: tuple[str, ...]


def beside(file: Path, names: frozenset[str]) -> Beside:
    """What lies beside a file (or in the folder `file`); `names` are those of its folder."""
    folder, stem = (file, file.name) if file.is_dir() else (file.parent, file.name.rsplit(".", 1)[0])
    picture = next((folder / f"{stem}{end}" for end in _PICTURES if f"{stem}{end}" in names), None)
    notes = ""
    words: list[str] = []
    for end in _FIELDS:
        if f"{stem}{end}" in names:
            note, found = _fields(folder / f"{stem}{end}")
            notes, words = notes or note, words + found
    for end in _TEXTS:
        if f"{stem}{end}" in names:
            notes = _text(folder / f"{stem}{end}")[:_NOTES_MAX].strip() or notes
            break
    return Beside(picture, notes, tuple(dict.fromkeys(words))[:_WORDS_MAX])


def _fields(file: Path) -> tuple[str, list[str]]:
    try:
        fields = json.loads(_text(file) or "{}")
    except (ValueError, RecursionError):
        return "", []
    if not isinstance(fields, dict):
        return "", []
    civitai = fields.get("civitai")
    sources = [fields, civitai] if isinstance(civitai, dict) else [fields]
    notes = next((str(source[key]) for source in sources for key in ("notes", "description") if source.get(key)), "")
    words: list[str] = []
    for source in sources:
        trained = source.get("trainedWords") or source.get("TrainedWords")
        words += [str(word) for word in trained] if isinstance(trained, list) else []
        words += str(source.get("activation text") or "").split(",")
    tidy = [" ".join(part.split())[:80] for word in words for part in word.split(",")]
    return _plain(notes), [word for word in tidy if word]


def _plain(text: str) -> str:
    """A description as plain text: sites write HTML into it."""
    if "<" in text:
        text = re.sub(r"<\s*(?:br|/p|/li|/h\d)\s*/?>", "\n", text)
        text = html.unescape(re.sub(r"<[^>]*>", "", text))
    return re.sub(r"\n{3,}", "\n\n", text).strip()[:_NOTES_MAX]


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > _TEXT_MAX:
            return ""
        return file.read_text("utf-8", "replace").removeprefix("\ufeff")
    except OSError:
        return ""
