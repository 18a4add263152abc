"""The one way in: what any picture says of how it was made, our own first, then each reader in turn. Runs nothing."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import MISSING, fields, replace
from pathlib import Path

from studio import api
from studio.core.errors import BadInputImage, BadRecipe
from studio.core.recipe import ModelRef, Recipe
from studio.gallery import png
from studio.gallery.chunks import read_texts
from studio.gallery.damage import damage_of
from studio.gallery.durable import read_regular
from studio.gallery.exported import card_of
from studio.gallery.foreign import a1111, comfyui, fooocus, invokeai, novelai
from studio.gallery.foreign.carrier import PARAMETERS, Carried, carried_by, hidden_in
from studio.gallery.foreign.reading import MatchModel, Reading
from studio.gallery.foreign.values import plain
from studio.gallery.names import shown

FILE_MAX = 256_000_000
OURS = "Diffusion Studio"
_EVERY = tuple(field.name for field in fields(Recipe))
_USUAL = {field.name: field.default for field in fields(Recipe) if field.default is not MISSING}
_NOTHING = "Nothing was changed."

AskPlugins = Callable[[bytes, str], api.Reading]  # a file and its name; `source` is "" where no plugin knows it

_Reader = Callable[[Carried, MatchModel | None], Reading | None]
# The infotext before ComfyUI's graph: some of its savers write both, and there the text says what was meant.
_READERS: tuple[_Reader, ...] = (invokeai.read, novelai.read, fooocus.read, comfyui.read, a1111.read)
_WITH_TEXT: tuple[_Reader, ...] = (invokeai.read, novelai.read, fooocus.read, a1111.read)


def read_picture(source: Path | bytes, match: MatchModel | None = None, plugins: AskPlugins | None = None) -> Reading:
    """What a picture says of how it was made: of the studio itself or of another program (`Reading.source`).

    `match` finds a model that is here by name and hash; `plugins` are asked where no reader of the studio finds a
    recipe. Raises BadInputImage when the file cannot be read and BadRecipe when it says nothing that anybody knows.
    """
    try:
        recipe, _, _ = png.recipe_of(source)
    except BadRecipe as error:
        own = card_of(_bytes(source))
        if own is not None:  # a JPEG or WebP that the studio exported
            with suppress(BadRecipe):
                return read_picture(own)
        found = _foreign(_bytes(source), match)
        faults: tuple[str, ...] = ()
        if plugins is not None and (found is None or found.recipe is None):
            answer = plugins(_bytes(source), "" if isinstance(source, bytes) else shown(source.name))
            found, faults = _asked(answer, match) or found, answer.not_understood
        if found is None:
            raise _nothing(source, error, faults) from None
        if found.source == OURS:  # the copy for other programs, beside a record that cannot be read
            return replace(found, not_understood=(error.headline, *found.not_understood))
        return found
    return Reading(source=OURS, recipe=recipe, raw=_own_text(source), found=_EVERY)


def usable_recipe(source: Path | bytes, match: MatchModel | None = None, plugins: AskPlugins | None = None) -> Recipe:
    """The recipe of `read_picture`. Raises BadRecipe, naming the program, when its settings cannot be used."""
    reading = read_picture(source, match, plugins)
    if reading.recipe is None:
        headline = f"{_name(source)} was made by {reading.source}, but its settings cannot be used."
        raise BadRecipe(headline, _NOTHING, "\n".join(reading.not_understood))
    return reading.recipe


def read_foreign(data: bytes, match: MatchModel | None = None) -> Reading | None:
    """What another program wrote into a PNG, JPEG or WebP; None when there is nothing known. Raises nothing."""
    return _foreign(data, match)


def _foreign(data: bytes, match: MatchModel | None) -> Reading | None:
    carried = carried_by(data)
    if carried is None:
        return None
    readers = _WITH_TEXT if a1111.has_settings(carried) else _READERS
    found = _first(readers, carried, match)
    if found is None and PARAMETERS not in carried.texts:
        hidden = hidden_in(data, carried)
        found = None if hidden is None else _first(_READERS, hidden, match)
    return found


def _first(readers: Iterable[_Reader], carried: Carried, match: MatchModel | None) -> Reading | None:
    """The first reading that gives a recipe; the first that knows the program at all where none does."""
    known: Reading | None = None
    for reader in readers:
        found = reader(carried, match)
        if found is not None and found.recipe is not None:
            return found
        known = known or found
    return known


def _asked(answer: api.Reading, match: MatchModel | None) -> Reading | None:
    """What a plugin understood, as if it were a reader of ours; None where none knew the picture."""
    if not answer.source:
        return None
    recipe, notes = answer.recipe, [plain(note) for note in answer.not_understood]
    found: tuple[str, ...] = ()
    if recipe is not None:
        found = tuple(name for name in _EVERY if getattr(recipe, name) != _USUAL.get(name, object()))
        here = match(recipe.model.name, "") if match is not None else None
        if here is not None:
            recipe = replace(recipe, model=ModelRef(name=here))
        elif match is not None:
            notes.append(f"missing: model {recipe.model.name}")
    return Reading(
        source=plain(answer.source), recipe=recipe, raw=plain(answer.raw), not_understood=tuple(notes), found=found
    )


def _own_text(source: Path | bytes) -> str:
    found = read_texts(io.BytesIO(_bytes(source)), ("studio",), stop_after="studio")
    return "" if found is None else plain(found.texts.get("studio", [""])[0])


def _bytes(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    try:
        return read_regular(source, FILE_MAX)
    except (OSError, ValueError) as error:
        raise BadInputImage(f"{_name(source)} cannot be read; nothing was changed.", "", repr(error)) from None


def _nothing(source: Path | bytes, error: BadRecipe, faults: tuple[str, ...]) -> BadRecipe:
    """The sentence for a picture without settings, or so damaged that none came out; what is no picture, or ours with a
    record that cannot be used, keeps its own."""
    detail = "\n".join(filter(None, (error.detail, *faults)))
    data = _bytes(source)
    if problem := damage_of(data):
        carried, said = carried_by(data), "Nothing of it could be read"
        if carried is not None and carried.width:
            said = f"Only its size could be read ({carried.width} x {carried.height} pixels), no settings"
        headline = f"{_name(source)} is damaged: {problem}. {said}."
        return BadRecipe(headline, "Get the file once more from where it came. Nothing was changed.", detail)
    plain_one = any(words in error.headline for words in ("not a PNG", "no recipe of"))
    if not plain_one or carried_by(data) is None:
        return BadRecipe(error.headline, error.hint, detail)
    return BadRecipe(f"{_name(source)} carries no settings that the studio can read.", _NOTHING, detail)


def _name(source: Path | bytes) -> str:
    return "This picture" if isinstance(source, bytes) else f"“{shown(source.name)}”"
