"""What a picture file says of how it was made, as the list of `studio.core.restore` wants it. Changes no panel."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from studio.core.errors import BadInputImage, BadRecipe
from studio.core.found import Found, NamedLora
from studio.core.recipe import Recipe
from studio.gallery import png
from studio.gallery.damage import damage_of
from studio.gallery.durable import read_regular
from studio.gallery.foreign.door import FILE_MAX, OURS, AskPlugins, read_picture
from studio.gallery.foreign.reading import Reading
from studio.gallery.inputs import Inputs
from studio.gallery.names import shown


def found_in(source: Path, inputs: Inputs, plugins: AskPlugins | None = None) -> Found:
    """What is in a picture, of the studio or of another program; its embedded input pictures come into `inputs`.

    Raises BadInputImage when the file cannot be read, BadRecipe when it says nothing that anybody knows, and
    StorageProblem.
    """
    name = shown(source.name)
    try:
        recipe, made_with, embedded = png.recipe_of(source)
    except BadRecipe:
        return replace(_foreign(read_picture(source, plugins=plugins), name), damage=_damage(source))
    for digest, data in embedded.items():
        with suppress(BadInputImage):  # its layer is then told as lost
            inputs.restore(digest, data)
    reading = read_picture(source)
    return Found(
        source=OURS,
        recipe=recipe,
        is_ours=True,
        given=reading.found,
        raw=reading.raw,
        picture=png.read_imprint(source).id,
        made_with=made_with,
        lost=lost_of(recipe, inputs),
        name=name,
        damage=_damage(source),
    )


def _damage(source: Path) -> str:
    with suppress(OSError, ValueError):
        return damage_of(read_regular(source, FILE_MAX))
    return ""


def lost_of(recipe: Recipe, inputs: Inputs) -> tuple[str, ...]:
    """The digests of input pictures that are not here, or damaged."""
    lost = []
    for ref in recipe.pictures:
        try:
            inputs.read(ref)
        except BadInputImage:
            lost.append(ref.digest)
    return tuple(lost)


def _foreign(reading: Reading, name: str) -> Found:
    return Found(
        source=reading.source,
        recipe=reading.recipe,
        given=reading.found,
        raw=reading.raw,
        remarks=reading.remarks,
        unknown=reading.unknown,
        hashes=(reading.model_hash,) if reading.model_hash else (),
        loras=tuple(NamedLora(name=lora, weight=weight) for lora, weight in reading.loras),
        name=name,
    )
