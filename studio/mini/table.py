"""The report of `mini evaluate` as rows: each figure beside its goal, and whether it is met. Knows no networks.

The goals are the project's own, set before the training; a part that does not exist yet says "not there".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Report = dict[str, Any]  # Any: JSON values
T = TypeVar("T")
NOT_THERE = "not there"
WITHIN = 0.10
"""How far the four-step model may stay behind the twenty steps."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what is measured, the figures as text (their meaning stands in the section's head), goal, verdict.

    `met` is None where there is no goal.
    """

    title: str
    figures: tuple[str, ...]
    goal: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        """met, not met, or nothing."""
        return {True: "met", False: "not met", None: ""}[self.met]


@dataclass(frozen=True, slots=True)
class Section:
    """Rows under one head; `columns` name the figures."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


PROMPT_GOALS = {
    "object's colour right": 0.90,
    "object recognised": 0.90,
    "sky, sea, day or night right": 0.95,
    "two objects, both kinds and colours right": 0.70,
    "count of one to three right": 0.70,
}
CONTROL_GOALS = {
    "ControlNet": 0.60, "ControlNet, most control": 0.60, "ControlNet, no words, ratio to without": 3.0,
    "T2I-Adapter": 0.45, "T2I-Adapter, most control": 0.45, "T2I-Adapter, no words, ratio to without": 2.5,
}  # fmt: skip
"""The ratios are asked of the sketch alone: with words, true renders themselves have a ratio of two."""
# Title, key in the report, goal, True when more is better.
SINGLE_GOALS: tuple[tuple[str, str, float, bool], ...] = (
    ("VAE round trip, dB", "VAE round trip, dB", 32.0, True),
    ("seconds, 20 steps with guidance", "seconds per picture", 1.0, False),
    ("seconds, 4 steps, full decoder", "seconds per four-step picture", 0.2, False),
    ("seconds, 4 steps, tiny decoder", "seconds per four-step picture, tiny decoder", 0.2, False),
    ("tiny decoder against the full one, dB", "tiny decoder, dB", 27.0, True),
    ("tiny decoder, time / the full one's", "tiny decoder, time ratio", 0.3, False),
    ("all files, four-step model included, MB", "MB", 100.0, False),
)


def sections(report: Report) -> tuple[Section, ...]:
    """Everything that has a goal, and what helps to judge it."""
    prompts, fast = report["prompts"], report["few-step prompts"]
    languages = ("English", "Chinese", "true renders")
    return (
        Section(f"held-out captions, {report['steps']} steps", languages, tuple(_prompt_rows(prompts))),
        Section("held-out captions, 4 steps, no guidance", languages, tuple(_fast_rows(prompts, fast))),
        Section("sketch followed: edge F1 within 2 px", ("",), tuple(_control_rows(report["control"]))),
        Section("decoders, time and size", ("",), tuple(_single_row(report, *goal) for goal in SINGLE_GOALS)),
    )


def _prompt_rows(prompts: Report) -> list[Row]:
    rows = []
    for title, row in prompts.items():
        goal = PROMPT_GOALS.get(title)
        met = None if goal is None else min(row["en"], row["zh"]) >= goal
        rows.append(Row(title, _shares(row), "" if goal is None else f">= {goal:.0%}", met))
    return rows


def _fast_rows(prompts: Report, fast: Report | None) -> list[Row]:
    if fast is None:
        return [Row("four-step model", (NOT_THERE, "", ""), "within 10 points", False)]
    rows = []
    for title, row in fast.items():
        wanted = {language: prompts[title][language] - WITHIN for language in ("en", "zh")}
        # Shares are rounded to three digits: a thousandth less is the same count of pictures.
        met = all(row[language] >= least - 0.001 for language, least in wanted.items())
        rows.append(Row(title, _shares(row), f">= {wanted['en']:.0%}, {wanted['zh']:.0%}", met))
    return rows


def _control_rows(control: Report) -> list[Row]:
    return [_goal_row(title, value, CONTROL_GOALS.get(title), True) for title, value in control.items()]


def _single_row(report: Report, title: str, key: str, goal: float, more: bool) -> Row:
    return _goal_row(title, report[key], goal, more)


def _goal_row(title: str, value: float | None, goal: float | None, more: bool) -> Row:
    if goal is None:
        return Row(title, (NOT_THERE if value is None else f"{value:g}",))
    text = f"{'>=' if more else '<='} {goal:g}"
    if value is None:
        return Row(title, (NOT_THERE,), text, False)
    return Row(title, (f"{value:g}",), text, value >= goal if more else value <= goal)


def _shares(row: dict[str, float]) -> tuple[str, ...]:
    return tuple(f"{row[name]:.0%}" for name in ("en", "zh", "true renders"))


def accuracy_line(report: Report) -> str:
    """What the judge itself reads rightly on true renders: no figure it gives can be above that."""
    return ", ".join(f"{name} {value:.0%}" for name, value in report["scorer held-out accuracy"].items())


def with_rows(report: Report) -> Report:
    """The report for --json: its figures, and the table's rows with goal and verdict."""
    rows = [
        {"section": section.title, "title": row.title, "figures": row.figures, "goal": row.goal, "met": row.met}
        for section in sections(report)
        for row in section.rows
    ]
    return report | {"rows": rows}


def as_table(report: Report) -> str:
    """The report as text for a person."""
    lines: list[str] = []
    for section in sections(report):
        heads = "".join(f"{name:>14}" for name in section.columns)
        lines += [f"{section.title:<46}{heads}  {'goal':<14}"]
        for row in section.rows:
            figures = "".join(f"{figure:>14}" for figure in row.figures)
            lines.append(f"{row.title:<46}{figures}  {row.goal:<14}{row.verdict}".rstrip())
        lines.append("")
    lines.append(f"scorer's own held-out accuracy: {accuracy_line(report)}")
    lines.append(_footnote(report))
    return "\n".join(lines)


def as_markdown(report: Report) -> str:
    """The report for the model card."""
    blocks = []
    for section in sections(report):
        columns = [name or "measured" for name in section.columns]
        blocks.append(markdown_table([section.title, *columns, "goal", ""], section.rows, _cells))
    blocks.append(f"Scorer's own held-out accuracy: {accuracy_line(report)}.")
    return "\n\n".join([*blocks, _footnote(report) + "."])


def _cells(row: Row) -> list[str]:
    return [row.title, *row.figures, row.goal, f"**{row.verdict}**" if row.met is False else row.verdict]


def markdown_table(head: Sequence[str], rows: Sequence[T], cells: Callable[[T], Sequence[str]]) -> str:
    """A table with `head` as its first line."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *(f"| {' | '.join(cells(row))} |" for row in rows)])


def _footnote(report: Report) -> str:
    return (
        f"{report['samples']} pictures per figure and language, {report['steps']} steps (DDIM), "
        f"guidance {report['guidance']:g}, measured in {report['seconds']:.0f} s"
    )
