"""A picture and all that made it, in one PNG: written whole, read without decoding pixels. Knows no gallery."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image, PngImagePlugin

from studio.core.errors import BadInputImage, BadRecipe
from studio.core.library import Link, LinkKind
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.recipe import ImageRef, Recipe
from studio.core.recipe_text import from_text, to_text
from studio.gallery.chunks import PngTexts, read_texts
from studio.gallery.durable import read_regular
from studio.gallery.names import is_believable, is_id, shown, time_of
from studio.gallery.parameters import model_name, parameters_text

SCHEMA = 1
JSON_MAX = 256 * 1024
INPUTS_MAX = 16_000_000  # bytes of all embedded control pictures together
FILE_MAX = 256_000_000
_INPUT = "studio-input-"
_WANTED = ("studio", "parameters", "prompt", "workflow")  # the last two are ComfyUI's: recognised, not read
_OPTIONAL = ("scores", "notes", "sheet")  # of the circumstances: written only where they say something
_LIST_MAX = 64  # scores and notes that are read; a recipe has at most 40 uses of plugins
_PARENTS_MAX = 400  # a sheet comes from as many pictures as a plot has cells
_PIECE = 4_000_000  # characters: libpng refuses text chunks above 8 MB, so a large input is spread over several
_LEVEL = 1  # deflate level 1: 13 % more bytes than 6 in 60 % of the time (zlib-ng, 1024x1024)

Json = dict[str, Any]  # Any: what json gives; every value is checked before it is used


@dataclass(frozen=True, slots=True, kw_only=True)
class Imprint:
    """What a PNG of the studio says of itself. `id` is "" and `created` None when the file does not tell."""

    id: str
    created: datetime | None
    width: int
    height: int
    recipe: Recipe
    made_with: MadeWith | None
    parents: tuple[Link, ...] = ()


def encode(
    pixels: Pixels,
    recipe: Recipe,
    made_with: MadeWith,
    picture_id: str,
    created: datetime,
    inputs: Mapping[str, bytes],
    parents: Sequence[Link] = (),
) -> bytes:
    """The PNG of a picture: texts before the pixels and uncompressed, so that a file cut off early has its recipe.

    Chunks: iTXt "studio" (JSON, at most 256 kB), "parameters" (A1111 style; of a sheet "Description"), iTXt
    "studio-input-<SHA-256>" with the control pictures in base64 (`inputs`: digest -> stored bytes; those beyond 16 MB
    in all are left out).
    """
    clean = stored_form(recipe)
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("studio", _json_text(clean, made_with, picture_id, created, parents))
    if made_with.sheet:  # other programs must not take what its cells share for its settings
        texts.add_itxt("Description", _clean(made_with.sheet))
    else:
        texts.add_text("parameters", parameters_text(clean, made_with))
    _add_inputs(texts, inputs)
    image = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)
    stream = io.BytesIO()
    image.save(stream, "PNG", pnginfo=texts, compress_level=_LEVEL)
    return stream.getvalue()


def stored_form(recipe: Recipe) -> Recipe:
    """The recipe as a file can hold it: without NUL and lone surrogates, the model without its folder."""
    return replace(from_text(to_text(recipe)), model=replace(recipe.model, name=model_name(recipe)))


def read_imprint(source: Path | bytes) -> Imprint:
    """What a PNG says of itself, from the bytes before its pixels. Raises BadInputImage, BadRecipe."""
    name, texts = _texts(source, head_only=True)
    return _imprint(name, texts)


def recipe_of(source: Path | bytes) -> tuple[Recipe, MadeWith | None, dict[str, bytes]]:
    """Recipe, circumstances and embedded control pictures (digest -> bytes) of a PNG of the studio.

    Tolerates damage behind the recipe; an embedded picture whose digest is wrong is left out. Raises BadInputImage
    when the file cannot be read at all and BadRecipe when it carries no recipe that can be used.
    """
    name, texts = _texts(source, head_only=False)
    imprint = _imprint(name, texts)
    inputs = {digest: data for digest in _digests(imprint.recipe) if (data := _embedded(texts, digest)) is not None}
    return imprint.recipe, imprint.made_with, inputs


def pixels_of(source: Path | bytes) -> Pixels:
    """The pixels of a picture of the history, also of a JPEG or WebP of another program. Raises BadInputImage."""
    name = "This picture" if isinstance(source, bytes) else f"“{shown(source.name)}”"
    try:
        data = source if isinstance(source, bytes) else read_regular(source, FILE_MAX)
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP"]) as image:
            whole = image.convert("RGB")
        return Pixels(width=whole.width, height=whole.height, data=whole.tobytes())
    except Exception as error:  # a decoder may raise anything on damaged bytes
        hint = "It may be damaged; nothing was changed."
        raise BadInputImage(f"The pixels of {name} cannot be read.", hint, repr(error)) from None


def is_whole(data: bytes) -> bool:
    """Whether these bytes are a complete PNG whose pixels decode."""
    if not data.endswith(b"IEND\xaeB`\x82"):
        return False
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
    except Exception:  # a decoder may raise anything on damaged bytes
        return False
    return True


def pictures_of(recipe: Recipe) -> tuple[ImageRef, ...]:
    """The input pictures that travel with a recipe, each once."""
    return recipe.pictures


def made_with_text(made_with: MadeWith) -> str:
    """The circumstances as one JSON object."""
    card = {**asdict(made_with), "versions": dict(made_with.versions)}
    return _dump({key: value for key, value in card.items() if value or key not in _OPTIONAL})


def made_with_from_text(text: str) -> MadeWith | None:
    """The circumstances in a text of `made_with_text`, None when it is not one."""
    try:
        return _made_with(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _json_text(recipe: Recipe, made_with: MadeWith, picture_id: str, created: datetime, parents: Sequence[Link]) -> str:
    card: Json = {"studio_picture": SCHEMA, "id": picture_id, "created": created.astimezone(UTC).isoformat()}
    card["recipe"] = json.loads(to_text(recipe))
    card["made_with"] = json.loads(made_with_text(made_with))
    if parents:
        card["parents"] = [{"kind": link.kind.value, "picture": link.parent} for link in parents[:_PARENTS_MAX]]
    text = _dump(card)
    if len(text.encode()) > JSON_MAX:  # cannot happen with the limits of a recipe: the circumstances are too long
        text = _dump({**card, "made_with": None})
    return text


def _dump(value: Json) -> str:
    return _clean(json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(", ", ": ")))


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _add_inputs(texts: PngImagePlugin.PngInfo, inputs: Mapping[str, bytes]) -> None:
    room = INPUTS_MAX
    for digest, data in inputs.items():
        if len(data) > room:
            continue
        room -= len(data)
        text = base64.b64encode(data).decode("ascii")
        for start in range(0, len(text), _PIECE):
            texts.add_itxt(_INPUT + digest, text[start : start + _PIECE])


def _texts(source: Path | bytes, head_only: bool) -> tuple[str, PngTexts]:
    if isinstance(source, bytes):
        return _found("This picture", io.BytesIO(source), head_only)
    name = f"“{shown(source.name)}”"
    try:
        if head_only and source.is_file():
            with source.open("rb") as stream:
                return _found(name, stream, head_only)
        return _found(name, io.BytesIO(read_regular(source, FILE_MAX)), head_only)
    except (OSError, ValueError) as error:
        reason = str(error)
        if isinstance(error, OSError):
            reason = f"cannot be read ({(error.strerror or 'error').lower()})"
        raise BadInputImage(f"{name} {reason}; nothing was changed.", "", repr(error)) from None


def _found(name: str, stream: BinaryIO, head_only: bool) -> tuple[str, PngTexts]:
    texts = read_texts(stream, _WANTED, stop_after="studio" if head_only else "")
    if texts is None:
        raise BadRecipe(f"{name} carries no recipe, because it is not a PNG.", "Nothing was changed.")
    return name, texts


def _imprint(name: str, texts: PngTexts) -> Imprint:
    card = _card(name, texts)
    recipe = from_text(_dump_again(name, card.get("recipe")))
    picture_id = card.get("id")
    picture_id = picture_id if isinstance(picture_id, str) and is_id(picture_id) else ""
    return Imprint(
        id=picture_id,
        created=_moment(card.get("created")) or (time_of(picture_id) if picture_id else None),
        width=texts.width,
        height=texts.height,
        recipe=recipe,
        made_with=_made_with(card.get("made_with")),
        parents=_parents(card.get("parents")),
    )


def _card(name: str, texts: PngTexts) -> Json:
    found = texts.texts.get("studio")
    if not found:
        if len(texts.texts) > 0:
            raise BadRecipe(f"{name} was made by another program; its settings cannot be used.", "Nothing was changed.")
        raise BadRecipe(f"{name} carries no recipe of Diffusion Studio.", "Nothing was changed.")
    if len(found[0]) > JSON_MAX:
        raise BadRecipe(f"The recipe in {name} is too long to be one.", "Nothing was changed.")
    try:
        card = json.loads(found[0])
    except (ValueError, RecursionError) as error:
        raise BadRecipe(f"The recipe in {name} is damaged.", "Nothing was changed.", str(error)) from None
    schema = card.get("studio_picture") if isinstance(card, dict) else None
    if not isinstance(card, dict) or not isinstance(schema, int) or isinstance(schema, bool):
        raise BadRecipe(f"The recipe in {name} is damaged.", "Nothing was changed.")
    if schema > SCHEMA:
        raise BadRecipe(f"{name} was made by a newer Diffusion Studio.", "Update the studio to use its recipe.")
    return card


def _dump_again(name: str, value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise BadRecipe(f"The recipe in {name} is damaged.", "Nothing was changed.", str(error)) from None


def _made_with(value: object) -> MadeWith | None:
    if not isinstance(value, dict):
        return None
    texts = [f.name for f in fields(MadeWith) if f.name not in ("seconds", "versions", "scores", "notes")]
    seconds, versions = value.get("seconds"), value.get("versions", {})
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not isinstance(versions, dict):
        return None
    try:
        pairs = tuple((str(key), str(version)) for key, version in versions.items())
        return MadeWith(
            seconds=float(seconds),
            versions=pairs,
            scores=_scores(value.get("scores")),
            notes=tuple(note for note in _items(value.get("notes")) if isinstance(note, str)),
            **{key: str(value.get(key, "")) for key in texts},
        )
    except (ValueError, OverflowError, RecursionError):
        return None


def _scores(value: object) -> tuple[tuple[str, float], ...]:
    pairs = [item for item in _items(value) if isinstance(item, list) and len(item) == 2]
    numbers = [(name, n) for name, n in pairs if isinstance(n, int | float) and not isinstance(n, bool)]
    return tuple((name, float(n)) for name, n in numbers if isinstance(name, str) and math.isfinite(n))


def _parents(value: object) -> tuple[Link, ...]:
    """The links of a card; a kind of a newer studio, or an id that is none, is left out."""
    links: dict[Link, None] = {}
    for item in _items(value, _PARENTS_MAX):
        kind, parent = (item.get("kind"), item.get("picture")) if isinstance(item, dict) else (None, None)
        if isinstance(kind, str) and kind in set(LinkKind) and isinstance(parent, str) and is_id(parent):
            links[Link(kind=LinkKind(kind), parent=parent)] = None
    return tuple(links)


def _items(value: object, most: int = _LIST_MAX) -> list[object]:
    return value[:most] if isinstance(value, list) else []


def _moment(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        whole = None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
        return whole if whole is not None and is_believable(whole) else None
    except (ValueError, OverflowError):
        return None


def _digests(recipe: Recipe) -> tuple[str, ...]:
    return tuple(ref.digest for ref in pictures_of(recipe))


def _embedded(texts: PngTexts, digest: str) -> bytes | None:
    pieces = texts.texts.get(_INPUT + digest)
    if not pieces:
        return None
    try:
        data = base64.b64decode("".join(pieces), validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if hashlib.sha256(data).hexdigest() == digest else None
