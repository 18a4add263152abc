"""The sheet of a plot: drawn from its cells, and kept in the history as what it is - a sheet, made by no model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from studio import __version__
from studio.core.library import Link, LinkKind
from studio.core.picture import MadeWith, Picture
from studio.core.plot import Plot, describe
from studio.core.schedulers import SCHEDULERS, scheduler_name
from studio.gallery.sheet import OnTile, Part, Sheet, Tile, draw_sheet
from studio.gallery.store import GalleryStore

NOT_MADE = "Not made."
CELL_MAX = 1024


def save_plot_sheet(
    store: GalleryStore,
    plot: Plot,
    cells: Sequence[tuple[Picture | None, str]],
    seconds: float,
    on_tile: OnTile = lambda _: True,
) -> Picture:
    """Draw the sheet and save it: a picture whose `made_with.sheet` says in words what it shows, linked to its cells.

    `cells` are, in the order of `plot.cells`, the picture or None and why there is none. Its recipe is what the cells
    were varied from. Raises `StorageProblem`, `SheetStopped`.
    """
    pixels = draw_sheet(sheet_of(plot, [(p.file if p else None, problem) for p, problem in cells]), on_tile)
    made_with = MadeWith(
        studio=__version__,
        device="",
        dtype="",
        seconds=seconds,
        pixel_sha256=pixels.sha256,
        sheet=describe(plot, [picture.id if picture is not None else None for picture, _ in cells]),
    )
    links = tuple(Link(kind=LinkKind.CELL, parent=picture.id) for picture, _ in cells if picture is not None)
    return store.add(pixels, plot.base, made_with, parents=links)


def sheet_of(plot: Plot, cells: Sequence[tuple[Path | None, str]]) -> Sheet:
    """Where everything stands on the sheet of a plot."""
    columns, rows, sheets = plot.shape
    sizes = [cell.recipe.size for cell in plot.cells]
    width, height = max(size.width for size in sizes), max(size.height for size in sizes)
    factor = min(1.0, CELL_MAX / max(width, height))
    tiles = [Tile(file=file, problem="" if file else problem or NOT_MADE) for file, problem in cells]
    per_part = columns * rows
    axes = plot.axes
    parts = tuple(
        Part(
            tiles=tuple(tiles[number * per_part : (number + 1) * per_part]),
            title=f"{axes[2].field.title} {axes[2].labels[number]}" if len(axes) > 2 else "",
        )
        for number in range(sheets)
    )
    return Sheet(
        cell=(round(width * factor), round(height * factor)),
        parts=parts,
        columns=axes[0].labels,
        rows=axes[1].labels if len(axes) > 1 else ("",),
        column_title=axes[0].field.title,
        row_title=axes[1].field.title if len(axes) > 1 else "",
        title=plot.base.prompt if not _varies(plot, "prompt") else " × ".join(axis.field.title for axis in axes),
        facts=_facts(plot),
    )


def _varies(plot: Plot, field: str) -> bool:
    return any(axis.field.id == field for axis in plot.axes)


def _facts(plot: Plot) -> str:
    """What all cells have in common, without what stands on an axis."""
    base = plot.base
    name = base.scheduler
    if base.scheduler in SCHEDULERS:
        name = scheduler_name(base.scheduler, base.spacing)
    said = {
        "seed": f"seed {base.seed}",
        "scheduler": name,
        "steps": f"{base.steps} steps",
        "guidance_scale": f"guidance {base.guidance_scale:g}",
        "size": f"{base.size.width} × {base.size.height}",
        "model": base.model.name,
    }
    return "  ·  ".join(words for field, words in said.items() if not _varies(plot, field))
