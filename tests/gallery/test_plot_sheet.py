"""The sheet of a plot as a picture of the history: honest about what it is, linked to its cells, found again after a rebuild."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from studio.core.library import Link, LinkKind
from studio.core.plot import Axis, Plot, plan
from studio.core.plot_fields import fields_of, read_values
from studio.core.recipe import Recipe, Size
from studio.gallery.plot_sheet import save_plot_sheet, sheet_of
from studio.gallery.png import read_imprint
from studio.gallery.sheet import SheetStopped
from tests.gallery.makers import MADE_WITH, noise, store_in

BASE = Recipe(prompt="a red house", seed=7, size=Size(width=64, height=64))
FIELDS = {field.id: field for field in fields_of(BASE, ("mini", "other"), lambda use, name: None)}


def made_plot(*axes: tuple[str, str]) -> Plot:
    return plan(BASE, [Axis(field=FIELDS[f], values=read_values(FIELDS[f], text)) for f, text in axes])


def test_a_sheet_is_a_picture_that_says_what_it_is(tmp_path: Path) -> None:
    store = store_in(tmp_path / "data")
    plot = made_plot(("steps", "5, 10"), ("guidance_scale", "2, 4"))
    cells = [store.add(noise(seed=n), cell.recipe, MADE_WITH) for n, cell in enumerate(plot.cells[:3])]
    sheet = save_plot_sheet(store, plot, [*((cell, "") for cell in cells), (None, "No memory.")], 12.5)
    assert sheet.recipe == BASE and sheet.made_with.seconds == 12.5
    assert sheet.parents == tuple(Link(kind=LinkKind.CELL, parent=cell.id) for cell in cells)
    assert (sheet.width, sheet.height) > (2 * 64, 2 * 64)
    with Image.open(sheet.file) as image:
        assert image.info["Description"] == sheet.made_with.sheet and "parameters" not in image.info
    assert "Steps 10, Guidance 4: not made" in sheet.made_with.sheet
    assert store.get(sheet.id) == sheet
    store.close()
    (tmp_path / "data" / "index.sqlite3").unlink(missing_ok=True)
    again = store_in(tmp_path / "data").get(sheet.id)
    assert again is not None and again.made_with.sheet == sheet.made_with.sheet and again.parents == sheet.parents
    assert read_imprint(sheet.file).parents == sheet.parents


def test_what_stands_where(tmp_path: Path) -> None:
    plot = made_plot(("steps", "5, 10"), ("seed", "1"), ("model", "mini, other"))
    sheet = sheet_of(plot, [(None, "")] * 4)
    assert sheet.columns == ("5", "10") and sheet.rows == ("1",) and sheet.column_title == "Steps"
    assert [part.title for part in sheet.parts] == ["Model mini", "Model other"]
    assert sheet.title == "a red house" and sheet.facts == "DPM++ 2M  ·  guidance 5  ·  64 × 64"
    assert {tile.problem for part in sheet.parts for tile in part.tiles} == {"Not made."}
    prompts = sheet_of(made_plot(("prompt", "a cat, a dog")), [(None, "")] * 2)
    assert prompts.title == "Prompt" and prompts.rows == ("",)


def test_cells_of_several_sizes_get_the_room_of_the_largest(tmp_path: Path) -> None:
    assert sheet_of(made_plot(("size", "64x64, 128x96")), [(None, "")] * 2).cell == (128, 96)
    large = replace(BASE, size=Size(width=2048, height=1024))
    plot = plan(large, [Axis(field=FIELDS["steps"], values=(1,))])
    assert sheet_of(plot, [(None, "")]).cell == (1024, 512)


def test_a_sheet_nobody_wants_any_more_leaves_nothing(tmp_path: Path) -> None:
    store = store_in(tmp_path / "data")
    with pytest.raises(SheetStopped):
        save_plot_sheet(store, made_plot(("steps", "5, 10")), [(None, "")] * 2, 1.0, lambda _done: False)
    assert store.count() == 0


def test_the_links_to_all_cells_of_the_largest_plot_are_kept(tmp_path: Path) -> None:
    store = store_in(tmp_path / "data")
    links = tuple(Link(kind=LinkKind.CELL, parent=f"20261125-101010-{n:06d}-0123abcd") for n in range(400))
    sheet = store.add(noise(), BASE, replace(MADE_WITH, sheet="XY plot"), parents=links)
    assert read_imprint(sheet.file).parents == links
