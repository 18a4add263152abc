"""What the tree says: how a picture came from its parent, in a few words. Plain text, made when it is shown."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication

from studio.core.differences import Difference
from studio.core.library import LinkKind
from studio.ui.widgets.text import one_line

_SHORT = 22  # characters of a value beside its name


def tr(text: str) -> str:
    """Translate now."""
    return QCoreApplication.translate("tree", text)


def kind_words(kind: LinkKind) -> str:
    """How a picture came from another one."""
    return {
        LinkKind.REMADE: tr("made again"),
        LinkKind.VARIED: tr("varied"),
        LinkKind.BRANCHED: tr("painted over it"),
        LinkKind.CONTROL: tr("steered by it"),
        LinkKind.UPSCALED: tr("enlarged"),
        LinkKind.CELL: tr("cell of a sheet"),
    }[kind]


def caption(kind: LinkKind, changes: Sequence[Difference]) -> str:
    """Under a picture: what changed on the way from its parent, in one line or two."""
    if kind is LinkKind.UPSCALED:
        size = next((change.after for change in changes if change.field == "size"), "")
        return f"{kind_words(kind)}\n{size}".strip()
    if not changes:
        return kind_words(kind)
    first = _change(changes[0])
    if len(changes) == 1:
        return first
    second = _change(changes[1]) if len(changes) == 2 else tr("{n} more").replace("{n}", str(len(changes) - 1))
    return f"{first}\n{second}"


def tooltip(kind: LinkKind | None, changes: Sequence[Difference], prompt: str) -> str:
    """All of it: the prompt, and every change."""
    lines = [one_line(prompt) or tr("(no prompt)")]
    if kind is not None:
        lines.append(kind_words(kind).capitalize())
    lines += [f"{change.title}: {_cut(change.before, 160)} → {_cut(change.after, 160)}" for change in changes]
    return "\n".join(lines)


def _change(change: Difference) -> str:
    """A short value is said, a long one only named; of a prompt the words that are new."""
    before, after, title = one_line(change.before), one_line(change.after), change.title
    name = title if title[1:] != title[1:].lower() else title.lower()  # "LoRA" keeps its letters
    if change.field == "seed":
        return f"{name} {after}"
    if change.field in ("prompt", "negative_prompt") and (said := _new_words(before, after)):
        return said if change.field == "prompt" else f"{name}: {said}"
    return f"{name} {before} → {after}" if len(before) + len(after) <= _SHORT else name


def _new_words(before: str, after: str) -> str:
    """What stands in a text now between its unchanged beginning and end; without "..." where words only went."""
    old, new = before.split(), after.split()
    start = 0
    while start < min(len(old), len(new)) and old[start].strip(",.;") == new[start].strip(",.;"):
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    came, went = " ".join(new[start : len(new) - end]), " ".join(old[start : len(old) - end])
    if start + end == 0 or len(came or went) > 2 * _SHORT:
        return ""
    return f"“{came}”" if came else tr("without “{words}”").replace("{words}", went)


def _cut(text: str, most: int) -> str:
    line = one_line(text)
    return line if len(line) <= most else line[: most - 1] + "…"
