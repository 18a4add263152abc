"""A plot as JSON text, for the next start: what was typed on its axes, its plan, and what became of each cell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from studio.core.errors import BadRecipe
from studio.core.plot import AXES_MAX, CELLS_MAX, Axis, Plot, plan
from studio.core.plot_fields import FieldKind, PlotField, PlotValue
from studio.core.plugins import is_finite
from studio.core.recipe import Size
from studio.core.recipe_text import from_text, to_text

SCHEMA = 1
TEXT_MAX = 4_000_000  # 400 cells, a long prompt on every axis

Json = dict[str, Any]  # Any: what json gives; every value is checked below before it is used


@dataclass(frozen=True, slots=True, kw_only=True)
class CellNote:
    """What is known of a cell: `key` of its job on disk, `picture` its id once it is made.

    `over` says that there will be none: it failed (`problem` is the sentence) or was cancelled.
    """

    key: str = ""
    picture: str = ""
    over: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotNote:
    """A plot whose sheet is not drawn yet. `cells` stand as in the plot; `seconds` were worked on it so far.

    `at` (seconds since 1970) is when this was noted: a picture made later may be missing here.
    """

    plot: Plot
    cells: tuple[CellNote, ...]
    seconds: float = 0.0
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotsNote:
    """All that outlives the studio: `typed`, the field's id and the text of each axis, and the unfinished plot."""

    typed: tuple[tuple[str, str], ...] = ()
    plot: PlotNote | None = None


def note_to_text(note: PlotsNote) -> str:
    """One JSON object."""
    fields: Json = {"studio_plot": SCHEMA, "typed": [list(pair) for pair in note.typed]}
    if note.plot is not None:
        fields["plot"] = {
            "base": to_text(note.plot.plot.base),
            "axes": [_axis_json(axis) for axis in note.plot.plot.axes],
            "cells": [_cell_json(cell) for cell in note.plot.cells],
            "seconds": note.plot.seconds,
            "at": note.plot.at,
        }
    return json.dumps(fields, ensure_ascii=False)


def note_from_text(text: str) -> PlotsNote:
    """What `note_to_text` wrote. Raises `BadRecipe` for anything else, also for a plan that cannot be made any more."""
    try:
        fields = json.loads(text)
        if not isinstance(fields, dict) or fields.get("studio_plot") != SCHEMA:
            raise ValueError("not a plot of this studio")
        typed = tuple((_text(field), _text(words)) for field, words in _list(fields["typed"])[:AXES_MAX])
        return PlotsNote(typed=typed, plot=_plot(fields["plot"]) if "plot" in fields else None)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise BadRecipe("The plot of last time cannot be read.", detail=str(error)) from None


def _plot(item: Json) -> PlotNote:
    plot = plan(from_text(_text(item["base"])), [_axis(axis) for axis in _list(item["axes"])[: AXES_MAX + 1]])
    cells = tuple(_cell(cell) for cell in _list(item["cells"])[: CELLS_MAX + 1])
    if len(cells) != len(plot.cells):
        raise ValueError(f"{len(cells)} cells are noted of {len(plot.cells)}")
    return PlotNote(plot=plot, cells=cells, seconds=max(0.0, _number(item["seconds"])), at=_number(item["at"]))


def _axis_json(axis: Axis) -> Json:
    """The field with its choices, so far as they stand on the axis: what may be chosen by then is another matter."""
    used = [[value, title] for value, title in axis.field.choices if value in axis.values]
    return {
        "field": axis.field.id,
        "title": axis.field.title,
        "kind": axis.field.kind.value,
        "cost": axis.field.cost,
        "choices": used,
        "values": [[v.width, v.height] if isinstance(v, Size) else v for v in axis.values],
    }


def _axis(item: Json) -> Axis:
    choices = tuple((_value(value), _text(title)) for value, title in _list(item["choices"]))
    field = PlotField(
        id=_text(item["field"]),
        title=_text(item["title"]),
        kind=FieldKind(item["kind"]),
        cost=round(_number(item["cost"])),
        choices=tuple((value, title) for value, title in choices if not isinstance(value, Size)),
    )
    return Axis(field=field, values=tuple(_value(value) for value in _list(item["values"])))


def _value(value: object) -> PlotValue:
    if isinstance(value, list):
        width, height = value
        return Size(width=width, height=height)
    if isinstance(value, str | bool):
        return value
    number = _number(value)
    return value if isinstance(value, int) else number


def _cell_json(cell: CellNote) -> Json:
    said = {"key": cell.key, "picture": cell.picture, "over": cell.over, "problem": cell.problem}
    return {name: value for name, value in said.items() if value}


def _cell(item: Json) -> CellNote:
    key, picture, problem = (_text(item.get(name, "")) for name in ("key", "picture", "problem"))
    return CellNote(key=key, picture=picture, over=item.get("over") is True, problem=problem)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is not a text")
    return value


def _number(value: object) -> float:
    if not is_finite(value):
        raise TypeError(f"{value!r:.60} is not a number")
    return float(value)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.60} is not a list")
    return value
