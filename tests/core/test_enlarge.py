"""The larger picture's recipe: the same but for its size and what it begins with; what cannot be made is said."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from studio.core.choices import ControlKind
from studio.core.enlarge import STRENGTH, enlarged, enlarged_parents, enlarged_seconds, enlarged_size
from studio.core.errors import BadRecipe
from studio.core.family import changes_along
from studio.core.library import Link, LinkKind
from studio.core.picture import Picture
from studio.core.recipe import ControlUse, ImageRef, PluginRef, PluginUse, Recipe, Size
from tests.state.fakes import picture_of

PIXELS, SKETCH = ImageRef(digest="cd" * 32), ImageRef(digest="ab" * 32)


def use(type: str) -> PluginUse:
    return PluginUse(plugin=PluginRef(id="guest"), type=type, part="part")


RECIPE = Recipe(
    prompt="a red house",
    seed=7,
    size=Size(width=256, height=384),
    controls=(ControlUse(kind=ControlKind.SCRIBBLE, image=SKETCH),),
    plugins=(use("adapter"), use("picture_tool"), use("scorer")),
    init=SKETCH,
    strength=0.8,
)


def picture(width: int = 256, height: int = 384, **more: object) -> Picture:
    return replace(picture_of(RECIPE, 3), width=width, height=height, **more)


def test_only_the_size_the_beginning_and_what_is_in_the_pixels_already_differ() -> None:
    larger = enlarged(picture(), 1.5, PIXELS)
    assert (larger.size, larger.init, larger.strength) == (Size(width=384, height=576), PIXELS, STRENGTH)
    assert [part.type for part in larger.plugins] == ["adapter", "scorer"]
    changed = {"size", "init", "strength", "plugins"}
    for field in fields(Recipe):
        assert field.name in changed or getattr(larger, field.name) == getattr(RECIPE, field.name)


@pytest.mark.parametrize(
    ("width", "height", "factor", "size"),
    [
        (256, 256, 2.0, (512, 512)),
        (264, 200, 1.5, (400, 304)),
        (1024, 680, 2.0, (2048, 1360)),
        (72, 64, 1.5, (112, 96)),
    ],
)
def test_sizes_are_multiples_of_16(width: int, height: int, factor: float, size: tuple[int, int]) -> None:
    assert enlarged_size(picture(width, height), factor) == Size(width=size[0], height=size[1])


def test_it_is_the_pictures_size_that_counts_not_its_recipes() -> None:
    """A plugin's picture tool may have made it larger than was asked for."""
    assert enlarged_size(picture(512, 768), 2.0) == Size(width=1024, height=1536)


def test_what_cannot_be_made_is_refused_in_words() -> None:
    with pytest.raises(BadRecipe, match="2304 × 1536; at most 2048"):
        enlarged_size(picture(1536, 1024), 1.5)
    sheet = picture(made_with=replace(picture().made_with, sheet="XY plot: Steps"))
    with pytest.raises(BadRecipe, match="a sheet of several pictures"):
        enlarged(sheet, 2.0, PIXELS)
    with pytest.raises(BadRecipe, match="strength"):
        enlarged(picture(), 2.0, PIXELS, strength=1.2)


def test_it_comes_from_the_picture_and_from_what_steers_both() -> None:
    steered = picture(parents=(Link(kind=LinkKind.VARIED, parent="1"), Link(kind=LinkKind.CONTROL, parent="2")))
    assert enlarged_parents(steered) == (
        Link(kind=LinkKind.UPSCALED, parent="000003"),
        Link(kind=LinkKind.CONTROL, parent="2"),
    )


def test_its_link_says_what_it_begins_with_so_the_changes_need_not() -> None:
    link = enlarged_parents(picture())[0]
    said = {change.field for change in changes_along(link, RECIPE, enlarged(picture(), 2.0, PIXELS))}
    assert "size" in said and "strength" in said and "init" not in said
    other = Link(kind=LinkKind.VARIED, parent="000003")
    assert "init" in {change.field for change in changes_along(other, RECIPE, enlarged(picture(), 2.0, PIXELS))}


def test_the_time_grows_with_pixels_and_strength() -> None:
    made = picture(made_with=replace(picture().made_with, seconds=10.0), file=Path("/nowhere"))
    assert enlarged_seconds(made, 2.0, 0.5) == pytest.approx(20.0)
    assert enlarged_seconds(replace(made, made_with=replace(made.made_with, seconds=0.0)), 2.0, 0.5) is None
