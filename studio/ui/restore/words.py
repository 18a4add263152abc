"""The words of the list: groups, sums, and what was done. Plain text, made when it is shown."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication

from studio.core.restore import FieldPlan, Group, Outcome


def tr(text: str) -> str:
    """Translate now."""
    return QCoreApplication.translate("restore", text)


def group_words(group: Group) -> str:
    """The heading of a group."""
    return {
        Group.PROMPT: tr("Prompt"),
        Group.SAMPLING: tr("Sampling"),
        Group.SIZE: tr("Size"),
        Group.MODEL: tr("Model"),
        Group.CONTROLS: tr("Control"),
        Group.PLUGINS: tr("Plugins"),
        Group.OTHER: tr("Also in the picture, unknown to the studio"),
    }[group]


def sum_line(source: str, rows: Sequence[FieldPlan]) -> str:
    """Whose picture it is, and how much of it can be taken over."""
    known = [row for row in rows if row.group is not Group.OTHER]
    counts = {outcome: sum(row.outcome is outcome for row in known) for outcome in Outcome}
    can = counts[Outcome.APPLIES] + counts[Outcome.CHANGED]
    said = [tr("Made with {program}.").replace("{program}", source)]
    if can:
        words = tr("1 setting can be taken over") if can == 1 else tr("{n} settings can be taken over")
        said.append(words.replace("{n}", str(can)))
    if counts[Outcome.SAME]:
        words = tr("1 is as in the panels") if counts[Outcome.SAME] == 1 else tr("{n} are as in the panels")
        said.append(words.replace("{n}", str(counts[Outcome.SAME])))
    if counts[Outcome.CANNOT]:
        said.append(tr("{n} cannot").replace("{n}", str(counts[Outcome.CANNOT])))
    if unknown := len(rows) - len(known):
        words = tr("1 line is unknown here") if unknown == 1 else tr("{n} lines are unknown here")
        said.append(words.replace("{n}", str(unknown)))
    head, *rest = said
    return f"{head} {', '.join(rest)}." if rest else f"{head} {tr('It says nothing that can be used here.')}"


def damage_words(damage: str) -> str:
    """Said beside what was read from a damaged file; "" for a whole one."""
    words = tr("The file is damaged ({damage}); what it says of its making could be read.")
    return words.replace("{damage}", damage) if damage else ""


def done_words(titles: Sequence[str]) -> str:
    """What was restored, as a sentence."""
    if not titles:
        return tr("The panels stood like this already; what you make now is kept as coming from this picture.")
    names = list(dict.fromkeys(titles))
    if len(names) > 6:
        names = [*names[:5], tr("{n} more").replace("{n}", str(len(names) - 5))]
    return tr("Restored from the picture: {names}.").replace("{names}", ", ".join(names).lower())
