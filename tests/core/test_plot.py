"""Plots: values as they are typed, every cell's recipe, the order of work, refusals in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studio.core.choices import ControlKind, ControlMode, Spacing, Tiling
from studio.core.plot import Axis, Plot, describe, estimate, plan, work
from studio.core.plot_fields import FieldKind, PlotField, fields_of, read_values
from studio.core.plot_values import VALUES_MAX, BadPlot, numbers, sizes, words
from studio.core.plugins import Parameter, ParameterType
from studio.core.recipe import ControlUse, FileRef, FreeU, ImageRef, PluginRef, PluginUse, Recipe, Size

BASE = Recipe(
    prompt="a red house, day",
    negative_prompt="blurry",
    seed=7,
    controls=(ControlUse(kind=ControlKind.CANNY, image=ImageRef(digest="ab" * 32), end=0.5),),
    plugins=(
        PluginUse(
            plugin=PluginRef(id="lora"),
            type="adapter",
            part="lora",
            values=(("separate", False), ("weight", 1.0)),
            files=(("file", FileRef(name="ink.safetensors", sha256="cd" * 32)),),
        ),
    ),
)


def declared(use: PluginUse, name: str) -> Parameter | None:
    if name != "weight":
        return None
    return Parameter(name=name, type=ParameterType.FLOAT, title="Strength", minimum=-4, maximum=4)


FIELDS = {field.id: field for field in fields_of(BASE, ("mini", "mini-fast"), declared)}


def axis(field: str, text: str) -> Axis:
    return Axis(field=FIELDS[field], values=read_values(FIELDS[field], text))


def made(*axes: tuple[str, str], base: Recipe = BASE) -> Plot:
    return plan(base, [axis(*each) for each in axes])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("5, 10, 20", (5, 10, 20)),
        ("1-5", (1, 2, 3, 4, 5)),
        ("1-10 (+3)", (1, 4, 7, 10)),
        ("1-9 [5]", (1, 3, 5, 7, 9)),
        ("5-1", (5, 4, 3, 2, 1)),
        ("10-1(-3)", (10, 7, 4, 1)),
        ("-2-2", (-2, -1, 0, 1, 2)),
        ("1-3 [9]", (1, 2, 3)),  # rounded ones once
        ("7，8、9", (7, 8, 9)),  # as a Chinese keyboard writes them
        ("3, 3, 1-3", (3, 1, 2)),
        ("4-6 [1]", (4,)),
        ("4294967295", (4294967295,)),
        (" , ", ()),
    ],
)
def test_whole_numbers_as_they_are_typed(text: str, values: tuple[int, ...]) -> None:
    assert numbers("Steps", text, whole=True) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("0.1-0.5 (+0.1)", (0.1, 0.2, 0.3, 0.4, 0.5)),  # in decimals: 0.1 + 0.2 is 0.3
        ("0-1 [3]", (0.0, 0.5, 1.0)),
        (".5, 1.", (0.5, 1.0)),
        ("1-3", (1.0, 2.0, 3.0)),
    ],
)
def test_numbers_with_a_fraction(text: str, values: tuple[float, ...]) -> None:
    assert numbers("Guidance", text, whole=False) == values


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("12x", "Steps: “12x” is neither a number nor a range."),
        ("1.5", "whole numbers are needed"),
        ("1-5 (+0.5)", "whole numbers are needed"),
        ("1-5 (-1)", "never arrives"),
        ("1-5 (+0)", "never arrives"),
        ("1-9 [0]", "asks for no value"),
        ("1-10000000", f"more than {VALUES_MAX} values"),
        ("1-9 [9999]", f"more than {VALUES_MAX} values"),
        ("1e9", "neither a number nor a range"),
        ("nan", "neither a number nor a range"),
    ],
)
def test_what_is_no_number_is_refused_with_its_own_words(text: str, says: str) -> None:
    with pytest.raises(BadPlot) as caught:
        numbers("Steps", text, whole=True)
    assert says in caught.value.headline and caught.value.headline.startswith("Steps: ")


def test_a_range_of_fractions_must_say_its_steps() -> None:
    with pytest.raises(BadPlot) as caught:
        numbers("Guidance", "0.2-0.8", whole=False)
    assert "in which steps" in caught.value.headline and "[4]" in caught.value.hint


def test_texts_keep_their_commas_in_quotes() -> None:
    assert words("Prompt", 'red, "green, dark", 猫，狗') == ("red", "green, dark", "猫，狗")
    assert words("Negative prompt", '"", blurry') == ("", "blurry")
    assert words("Prompt", "a, , b") == ("a", "b")
    with pytest.raises(BadPlot, match="quotes do not match"):
        words("Prompt", '"red, blue')


def test_sizes() -> None:
    assert sizes("Size", "256x256, 384 × 256") == ((256, 256), (384, 256))
    with pytest.raises(BadPlot, match="not a size"):
        sizes("Size", "256")


def test_choices_by_title_or_id_in_any_case() -> None:
    assert read_values(FIELDS["scheduler"], "ddim, DPM++ 2M, dpmpp_2s") == ("ddim", "dpmpp_2m", "dpmpp_2s")
    with pytest.raises(BadPlot) as caught:
        read_values(FIELDS["scheduler"], "DPM+++")
    assert "there is no “DPM+++”" in caught.value.headline and "DDIM" in caught.value.hint


def test_the_fields_of_a_recipe_with_layers() -> None:
    assert FIELDS["plugin:0:weight"].title == "LoRA ink.safetensors: strength"
    assert FIELDS["plugin:0:separate"].kind is FieldKind.CHOICE
    assert FIELDS["control:0:low"].kind is FieldKind.WHOLE
    assert "control:0:low" not in {field.id for field in fields_of(Recipe(prompt="", seed=1), (), declared)}
    with pytest.raises(BadPlot, match=r"5 does not lie between -4 and 4"):
        read_values(FIELDS["plugin:0:weight"], "1, 5")


def test_the_modes_of_a_control_layer_side_by_side() -> None:
    plot = made(("control:0:mode", "Balanced, most control, more_prompt"))
    modes = [cell.recipe.controls[0].mode for cell in plot.cells]
    assert modes == [ControlMode.BALANCED, ControlMode.UNBALANCED, ControlMode.MORE_PROMPT]
    assert plot.axes[0].labels == ("Balanced", "Most control", "More prompt")


def test_every_cell_has_its_recipe_in_the_order_of_display() -> None:
    plot = made(("steps", "5, 10"), ("guidance_scale", "2, 4, 6"))
    assert plot.shape == (2, 3, 1)
    assert [cell.place for cell in plot.cells] == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]
    assert [(cell.recipe.steps, cell.recipe.guidance_scale) for cell in plot.cells[:3]] == [
        (5, 2.0),
        (10, 2.0),
        (5, 4.0),
    ]
    assert plot.cells[0].recipe == replace(BASE, steps=5, guidance_scale=2.0)


def test_layers_and_plugins_are_varied_where_they_stand() -> None:
    plot = made(("plugin:0:weight", "0.5, 1"), ("control:0:end", "0.25, 1"))
    assert [dict(cell.recipe.plugins[0].values)["weight"] for cell in plot.cells] == [0.5, 1.0, 0.5, 1.0]
    assert [cell.recipe.controls[0].end for cell in plot.cells] == [0.25, 0.25, 1.0, 1.0]
    assert plot.axes[1].labels == ("25 %", "100 %")


def test_search_and_replace_in_both_prompts() -> None:
    plot = made(("replace", 'red, "green, dark"'))
    assert [cell.recipe.prompt for cell in plot.cells] == ["a red house, day", "a green, dark house, day"]
    assert made(("replace", "blurry, noisy")).cells[1].recipe.negative_prompt == "noisy"
    resolved = replace(BASE, raw_prompt="a {red|blue} house, day")
    assert made(("replace", "red, green"), base=resolved).cells[1].recipe.raw_prompt == "a {green|blue} house, day"
    with pytest.raises(BadPlot, match="“cat” stands neither in the prompt"):
        made(("replace", "cat, dog"))
    with pytest.raises(BadPlot, match="stands alone"):
        made(("replace", "red"))


def test_two_axes_may_both_search_and_replace() -> None:
    plot = made(("replace", "red, blue"), ("replace", "day, night"))
    assert plot.cells[3].recipe.prompt == "a blue house, night"


def test_the_costly_axis_varies_slowest_whatever_is_shown_where() -> None:
    plot = made(("model", "mini, mini-fast"), ("steps", "5, 10"), ("plugin:0:weight", "0, 1"))
    work_order = [plot.cells[n].recipe for n in plot.order]
    assert [recipe.model.name for recipe in work_order] == ["mini"] * 4 + ["mini-fast"] * 4
    weights = [dict(recipe.plugins[0].values)["weight"] for recipe in work_order]
    assert weights == [0, 0, 1, 1, 0, 0, 1, 1]
    assert sorted(plot.order) == list(range(8))
    # the control: made in the order of display, the model would change with every picture
    assert [cell.recipe.model.name for cell in plot.cells[:4]] == ["mini", "mini-fast", "mini", "mini-fast"]


def test_each_value_is_checked_by_the_recipe_before_anything_is_queued() -> None:
    with pytest.raises(BadPlot) as caught:
        made(("steps", "10, 0"))
    assert caught.value.headline.startswith("Steps 0: The number of steps is 0")
    with pytest.raises(BadPlot, match=r"Size 250 × 256: The width is 250"):
        made(("size", "250x256"))
    with pytest.raises(BadPlot, match=r"Control canny: start 80 %: .*ends at 0\.5"):
        made(("control:0:start", "0.8"))


def test_what_is_checked_together_may_stand_on_two_axes() -> None:
    base = replace(BASE, scheduler="dpmpp_2m", spacing=Spacing.KARRAS)
    plot = made(("scheduler", "DPM++ 2M, DDIM"), ("spacing", "Trailing"), base=base)  # DDIM knows no Karras
    assert [cell.recipe.scheduler for cell in plot.cells] == ["dpmpp_2m", "ddim"]
    assert made(("control:0:start", "0.6"), ("control:0:end", "0.9")).cells[0].recipe.controls[0].start == 0.6
    with pytest.raises(BadPlot, match="Karras"):
        made(("scheduler", "DDIM"), ("spacing", "Karras"))


def test_plots_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadPlot, match="stands on two axes"):
        made(("steps", "1, 2"), ("steps", "3, 4"))
    with pytest.raises(BadPlot, match="no values yet"):
        made(("steps", ""))
    with pytest.raises(BadPlot, match="900 pictures"):
        made(("seed", "1-30"), ("steps", "1-30"))
    with pytest.raises(BadPlot, match="one to 3 axes"):
        plan(BASE, [])


def test_the_time_is_estimated_from_what_was_made_lately() -> None:
    plot = made(("steps", "10, 20"))
    assert estimate(plot, []) is None
    seen = [(replace(BASE, steps=10), seconds) for seconds in (2.0, 2.0, 60.0)]  # the first one also loaded the model
    assert estimate(plot, seen) == pytest.approx(6.0)
    other = [(replace(BASE, steps=10, model=replace(BASE.model, name="other")), 99.0)]
    assert estimate(plot, seen + other) == pytest.approx(6.0)
    assert work(replace(BASE, size=Size(width=512, height=512))) == 4 * work(BASE)


def test_the_sheet_says_in_words_what_it_is() -> None:
    plot = made(("steps", "5, 10"), ("guidance_scale", "2"))
    text = describe(plot, ["20261125-101010-000000-0123abcd", None])
    assert text.startswith("XY plot: Steps × Guidance\nColumns: Steps 5, 10\nRows: Guidance 2\n")
    assert "  Steps 5, Guidance 2: 20261125-101010-000000-0123abcd\n" in text
    assert text.endswith("  Steps 10, Guidance 2: not made")
    assert "seed 7" in text and "a red house" in text


def test_a_field_of_a_plugin_that_is_not_here_goes_by_its_name() -> None:
    fields = {field.id: field for field in fields_of(BASE, (), lambda use, name: None)}
    field: PlotField = fields["plugin:0:weight"]
    assert field.title == "LoRA ink.safetensors: weight" and field.limits is None


def test_freeu_and_tiling_as_axes() -> None:
    cells = {cell.recipe.freeu for cell in made(("freeu", "off, on")).cells}
    assert cells == {None, FreeU()}
    assert {cell.recipe.tiling for cell in made(("tiling", "off, x")).cells} == {Tiling.OFF, Tiling.X}
    assert "freeu:b1" not in FIELDS
    on = replace(BASE, freeu=FreeU(b1=1.1))
    field = next(field for field in fields_of(on, (), declared) if field.id == "freeu:b2")
    plot = plan(on, [Axis(field=field, values=read_values(field, "1, 1.4"))])
    assert {cell.recipe.freeu for cell in plot.cells} == {FreeU(b1=1.1, b2=1.0), FreeU(b1=1.1, b2=1.4)}
