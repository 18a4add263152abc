"""The `plot` command: a sheet of pictures along two or three settings, without a window. The window's plan, store and sheet."""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.commands.plot_left import Cells, PlotKept, cells_left, read_left
from studio.core.advice import few_step_advice, native_size
from studio.core.draft import Draft, expand
from studio.core.errors import BadRecipe, StudioError, in_words
from studio.core.paths import Folders
from studio.core.plot import Axis, Plot, cell_words, plan
from studio.core.plot_fields import PlotField, fields_of, read_values
from studio.core.plot_values import BadPlot
from studio.core.recipe import DEFAULT_SIZE, ModelRef, Recipe
from studio.core.settings import load_settings
from studio.engine.intake.places import all_folders, make_library
from studio.engine.models import advice_for

if TYPE_CHECKING:
    from studio.core.picture import Picture
    from studio.engine import Engine, Progress
    from studio.engine.intake.library import Library
    from studio.gallery.store import GalleryStore

_SHORT = {"guidance": "guidance_scale", "negative": "negative_prompt"}


def add_plot_command(commands: Any) -> None:  # Any: argparse keeps the type of its sub-parsers private
    """Declare `plot` and its options."""
    parser = commands.add_parser("plot", help="make a sheet of pictures along two or three settings")
    parser.add_argument(
        "--like", type=Path, metavar="FILE", help="vary the recipe in this picture, its layers included"
    )
    parser.add_argument("--prompt", metavar="TEXT", help="what the pictures show, where no picture is given")
    parser.add_argument("--negative", default="", metavar="TEXT", help="what they should not show")
    parser.add_argument("--seed", type=int, metavar="N", help="the same for all, unless it is an axis")
    parser.add_argument("--model", default="mini", metavar="NAME", help="a model by name")
    axis = "FIELD=VALUES"
    parser.add_argument("--columns", metavar=axis, help="as in “steps=5, 10, 20” or “seed=1-5”")
    parser.add_argument("--rows", metavar=axis, help="as in “guidance=2-8 (+2)” or “replace=red, blue”")
    parser.add_argument("--blocks", metavar=axis, help="as in “model=mini, mini-fast”")
    parser.add_argument("--go-on", action="store_true", help="make what is missing of the last plot, and its sheet")
    parser.add_argument("--plan", action="store_true", help="only say what would be made, in the order of work")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda", "mps"), help="where to compute")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=make_plot)


def make_plot(arguments: argparse.Namespace) -> int:
    """Make the plot. Returns 0, or 1 if a cell could not be made. Raises StudioError before anything is loaded."""
    from studio.gallery.store import GalleryStore

    store = GalleryStore(arguments.folders)
    library = make_library(arguments.folders, load_settings(arguments.folders.settings)[0])
    try:
        kept, plot, cells = _begin(arguments, store, library)
        left = [number for number in plot.order if cells[number][0] is None]
        if arguments.plan:
            for number in left:
                print(cell_words(plot, plot.cells[number]))
            return 0
        store.check_writable()
        with _engine(arguments.folders, store, arguments.device, library) as engine:
            _make_all(plot, left, cells, kept, engine, store)
        if not any(picture for picture, _ in cells):
            raise BadRecipe("No picture of the plot could be made, so there is no sheet.", cells[0][1])
        from studio.gallery.plot_sheet import save_plot_sheet

        sheet = save_plot_sheet(store, plot, cells, kept.seconds)
        kept.settle(cells)
    finally:
        store.close()
    _tell(sheet, plot, cells, arguments.json)
    return int(any(picture is None for picture, _ in cells))


def read_axis(text: str, fields: tuple[PlotField, ...]) -> Axis:
    """An axis from "steps=5, 10, 20". Raises `BadPlot`."""
    name, equals, values = text.partition("=")
    wanted = _SHORT.get(name.strip().lower(), name.strip())
    field = next((field for field in fields if wanted.lower() in (field.id.lower(), field.title.lower())), None)
    if not equals or field is None:
        raise BadPlot(f"“{name.strip()[:60]}” is nothing that an axis can vary.", f"There are: {_names(fields)}.")
    return Axis(field=field, values=read_values(field, values))


def _names(fields: tuple[PlotField, ...]) -> str:
    return ", ".join(field.id for field in fields)


def _begin(arguments: argparse.Namespace, store: GalleryStore, library: Library) -> tuple[PlotKept, Plot, Cells]:
    """A new plot of which nothing is made, or the last one with what there is of it."""
    file = arguments.folders.plot_command
    asked = (arguments.columns, arguments.rows, arguments.blocks, arguments.prompt, arguments.like, arguments.seed)
    if arguments.go_on:
        if any(option is not None for option in asked):
            raise BadPlot("--go-on makes the rest of the last plot as it was.", "Leave out what else is asked for.")
        note = read_left(file)
        return PlotKept(file, note.plot, note.seconds), note.plot, cells_left(store, note)
    if arguments.columns is None:
        raise BadPlot("A plot needs something to vary.", "Give --columns FIELD=VALUES, or --go-on.")
    base = _base(arguments, store, library)
    plot = plan(base, _axes(arguments, base, library))
    return PlotKept(file, plot), plot, [(None, "")] * len(plot.cells)


def _base(arguments: argparse.Namespace, store: GalleryStore, library: Library) -> Recipe:
    if arguments.like is not None:
        recipe = store.recipe_of(arguments.like)
        return recipe if arguments.seed is None else replace(recipe, seed=arguments.seed)
    if arguments.prompt is None:
        raise BadRecipe("A plot needs a picture to begin with, or a prompt.", "Give --like FILE or --prompt TEXT.")
    file = library.find(arguments.model)
    advice = few_step_advice(file.traits.variant, file.name)
    advice = advice or advice_for((file.name,), (file.path.parent,)).get(file.name)
    draft = Draft(model=ModelRef(name=arguments.model), size=native_size(file.traits) or DEFAULT_SIZE)
    draft = advice.onto(draft) if advice else draft
    draft = replace(draft, prompt=arguments.prompt, negative_prompt=arguments.negative, seed=arguments.seed)
    return expand(draft, random.Random())[0]


def _axes(arguments: argparse.Namespace, base: Recipe, library: Library) -> list[Axis]:
    models = [file.name for file in library.scan() if file.is_base]
    fields = fields_of(base, models, lambda _use, _name: None)
    given = (arguments.columns, arguments.rows, arguments.blocks)
    return [read_axis(text, fields) for text in given if text is not None]


@contextmanager
def _engine(folders: Folders, store: GalleryStore, device: str, library: Library) -> Iterator[Engine]:
    from studio.engine import make_engine
    from studio.state.plugin_room import PluginRoom

    room = PluginRoom(folders, (folders.models, folders.files))
    places = all_folders(folders, load_settings(folders.settings)[0])
    engine = make_engine(places, store.inputs.read, device, room, library=library)
    try:
        yield engine
    finally:
        engine.close()


def _make_all(plot: Plot, left: list[int], cells: Cells, kept: PlotKept, engine: Engine, store: GalleryStore) -> None:
    """Each cell in its order of work, saved as soon as it is made; a cell that fails does not stop the others."""
    from tqdm import tqdm

    kept.note(cells)
    with tqdm(total=len(left), file=sys.stderr, unit="picture", leave=False) as bar:
        for number in left:
            bar.set_description(cell_words(plot, plot.cells[number])[:60])
            try:
                cells[number] = _make_one(plot.cells[number].recipe, engine, store), ""
            except StudioError as error:
                cells[number] = None, str(error)
            except Exception as error:  # whatever the libraries throw: the other cells have their turn
                cells[number] = None, str(in_words(error, "The picture could not be made", ""))
            except KeyboardInterrupt:
                print("“plot --go-on” makes the rest.", file=sys.stderr)
                raise
            kept.note(cells)
            bar.update()


def _make_one(recipe: Recipe, engine: Engine, store: GalleryStore) -> Picture:
    def go_on(_progress: Progress) -> bool:
        return True

    rendered = engine.render(recipe, go_on)
    return store.add(rendered.pixels, rendered.recipe or recipe, rendered.made_with)


def _tell(sheet: Picture, plot: Plot, cells: Cells, as_json: bool) -> None:
    if as_json:
        listed = [
            {"cell": cell_words(plot, cell), "file": str(picture.file) if picture else None, "problem": problem}
            for cell, (picture, problem) in zip(plot.cells, cells, strict=True)
        ]
        print(json.dumps({"sheet": str(sheet.file), "cells": listed}, ensure_ascii=False))
        return
    print(sheet.file)
    for cell, (_, problem) in zip(plot.cells, cells, strict=True):
        if problem:
            print(f"{cell_words(plot, cell)}: {problem}", file=sys.stderr)
