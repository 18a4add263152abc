"""A plot written down: what comes back is the same plan, and what is damaged is refused with a sentence."""

from __future__ import annotations

import json

import pytest

from studio.core.choices import ControlKind
from studio.core.errors import BadRecipe
from studio.core.plot import Axis, Plot, plan
from studio.core.plot_fields import fields_of, read_values
from studio.core.plot_text import CellNote, PlotNote, PlotsNote, note_from_text, note_to_text
from studio.core.recipe import ControlUse, ImageRef, Recipe

BASE = Recipe(
    prompt="a red house, 橙色",
    seed=2**32 - 1,
    controls=(ControlUse(kind=ControlKind.CANNY, image=ImageRef(digest="ab" * 32)),),
)
FIELDS = {field.id: field for field in fields_of(BASE, ("mini", "other"), lambda use, name: None)}
AXES = {
    "seed": "1-3", "steps": "5, 10", "guidance_scale": "2-8 (+2)", "scheduler": "DDIM, Euler", "spacing": "Normal, Karras",
    "replace": 'red, "dark, blue", 橙', "prompt": '"", "a cat, day"', "size": "256x256, 384x256", "model": "mini, other",
    "control:0:weight": "0.5, 1", "control:0:low": "50, 100", "clip_skip": "0-1",
}  # fmt: skip


def plot_of(*fields: str) -> Plot:
    return plan(BASE, [Axis(field=FIELDS[name], values=read_values(FIELDS[name], AXES[name])) for name in fields])


@pytest.mark.parametrize("field", AXES)
def test_every_field_comes_back_with_its_labels_and_its_order_of_work(field: str) -> None:
    plot = plot_of(field)
    note = PlotsNote(
        typed=((field, AXES[field]), ("", "")),
        plot=PlotNote(plot=plot, cells=(CellNote(),) * len(plot.cells), seconds=1.5, at=12.0),
    )
    back = note_from_text(note_to_text(note))
    assert back.typed == note.typed and back.plot is not None
    assert (back.plot.plot.cells, back.plot.plot.order) == (plot.cells, plot.order)
    assert [axis.labels for axis in back.plot.plot.axes] == [axis.labels for axis in plot.axes]
    assert (back.plot.seconds, back.plot.at) == (1.5, 12.0)


def test_what_became_of_the_cells_comes_back() -> None:
    plot = plot_of("seed", "model")
    cells = (
        CellNote(key="a", picture="2026"),
        CellNote(key="b", over=True, problem="No memory."),
        CellNote(key="c", over=True),
        *(CellNote(key=key) for key in "def"),
    )
    note = PlotsNote(plot=PlotNote(plot=plot, cells=cells))
    back = note_from_text(note_to_text(note)).plot
    assert back is not None and back.cells == cells


@pytest.mark.parametrize(
    "spoil",
    [
        lambda fields: [],
        lambda fields: {**fields, "studio_plot": 2},
        lambda fields: {**fields, "typed": [["seed"]]},
        lambda fields: {**fields, "typed": "seed"},
        lambda fields: {**fields, "plot": []},
        lambda fields: {**fields, "plot": {**fields["plot"], "cells": fields["plot"]["cells"][1:]}},
        lambda fields: {**fields, "plot": {**fields["plot"], "cells": [[]] * 6}},
        lambda fields: {**fields, "plot": {**fields["plot"], "base": "{}"}},
        lambda fields: {**fields, "plot": {**fields["plot"], "axes": []}},
        lambda fields: {**fields, "plot": {**fields["plot"], "axes": [{**fields["plot"]["axes"][0], "field": "x"}]}},
        lambda fields: {**fields, "plot": {**fields["plot"], "axes": [{**fields["plot"]["axes"][0], "field": "control:9"}]}},
        lambda fields: {**fields, "plot": {**fields["plot"], "axes": [{**fields["plot"]["axes"][0], "values": [None]}]}},
        lambda fields: {**fields, "plot": {**fields["plot"], "seconds": "1"}},
    ],
)  # fmt: skip
def test_what_is_damaged_is_refused_with_a_sentence(spoil) -> None:
    plot = plot_of("seed", "steps")
    text = note_to_text(PlotsNote(plot=PlotNote(plot=plot, cells=(CellNote(),) * 6)))
    assert note_from_text(text).plot is not None
    with pytest.raises(BadRecipe):
        note_from_text(json.dumps(spoil(json.loads(text))))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", '{"studio_plot": 1}'])
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(BadRecipe):
        note_from_text(text)
