"""Pictures for other people: PNG, JPEG or WebP, with the recipe or bare, without any trace of this machine. Never overwrites."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from studio.core.errors import BadInputImage, BadRecipe, StudioError
from studio.core.export import ExportFormat, ExportReport, ExportWish, check_wish, file_stem
from studio.core.library import Link
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.private import without_paths
from studio.core.recipe import Recipe
from studio.core.recipe_text import from_text, to_text
from studio.gallery import png
from studio.gallery.chunks import read_texts
from studio.gallery.durable import read_regular, storage_problem, write_new
from studio.gallery.exported import card_of, exif_with
from studio.gallery.foreign.door import read_foreign
from studio.gallery.intake import load
from studio.gallery.names import shown
from studio.gallery.parameters import parameters_text
from studio.gallery.rows import UNKNOWN

OnProgress = Callable[[int, int], bool]  # how many of how many are done; False stops
FILE_MAX = 256_000_000
_SAME_NAME_MAX = 10_000
_BARE_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"sRGB", b"pHYs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A picture as it may leave: pixels, and what it says of itself with every path cut to a name."""

    pixels: Pixels
    id: str = ""
    created: datetime | None = None
    recipe: Recipe | None = None
    made_with: MadeWith = UNKNOWN
    parents: tuple[Link, ...] = ()
    inputs: tuple[tuple[str, bytes], ...] = ()
    notes: tuple[str, ...] = ()


def export_all(
    files: Iterable[Path], wish: ExportWish, folder: Path, on_progress: OnProgress = lambda *_: True
) -> ExportReport:
    """Write each picture into `folder` under a name of its own, one after the other, each whole or not at all.

    A picture that cannot be read is left out and said so. Raises `StorageProblem` when the folder refuses one (what
    was written before stays), `BadName` before anything is written.
    """
    check_wish(wish)
    sources = tuple(files)
    written: list[str] = []
    problems: list[str] = []
    notes: dict[str, None] = {}
    for number, source in enumerate(sources, start=1):
        if not on_progress(number - 1, len(sources)):
            return ExportReport(files=tuple(written), problems=tuple(problems), notes=tuple(notes), stopped=True)
        try:
            shared = read_shared(source)
            data, left_out = encode_shared(shared, wish)
        except (BadInputImage, BadRecipe, MemoryError) as error:
            problems.append(_problem(source, error))
            continue
        is_sheet = bool(shared.made_with.sheet)
        stem = file_stem(wish.pattern, shared.id, shared.recipe, shared.created, number, is_sheet)
        written.append(write_as(folder, stem, wish.format, data).name)
        notes |= dict.fromkeys((*shared.notes, *left_out) if wish.with_recipe else ())
    on_progress(len(sources), len(sources))
    return ExportReport(files=tuple(written), problems=tuple(problems), notes=tuple(notes))


def read_shared(source: Path) -> Shared:
    """A picture file made ready to leave. Raises BadInputImage."""
    try:
        data = read_regular(source, FILE_MAX)
    except (OSError, ValueError) as error:
        raise BadInputImage(f"“{shown(source.name)}” cannot be read.", "", repr(error)) from None
    card = card_of(data)
    try:
        imprint = png.read_imprint(data if card is None else card)
    except StudioError:
        return _without_settings(source, data)
    inputs = {} if card is not None else png.recipe_of(data)[2]
    recipe, clean, notes = _clean(imprint.recipe, inputs)
    return Shared(
        pixels=_pixels(source, data),
        id=imprint.id,
        created=imprint.created,
        recipe=recipe,
        made_with=_clean_made_with(imprint.made_with or UNKNOWN),
        parents=imprint.parents,
        inputs=clean,
        notes=notes,
    )


def encode_shared(shared: Shared, wish: ExportWish) -> tuple[bytes, tuple[str, ...]]:
    """The bytes of the file, and sentences on what of the recipe it does not hold."""
    if wish.format is ExportFormat.PNG:
        return _as_png(shared, wish.with_recipe), ()
    image = Image.frombytes("RGB", (shared.pixels.width, shared.pixels.height), shared.pixels.data)
    exif = b""
    notes: tuple[str, ...] = ()
    if wish.with_recipe and (shared.recipe is not None or shared.made_with.sheet):
        room = 65_000 if wish.format is ExportFormat.JPEG else 0  # a JPEG's segment holds 65,533 bytes
        exif, notes = exif_with(_studio_card(shared), _comment(shared), room)
        if shared.inputs:
            notes += ("Control pictures travel in PNG files only; in the others the recipe names them by digest.",)
    stream = io.BytesIO()
    quality = min(100, max(1, wish.quality))
    if wish.format is ExportFormat.JPEG:
        image.save(stream, "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2, optimize=True, exif=exif)
    elif wish.lossless:
        image.save(stream, "WEBP", lossless=True, quality=60, exif=exif)
    else:
        image.save(stream, "WEBP", quality=quality, method=4, exif=exif)
    return stream.getvalue(), notes


def write_as(folder: Path, stem: str, format: ExportFormat, data: bytes) -> Path:
    """Write a new file, with a number behind its name where that is taken. Raises StorageProblem."""
    for number in range(1, _SAME_NAME_MAX):
        file = folder / f"{stem}{f' {number}' if number > 1 else ''}.{format.value}"
        try:
            write_new(file, data)
        except FileExistsError:
            if folder.exists() and not folder.is_dir():
                error: OSError = NotADirectoryError(20, "not a folder")
                raise _refused(folder, error) from None
        except OSError as error:
            raise _refused(folder, error) from None
        else:
            return file
    raise _refused(folder, FileExistsError(17, "too many files of one name"))


def _refused(folder: Path, error: OSError) -> StudioError:
    return storage_problem("The picture could not be exported", "those written before it are whole", folder, error)


def _as_png(shared: Shared, with_recipe: bool) -> bytes:
    if with_recipe and shared.recipe is not None:
        moment = shared.created or datetime.now(UTC)
        return png.encode(
            shared.pixels, shared.recipe, shared.made_with, shared.id, moment, dict(shared.inputs), shared.parents
        )
    stream = io.BytesIO()
    size = shared.pixels.width, shared.pixels.height
    texts = PngImagePlugin.PngInfo()
    if with_recipe and shared.made_with.sheet:
        texts.add_itxt("Description", shared.made_with.sheet)
    Image.frombytes("RGB", size, shared.pixels.data).save(stream, "PNG", pnginfo=texts, compress_level=6)
    return stream.getvalue()


def _studio_card(shared: Shared) -> str:
    """The text of the PNG's own chunk, taken out of the smallest PNG: there is one writer of it."""
    if shared.recipe is None:
        return ""
    dot = Pixels(width=1, height=1, data=b"\0\0\0")
    moment = shared.created or datetime.now(UTC)
    made = png.encode(dot, shared.recipe, shared.made_with, shared.id, moment, {}, shared.parents)
    found = read_texts(io.BytesIO(made), ("studio",), stop_after="studio")
    return found.texts["studio"][0] if found is not None else ""


def _comment(shared: Shared) -> str:
    if shared.made_with.sheet or shared.recipe is None:
        return shared.made_with.sheet
    return parameters_text(shared.recipe, shared.made_with)


def _without_settings(source: Path, data: bytes) -> Shared:
    loaded = load(source)
    notes: tuple[str, ...] = (f"“{shown(source.name)}”: {loaded.note}",) if loaded.note else ()
    if read_foreign(data) is not None:
        notes += ("Settings that another program wrote are not taken along.",)
    with Image.open(io.BytesIO(loaded.png), formats=["PNG"]) as image:
        pixels = Pixels(width=loaded.width, height=loaded.height, data=image.convert("RGB").tobytes())
    return Shared(pixels=pixels, notes=notes)


def _pixels(source: Path, data: bytes) -> Pixels:
    """All pixels of a file of the studio, unscaled: a sheet may be larger than what the intake lets in."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP"]) as image:
            whole = image.convert("RGB")
    except Exception as error:  # decoders raise anything on damaged bytes
        raise BadInputImage(f"“{shown(source.name)}” is damaged or incomplete.", "", repr(error)) from None
    return Pixels(width=whole.width, height=whole.height, data=whole.tobytes())


def _clean(recipe: Recipe, inputs: dict[str, bytes]) -> tuple[Recipe, tuple[tuple[str, bytes], ...], tuple[str, ...]]:
    text = to_text(recipe)
    fields = _mapped(json.loads(text))
    kept: list[tuple[str, bytes]] = []
    clean = json.dumps(fields, ensure_ascii=False)
    notes: tuple[str, ...] = ()
    if fields != json.loads(text):
        notes = ("Paths in texts were cut to the names of files.",)
    for digest, data in inputs.items():
        try:
            bare = _bare(data)
        except Exception:  # it came inside a picture from elsewhere; a decoder may raise anything on damaged bytes
            notes += ("A control picture is damaged and is left out.",)
            continue
        if bare != data:
            clean = clean.replace(digest, hashlib.sha256(bare).hexdigest())
        kept.append((hashlib.sha256(bare).hexdigest(), bare))
    return from_text(clean), tuple(kept), notes


def _clean_made_with(made_with: MadeWith) -> MadeWith:
    return replace(
        made_with,
        studio=without_paths(made_with.studio),
        device=without_paths(made_with.device),
        versions=tuple((name, without_paths(version)) for name, version in made_with.versions),
        notes=tuple(without_paths(note) for note in made_with.notes),
        sheet=without_paths(made_with.sheet),
    )


def _mapped(value: Any) -> Any:  # Any: what json gives
    if isinstance(value, str):
        return without_paths(value)
    if isinstance(value, list):
        return [_mapped(item) for item in value]
    return {key: _mapped(item) for key, item in value.items()} if isinstance(value, dict) else value


def _bare(data: bytes) -> bytes:
    """A control picture without metadata. What the intake made has none; one that came inside a picture may."""
    at = 8
    while at + 8 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind not in _BARE_CHUNKS:
            break
        at += 12 + length
    else:
        if at == len(data):
            return data
    with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
        plain = image.convert("RGB")
    plain.info = {}
    stream = io.BytesIO()
    plain.save(stream, "PNG")
    return stream.getvalue()


def _problem(source: Path, error: BaseException) -> str:
    if isinstance(error, StudioError):
        return error.headline
    return f"“{shown(source.name)}” needs more memory than there is."
