"""Contact sheets: chosen pictures on one sheet with captions, exported as one file. Nothing of it enters the history."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from PIL import Image

from studio.core.errors import StudioError
from studio.core.export import Caption, ExportReport, ExportWish, SheetWish, check_wish, file_stem
from studio.core.private import without_paths
from studio.core.recipe import Recipe
from studio.core.schedulers import SCHEDULERS, scheduler_name
from studio.gallery import png
from studio.gallery.durable import read_regular
from studio.gallery.export import FILE_MAX, OnProgress, Shared, encode_shared, write_as
from studio.gallery.names import shown
from studio.gallery.rows import UNKNOWN
from studio.gallery.sheet import FORMATS, Part, Sheet, SheetStopped, Tile, draw_sheet

CELL_MAX = 512
COLUMNS_MAX = 24


def export_sheet(
    files: Iterable[Path], sheet: SheetWish, wish: ExportWish, folder: Path, on_progress: OnProgress = lambda *_: True
) -> ExportReport:
    """Draw the pictures on one sheet and write it into `folder`; those that cannot be read are drawn as such.

    `wish.with_recipe` writes into the file, in words, which pictures these are. Raises `StorageProblem`, `BadName`.
    """
    check_wish(wish)
    sources = tuple(files)
    tiles, lines, problems = [], [], []
    size = [1, 1]
    for number, source in enumerate(sources, start=1):
        recipe, picture_id = None, ""
        try:
            imprint = png.read_imprint(source)
            recipe, picture_id = imprint.recipe, imprint.id
            size = [max(size[0], imprint.width), max(size[1], imprint.height)]
        except StudioError as error:  # of another program, or no picture
            found = _size_of(source)
            if found is None:
                problems.append(error.headline)
            else:
                size = [max(size[0], found[0]), max(size[1], found[1])]
        tiles.append(Tile(file=source, caption=caption(sheet.caption, number, source, recipe)))
        lines.append(f"{number}. {picture_id or shown(source.name)}" + (f": {_settings(recipe)}" if recipe else ""))
    columns = min(max(1, sheet.columns), COLUMNS_MAX, max(1, len(tiles)))
    drawn = Sheet(
        cell=_cell(size),
        parts=(Part(tiles=tuple(tiles)),),
        columns=("",) * columns,
        rows=("",) * math.ceil(len(tiles) / columns),
        title=without_paths(sheet.title),
    )
    try:
        pixels = draw_sheet(drawn, lambda done: on_progress(done, len(sources)))
    except SheetStopped:
        return ExportReport(stopped=True)
    words = without_paths("\n".join([sheet.title or "Contact sheet", f"{len(tiles)} pictures:", *lines]))
    made_with = replace(UNKNOWN, sheet=words if wish.with_recipe else "")
    data, notes = encode_shared(Shared(pixels=pixels, made_with=made_with), wish)
    stem = file_stem(sheet.title or "Contact sheet", "", None, None, 1)
    file = write_as(folder, stem, wish.format, data)
    return ExportReport(files=(file.name,), problems=tuple(problems), notes=notes)


def caption(kind: Caption, number: int, file: Path, recipe: Recipe | None) -> str:
    """What stands under a picture, without a path."""
    if kind is Caption.NONE:
        return ""
    if kind is Caption.NUMBER:
        return str(number)
    if kind is Caption.FILE or recipe is None:
        return shown(file.name)
    if kind is Caption.PROMPT:
        return without_paths(recipe.prompt)
    return f"seed {recipe.seed}" if kind is Caption.SEED else without_paths(_settings(recipe, prompt=False))


def _size_of(source: Path) -> tuple[int, int] | None:
    """None for what is no picture."""
    try:
        with Image.open(io.BytesIO(read_regular(source, FILE_MAX)), formats=FORMATS) as image:
            return image.size
    except Exception:  # decoders raise anything on damaged bytes
        return None


def _settings(recipe: Recipe, prompt: bool = True) -> str:
    name = recipe.scheduler
    if recipe.scheduler in SCHEDULERS:
        name = scheduler_name(recipe.scheduler, recipe.spacing)
    said = [f"“{' '.join(recipe.prompt.split())}”"] if prompt else []
    said += [f"seed {recipe.seed}", name, f"{recipe.steps} steps", f"guidance {recipe.guidance_scale:g}"]
    return ", ".join([*said, recipe.model.name])


def _cell(size: list[int]) -> tuple[int, int]:
    factor = min(1.0, CELL_MAX / max(size)) if max(size) > 1 else 256.0
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
