"""What can stand on an axis of a plot: the fields of a recipe, how each is written, put into a recipe, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from studio.core.choices import MODE_NAMES, ControlKind, ControlMode, Spacing, Tiling
from studio.core.plot_values import VALUES_MAX, BadPlot, numbers, sizes, too_many, words
from studio.core.plugins import Parameter, ParameterType, is_finite
from studio.core.plugins import Value as PluginValue
from studio.core.recipe import ControlUse, FreeU, ModelRef, PluginUse, Recipe, Size
from studio.core.schedulers import SCHEDULERS

PlotValue = PluginValue | Size
ParameterOf = Callable[[PluginUse, str], Parameter | None]  # what a plugin declared of a parameter; None if not known


class FieldKind(StrEnum):
    """How the values of an axis are written."""

    WHOLE = "whole"
    NUMBER = "number"
    CHOICE = "choice"
    TEXT = "text"
    SIZE = "size"
    REPLACE = "replace"  # the first text is looked for in the prompt, and replaced by each of the others


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotField:
    """One field of a recipe that an axis can vary. `id` names it for programs ("steps", "control:0:weight").

    `cost` says how much the engine has to do anew when it changes: the axis of the highest cost varies slowest.
    `choices` are (value, title); `limits` hold for numbers where something stricter than the recipe is declared.
    """

    id: str
    title: str
    kind: FieldKind
    cost: int = 0
    choices: tuple[tuple[PluginValue, str], ...] = ()
    limits: tuple[float, float] | None = None
    example: str = ""


class Cost:
    """What changes with an axis: weights are read, changed, control maps made, texts read; or only the loop runs."""

    MODEL, EXACT, ADAPTER, CONTROL, SIZE, TEXT, LOOP = 6, 5, 4, 3, 2, 1, 0


def fields_of(
    recipe: Recipe,
    models: Iterable[str],
    parameter_of: ParameterOf,
    more_schedulers: Iterable[tuple[str, str]] = (),
) -> tuple[PlotField, ...]:
    """All fields that an axis can vary in this recipe, the usual ones first. `more_schedulers`: plugins' (id, title)."""
    schedulers = (*((info.id, info.title) for info in SCHEDULERS.values()), *more_schedulers)
    spacings = tuple((spacing.value, spacing.value.capitalize()) for spacing in Spacing)
    named = dict.fromkeys((*models, recipe.model.name))
    usual = (
        PlotField(id="seed", title="Seed", kind=FieldKind.WHOLE, example="1-5"),
        PlotField(id="steps", title="Steps", kind=FieldKind.WHOLE, example="5, 10, 20"),
        PlotField(id="guidance_scale", title="Guidance", kind=FieldKind.NUMBER, example="2-8 (+2)"),
        PlotField(id="scheduler", title="Scheduler", kind=FieldKind.CHOICE, choices=schedulers, example="DDIM, Euler"),
        PlotField(id="spacing", title="Spacing", kind=FieldKind.CHOICE, choices=spacings, example="Normal, Karras"),
        PlotField(
            id="replace", title="Prompt: search and replace", kind=FieldKind.REPLACE, cost=Cost.TEXT,
            example="red, blue, green",
        ),
        PlotField(id="prompt", title="Prompt", kind=FieldKind.TEXT, cost=Cost.TEXT, example='"a cat, day", "a dog, day"'),
        PlotField(id="negative_prompt", title="Negative prompt", kind=FieldKind.TEXT, cost=Cost.TEXT, example='"", blurry'),
        PlotField(id="size", title="Size", kind=FieldKind.SIZE, cost=Cost.SIZE, example="256x256, 384x256"),
        PlotField(
            id="model", title="Model", kind=FieldKind.CHOICE, cost=Cost.MODEL,
            choices=tuple((name, name) for name in named), example=", ".join(list(named)[:2]),
        ),
    )  # fmt: skip
    controls = [
        field for i, use in enumerate(recipe.controls) for field in _control_fields(i, use, len(recipe.controls))
    ]
    guests = [field for i, use in enumerate(recipe.plugins) for field in _plugin_fields(i, use, parameter_of)]
    return (*usual, *_rarer_fields(recipe), *controls, *guests)


def _rarer_fields(recipe: Recipe) -> tuple[PlotField, ...]:
    made = [
        PlotField(id="guidance_rescale", title="Guidance rescale", kind=FieldKind.NUMBER, example="0-0.7 [3]"),
        PlotField(id="clip_skip", title="CLIP skip", kind=FieldKind.WHOLE, cost=Cost.TEXT, example="0-2"),
    ]
    switch: tuple[tuple[PluginValue, str], ...] = ((False, "off"), (True, "on"))
    ways = tuple((tiling.value, tiling.value.capitalize()) for tiling in Tiling)
    made.append(PlotField(id="freeu", title="FreeU", kind=FieldKind.CHOICE, choices=switch, example="off, on"))
    if recipe.freeu is not None:
        made += [
            PlotField(id=f"freeu:{factor}", title=f"FreeU {factor}", kind=FieldKind.NUMBER, example=example)
            for factor, example in (("s1", "0.8, 0.9, 1"), ("s2", "0.2, 0.6"), ("b1", "1, 1.2"), ("b2", "1, 1.4"))
        ]
    made.append(
        PlotField(id="tiling", title="Seamless tiling", kind=FieldKind.CHOICE, choices=ways, example="Off, Both")
    )
    if recipe.init is not None:
        made.append(PlotField(id="strength", title="Strength", kind=FieldKind.NUMBER, example="0.3-0.9 [3]"))
    if recipe.refiner is not None:
        made.append(PlotField(id="refine_at", title="Refiner from", kind=FieldKind.NUMBER, example="0.6, 0.8"))
    return tuple(made)


def read_values(field: PlotField, text: str) -> tuple[PlotValue, ...]:
    """The values that stand in a text, each once. Raises `BadPlot` with a sentence that names field and value."""
    values = _read(field, text)
    if len(values) > VALUES_MAX:
        raise too_many(field.title)
    if field.limits is not None:
        low, high = field.limits
        for value in values:
            if is_finite(value) and not low <= value <= high:
                raise BadPlot(f"{field.title}: {value:g} does not lie between {low:g} and {high:g}.")
    return values


def put(recipe: Recipe, field: PlotField, value: PlotValue, first: PlotValue) -> Recipe:
    """The recipe with this value in this field. `first` is the axis's first value, what REPLACE looks for.

    Raises `BadRecipe` for a value that the recipe refuses, `BadPlot` where there is nothing to replace.
    """
    head, *rest = field.id.split(":")
    if head == "control":
        return _put_control(recipe, int(rest[0]), rest[1], value)
    if head == "plugin":
        return _put_plugin(recipe, int(rest[0]), rest[1], value)
    if head == "replace":
        return _replaced(recipe, str(first), str(value))
    if head == "prompt":
        return replace(recipe, prompt=str(value), raw_prompt="")
    if head == "model":
        return replace(recipe, model=ModelRef(name=str(value)))
    if head == "freeu":
        return _put_freeu(recipe, *rest, value=value)
    if head == "tiling":
        return replace(recipe, tiling=Tiling(str(value)))
    if head == "spacing":
        return replace(recipe, spacing=Spacing(str(value)))
    return replace(recipe, **{head: value})  # type: ignore[arg-type]  # the recipe checks what it is given


def label(field: PlotField, value: PlotValue) -> str:
    """A value as it stands on the sheet and in sentences."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Size):
        return f"{value.width} × {value.height}"
    if isinstance(value, float):
        is_share = field.id.startswith("control:") and field.id.endswith((":start", ":end"))
        return f"{value * 100:g} %" if is_share else f"{value:g}"
    titles = {str(key): title for key, title in field.choices}
    return titles.get(str(value), str(value)) or "(none)"


def _read(field: PlotField, text: str) -> tuple[PlotValue, ...]:
    match field.kind:
        case FieldKind.WHOLE:
            return numbers(field.title, text, whole=True)
        case FieldKind.NUMBER:
            return numbers(field.title, text, whole=False)
        case FieldKind.SIZE:
            return tuple(Size(width=width, height=height) for width, height in sizes(field.title, text))
        case FieldKind.CHOICE:
            return tuple(dict.fromkeys(_chosen(field, word) for word in words(field.title, text)))
        case FieldKind.TEXT:
            return words(field.title, text)
        case FieldKind.REPLACE:
            found = words(field.title, text)
            if len(found) == 1:
                hint = "Write first what stands in the prompt, then what comes in its place: red, blue, green."
                raise BadPlot(f"{field.title}: “{found[0][:60]}” stands alone.", hint)
            return found


def _chosen(field: PlotField, word: str) -> PluginValue:
    known = _folded_choices(field.choices)
    value = known.get(_folded(word))
    if value is None:
        titles = [title for _, title in field.choices]
        offered = ", ".join(titles[:12]) + (" …" if len(titles) > 12 else "")
        raise BadPlot(f"{field.title}: there is no “{word[:60]}”.", f"There are: {offered}.")
    return value


def _folded_choices(choices: tuple[tuple[PluginValue, str], ...]) -> Mapping[str, PluginValue]:
    by_title = {_folded(title): value for value, title in choices}
    return {**{_folded(str(value)): value for value, _ in choices}, **by_title}


def _folded(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum() or c == "+")


def _control_fields(number: int, use: ControlUse, count: int) -> tuple[PlotField, ...]:
    name = f"Control {use.kind}" + (f" {number + 1}" if count > 1 else "")
    made = [
        PlotField(
            id=f"control:{number}:{part}", title=f"{name}: {part}", kind=FieldKind.NUMBER, cost=Cost.CONTROL, example=example
        )
        for part, example in (("weight", "0.5-1.5 (+0.5)"), ("start", "0, 0.2"), ("end", "0.4, 0.7, 1"))
    ]  # fmt: skip
    modes = tuple((mode.value, name.capitalize()) for mode, name in MODE_NAMES.items())
    made.append(
        PlotField(
            id=f"control:{number}:mode", title=f"{name}: mode", kind=FieldKind.CHOICE, cost=Cost.CONTROL, choices=modes,
            example="Balanced, Most control",
        )
    )  # fmt: skip
    if use.kind is ControlKind.CANNY:
        made += [
            PlotField(
                id=f"control:{number}:{part}", title=f"{name}: {words_}", kind=FieldKind.WHOLE, cost=Cost.CONTROL,
                example="50-200 (+50)",
            )
            for part, words_ in (("low", "lower threshold"), ("high", "upper threshold"))
        ]  # fmt: skip
    if use.kind is ControlKind.MLSD:
        made.append(
            PlotField(
                id=f"control:{number}:low", title=f"{name}: least score", kind=FieldKind.WHOLE, cost=Cost.CONTROL, example="5-20 (+5)"
            )
        )  # fmt: skip
    return tuple(made)


def _plugin_fields(number: int, use: PluginUse, parameter_of: ParameterOf) -> tuple[PlotField, ...]:
    part = use.part.replace("_", " ")
    name = "LoRA" if use.part == "lora" else part.capitalize()
    if len(use.files) == 1:
        name = f"{name} {use.files[0][1].name}"
    made = []
    for key, value in use.values:
        declared = parameter_of(use, key)
        title = f"{name}: {(declared.title if declared else key.replace('_', ' ')).lower()}"
        made.append(_plugin_field(f"plugin:{number}:{key}", title, value, declared))
    return tuple(made)


def _plugin_field(id: str, title: str, value: PluginValue, declared: Parameter | None) -> PlotField:
    kind, limits = FieldKind.TEXT, None
    choices: tuple[tuple[PluginValue, str], ...] = ()
    if isinstance(value, bool):
        kind, choices = FieldKind.CHOICE, ((False, "no"), (True, "yes"))
    elif declared is not None and declared.type is ParameterType.CHOICE:
        kind, choices = FieldKind.CHOICE, tuple((choice, choice) for choice in declared.choices)
    elif isinstance(value, int):
        kind = FieldKind.WHOLE
    elif isinstance(value, float):
        kind = FieldKind.NUMBER
    if declared is not None and kind in (FieldKind.WHOLE, FieldKind.NUMBER):
        limits = (declared.minimum, declared.maximum)
    example = ", ".join(name for _, name in choices[:3])
    return PlotField(id=id, title=title, kind=kind, cost=Cost.ADAPTER, choices=choices, limits=limits, example=example)


def _put_control(recipe: Recipe, number: int, part: str, value: PlotValue) -> Recipe:
    uses = list(recipe.controls)
    value = ControlMode(str(value)) if part == "mode" else value
    uses[number] = replace(uses[number], **{part: value})  # type: ignore[arg-type]  # checked by the recipe
    return replace(recipe, controls=tuple(uses))


def _put_freeu(recipe: Recipe, factor: str = "", *, value: PlotValue) -> Recipe:
    """One factor changed; without a name FreeU as a whole on or off."""
    now = recipe.freeu or FreeU()
    if factor:
        return replace(recipe, freeu=replace(now, **{factor: value}))  # type: ignore[arg-type]  # as above
    return replace(recipe, freeu=now if value else None)


def _put_plugin(recipe: Recipe, number: int, key: str, value: PlotValue) -> Recipe:
    uses = list(recipe.plugins)
    values = {**dict(uses[number].values), key: value}
    uses[number] = replace(uses[number], values=tuple(sorted(values.items())))  # type: ignore[arg-type]  # as above
    return replace(recipe, plugins=tuple(uses))


def _replaced(recipe: Recipe, search: str, by: str) -> Recipe:
    if not search or (search not in recipe.prompt and search not in recipe.negative_prompt):
        raise BadPlot(
            f"“{search[:60]}” stands neither in the prompt nor in the negative prompt.",
            "The first value is what is looked for, letter by letter.",
        )
    return replace(
        recipe,
        prompt=recipe.prompt.replace(search, by),
        negative_prompt=recipe.negative_prompt.replace(search, by),
        raw_prompt=recipe.raw_prompt.replace(search, by),
    )
