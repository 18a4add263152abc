"""A plot: one recipe varied along two or three of its fields. Planning only: what is made, in which order, for how long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from studio.core.errors import BadRecipe
from studio.core.plot_fields import PlotField, PlotValue, label, put
from studio.core.plot_values import BadPlot
from studio.core.recipe import Recipe
from studio.core.schedulers import SCHEDULERS, scheduler_name

CELLS_MAX = 400
AXES_MAX = 3
NAMES = ("Columns", "Rows", "Blocks")  # what the first, second and third axis are on paper


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One field and the values it takes, in the order of display."""

    field: PlotField
    values: tuple[PlotValue, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(label(self.field, value) for value in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One picture of the plot: `place` are its indexes along the axes (column, row, block)."""

    place: tuple[int, ...]
    recipe: Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A plan. `cells` stand as they are shown: block by block, row by row; `order` are their numbers as they are made.

    The axis of the highest cost varies slowest in `order`, so that a model is loaded once and not once a cell; what
    is shown where has nothing to do with it.
    """

    base: Recipe
    axes: tuple[Axis, ...]
    cells: tuple[Cell, ...]
    order: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, rows, blocks."""
        sides = [len(axis.values) for axis in self.axes]
        columns, rows, blocks = (*sides, 1, 1)[:3]
        return columns, rows, blocks


def plan(base: Recipe, axes: Iterable[Axis]) -> Plot:
    """The plan of a plot; every cell's recipe is checked here, before anything is queued.

    Raises `BadPlot` with a sentence that names the axis and the value.
    """
    chosen = tuple(axes)
    _check_axes(chosen)
    columns, rows, blocks = (*(len(axis.values) for axis in chosen), 1, 1)[:3]
    cells = tuple(
        Cell(place=place, recipe=_recipe_at(base, chosen, place))
        for place in ((x, y, z)[: len(chosen)] for z in range(blocks) for y in range(rows) for x in range(columns))
    )
    slow_first = sorted(range(len(chosen)), key=lambda i: (-chosen[i].field.cost, -i))
    order = sorted(range(len(cells)), key=lambda n: tuple(cells[n].place[i] for i in slow_first))
    return Plot(base=base, axes=chosen, cells=cells, order=tuple(order))


def work(recipe: Recipe) -> float:
    """What a recipe costs in no unit: model calls times pixels. Two of them compare, as far as one model is meant."""
    info = SCHEDULERS.get(recipe.scheduler)
    calls = recipe.steps * (info.calls_per_step if info is not None else 1.0)
    guided = 1.0 if recipe.guidance_scale == 1.0 else 2.0
    controls = 1.0 + 0.4 * len(recipe.controls)
    return calls * guided * controls * recipe.size.width * recipe.size.height


def estimate(plot: Plot, seen: Iterable[tuple[Recipe, float]]) -> float | None:
    """About how many seconds a plot takes, from pictures made lately and their seconds; None when there is none.

    A model's own pictures are taken where there are some, otherwise those of any. The median, as a first picture
    also counts what was loaded.
    """
    rates: dict[str, list[float]] = {}
    for recipe, seconds in seen:
        if seconds > 0:
            rates.setdefault(recipe.model.name, []).append(seconds / work(recipe))
    if not rates:
        return None
    everything = [rate for own in rates.values() for rate in own]
    return sum(work(cell.recipe) * median(rates.get(cell.recipe.model.name, everything)) for cell in plot.cells)


def describe(plot: Plot, ids: Iterable[str | None] = ()) -> str:
    """The plot in words, for whoever opens its sheet later: what it varies, what all have in common, which picture is where.

    `ids` are the pictures of the cells in the order of `plot.cells`, None for one that was not made.
    """
    base = plot.base
    lines = [f"{'XYZ'[: len(plot.axes)]} plot: {' × '.join(axis.field.title for axis in plot.axes)}"]
    for name, axis in zip(NAMES, plot.axes, strict=False):
        lines.append(f"{name}: {axis.field.title} {', '.join(axis.labels)}")
    common = [
        f"prompt “{base.prompt}”",
        f"seed {base.seed}",
        scheduler_name(base.scheduler, base.spacing) if base.scheduler in SCHEDULERS else base.scheduler,
        f"{base.steps} steps",
        f"guidance {base.guidance_scale:g}",
        str(base.size),
        f"model {base.model.name}",
    ]
    lines.append(f"Varied from: {', '.join(common)}")
    made = tuple(ids)
    if made:
        lines.append("Cells:")
        for cell, picture_id in zip(plot.cells, made, strict=True):
            lines.append(f"  {cell_words(plot, cell)}: {picture_id or 'not made'}")
    return "\n".join(lines)


def cell_words(plot: Plot, cell: Cell) -> str:
    """Which cell it is: "Steps 10, Guidance 3"."""
    pairs = zip(plot.axes, cell.place, strict=True)
    return ", ".join(f"{axis.field.title} {axis.labels[i]}" for axis, i in pairs)


def _check_axes(axes: tuple[Axis, ...]) -> None:
    if not 1 <= len(axes) <= AXES_MAX:
        raise BadPlot(f"A plot has one to {AXES_MAX} axes, not {len(axes)}.")
    total = 1
    for axis in axes:
        if not axis.values:
            raise BadPlot(f"{axis.field.title} has no values yet.", f"As in: {axis.field.example or 'a, b'}.")
        if sum(other.field.id == axis.field.id for other in axes) > 1 and axis.field.id != "replace":
            raise BadPlot(f"{axis.field.title} stands on two axes.", "Choose another field for one of them.")
        total *= len(axis.values)
    if total > CELLS_MAX:
        raise BadPlot(f"These are {total:,} pictures; a plot holds at most {CELLS_MAX}.", "Take away some values.")


def _recipe_at(base: Recipe, axes: tuple[Axis, ...], place: tuple[int, ...]) -> Recipe:
    recipe = base
    # Scheduler and spacing, start and end are checked together: where one order of setting them fails, the other may not.
    for number, (axis, i) in enumerate(zip(axes, place, strict=True)):
        try:
            recipe = put(recipe, axis.field, axis.values[i], axis.values[0])
        except BadRecipe as error:
            later = axes[number + 1 :]
            if not later or not _joined(axis.field.id, later):
                raise _refused(axis, i, error) from None
            recipe = _put_together(base, axes, place)
            break
    return recipe


_TOGETHER = (("scheduler", "spacing"), ("start", "end"))


def _joined(field: str, later: tuple[Axis, ...]) -> bool:
    """Whether a later axis sets what this field is checked together with."""
    for pair in _TOGETHER:
        if field.split(":")[-1] in pair:
            return any(axis.field.id.split(":")[-1] in pair for axis in later)
    return False


def _put_together(base: Recipe, axes: tuple[Axis, ...], place: tuple[int, ...]) -> Recipe:
    """In the other order: the later axis first. What is refused both ways is refused."""
    recipe = base
    for axis, i in reversed(list(zip(axes, place, strict=True))):
        try:
            recipe = put(recipe, axis.field, axis.values[i], axis.values[0])
        except BadRecipe as error:
            raise _refused(axis, i, error) from None
    return recipe


def _refused(axis: Axis, i: int, error: BadRecipe) -> BadPlot:
    return BadPlot(f"{axis.field.title} {axis.labels[i][:80]}: {error.headline}", error.hint, error.detail)
