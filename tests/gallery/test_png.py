"""Recipes through PNG files and back: any text, any damage, no path of this machine."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import json
import os
import random
import struct
import zlib
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from studio.core.choices import ControlKind, ControlMode, ResizeMode, Spacing
from studio.core.errors import BadInputImage, BadRecipe, StudioError
from studio.core.library import Link, LinkKind
from studio.core.recipe import PROMPT_MAX, ControlUse, ImageRef, ModelRef, Recipe, Size
from studio.core.recipe_text import to_text
from studio.gallery import png
from studio.gallery.chunks import CHUNK_MAX, SIGNATURE
from studio.gallery.names import new_id, time_of
from tests.gallery.makers import MADE_WITH, control, encoded, noise, recipe, sketch

NOW = datetime(2026, 11, 21, 14, 30, 5, 123456, tzinfo=UTC)
ID = new_id(NOW, "")
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)  # lone surrogates and NUL included


def written(made: Recipe, inputs: dict[str, bytes] | None = None) -> bytes:
    return png.encode(noise(8), made, MADE_WITH, ID, NOW, inputs or {})


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += length + 12
    return found


def with_card(text: str) -> bytes:
    body = b"studio\0\0\0\0\0" + text.encode("utf-8", "surrogatepass")
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    plain = encoded(Image.new("RGB", (2, 2)))
    return plain[:33] + chunk + plain[33:]


@settings(max_examples=200, deadline=None)
@example("\ud83d", "\udc00\x00")
@example("😀" * PROMPT_MAX, "\x01" * PROMPT_MAX)
@example("\x00" * PROMPT_MAX, '"' * PROMPT_MAX)
@example("\ud800" * PROMPT_MAX, "日" * PROMPT_MAX)
@example("a\r\n\u2028b\tNegative prompt: c", "<img src=x> & {0.__class__} %s ' ; --")
@given(prompt=ANY_TEXT, negative=ANY_TEXT)
def test_any_text_comes_back(prompt: str, negative: str) -> None:
    made = recipe(prompt)
    made = dataclasses.replace(made, negative_prompt=negative)
    data = written(made)
    back, made_with, _ = png.recipe_of(data)
    assert back == png.stored_form(made)
    assert made_with == MADE_WITH
    kept = prompt.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert back.prompt == kept
    assert Image.open(io.BytesIO(data)).tobytes() == noise(8).data


NUMBERS = st.floats(0, 1, allow_nan=False)
CONTROLS = st.builds(
    lambda kind, weight, ends, resize, invert, low, digest: ControlUse(
        kind=kind,
        image=ImageRef(digest=hashlib.sha256(digest).hexdigest()),
        weight=weight,
        start=min(ends),
        end=max(ends),
        resize=resize,
        invert=invert,
        low=low,
    ),
    st.sampled_from(ControlKind),
    st.floats(0, 4),
    st.tuples(NUMBERS, NUMBERS),
    st.sampled_from(ResizeMode),
    st.booleans(),
    st.integers(0, 255),
    st.binary(max_size=4),
)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    steps=st.integers(1, 1000),
    guidance=st.floats(0, 50),
    side=st.integers(8, 256),
    spacing=st.sampled_from([Spacing.NORMAL, Spacing.KARRAS, Spacing.BETA]),
    exact=st.booleans(),
    controls=st.lists(CONTROLS, max_size=8),
)
def test_every_field_comes_back(
    seed: int, steps: int, guidance: float, side: int, spacing: Spacing, exact: bool, controls: list[ControlUse]
) -> None:
    made = Recipe(
        prompt="x",
        seed=seed,
        steps=steps,
        guidance_scale=guidance,
        size=Size(width=side * 8, height=512),
        spacing=spacing,
        exact=exact,
        controls=tuple(controls),
    )
    assert png.recipe_of(written(made))[0] == made


def test_texts_stand_uncompressed_before_the_pixels() -> None:
    data = written(recipe("日本"))
    kinds = [kind for kind, _ in chunks_of(data)]
    assert kinds[:3] == [b"IHDR", b"iTXt", b"iTXt"]
    assert kinds.index(b"IDAT") == 3
    assert chunks_of(data)[1][1].startswith(b"studio\0\0\0\0\0{")
    assert "日本".encode() in chunks_of(data)[1][1]


def test_a_file_cut_off_in_the_pixels_still_has_its_recipe() -> None:
    data = written(recipe())
    assert png.recipe_of(data[: data.index(b"IDAT") + 2])[0] == recipe()
    imprint = png.read_imprint(data[: data.index(b"IDAT") + 2])
    assert (imprint.id, imprint.created, imprint.width, imprint.height) == (ID, NOW, 8, 8)


def test_other_programs_read_the_parameters() -> None:
    use = dataclasses.replace(control(ImageRef(digest="0" * 64)), resize=ResizeMode.PAD, mode=ControlMode.MORE_CONTROL)
    made = dataclasses.replace(recipe("two\nlines", controls=(use,)), model=ModelRef(name="good, bad: ugly"))
    text = Image.open(io.BytesIO(written(made))).text["parameters"]
    assert text == (
        "two\nlines\nNegative prompt: blurry\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 5, Seed: 7, Size: 256x256, "
        'Model: "good, bad: ugly", Version: Diffusion Studio 0.1.0, '
        'ControlNet 0: "Module: canny, Model: good, bad: ugly canny, Weight: 0.75, Resize Mode: Resize and Fill, '
        "Threshold A: 40, Threshold B: 90, Guidance Start: 0.125, Guidance End: 0.5, "
        'Control Mode: ControlNet is more important"'
    )


def test_no_path_of_this_machine_gets_into_a_picture() -> None:
    made = dataclasses.replace(recipe(), model=ModelRef(name="/home/kim/models/sd15/"))
    data = written(made)
    assert b"/home" not in data
    assert b"kim" not in data
    assert png.recipe_of(data)[0].model.name == "sd15"
    assert png.stored_form(dataclasses.replace(recipe(), model=ModelRef(name="C:\\Users\\kim\\a"))).model.name == "a"


def test_control_pictures_travel_inside() -> None:
    data, digest = sketch(), hashlib.sha256(sketch()).hexdigest()
    file = written(recipe(controls=(control(ImageRef(digest=digest)),)), {digest: data})
    assert png.recipe_of(file)[2] == {digest: data}
    assert png.recipe_of(written(recipe(), {digest: data}))[2] == {}, "not asked for by the recipe"


def test_large_control_pictures_are_spread_and_capped() -> None:
    blobs = [random.Random(i).randbytes(7_000_000) for i in range(3)]
    inputs = {hashlib.sha256(blob).hexdigest(): blob for blob in blobs}
    uses = tuple(control(ImageRef(digest=digest)) for digest in inputs)
    file = written(recipe(controls=uses), inputs)
    assert max(len(body) for _, body in chunks_of(file)) < CHUNK_MAX
    assert list(png.recipe_of(file)[2].values()) == blobs[:2], "the third is beyond 16 MB in all"
    with Image.open(io.BytesIO(file)) as image:
        image.load()


def test_an_embedded_picture_that_is_not_what_its_digest_says_is_left_out() -> None:
    digest = "0" * 64
    file = written(recipe(controls=(control(ImageRef(digest=digest)),)), {digest: sketch()})
    assert png.recipe_of(file)[2] == {}


def test_circumstances_may_be_missing_or_strange() -> None:
    for value in (None, 3, [], {}, {"seconds": "x"}, {"seconds": True}, {"seconds": 1, "versions": 3}):
        card = {"studio_picture": 1, "recipe": json.loads(to_text(recipe())), "made_with": value}
        back, made_with, _ = png.recipe_of(with_card(json.dumps(card)))
        assert (back, made_with) == (recipe(), None)


@pytest.mark.parametrize(
    "card",
    [
        "",
        "{",
        "null",
        "[]",
        '{"studio_picture": true}',
        '{"studio_picture": 1}',
        '{"studio_picture": 1, "recipe": "x"}',
        '{"studio_picture": 1, "recipe": {"studio_recipe": 1, "prompt": "x", "seed": NaN}}',
        '{"studio_picture": 1, "recipe": {"studio_recipe": 1, "prompt": "x", "seed": 1e999}}',
        '{"studio_picture": 1, "recipe": {"studio_recipe": 1, "prompt": "x", "seed": 1, "steps": 1000000000}}',
        '{"studio_picture": 1, "recipe": {"studio_recipe": 1, "prompt": "x", "seed": 1, "width": 1000000}}',
        '{"studio_picture": 1, "recipe": {"studio_recipe": 1, "prompt": "x", "seed": ' + "9" * 5000 + "}}",
        '{"studio_picture": 1, "recipe": ' + "[" * 100_000,
        '{"studio_picture": 1, "recipe": ' + '{"a":' * 3000 + "1" + "}" * 3001,
        "x" * 300_000,
    ],
    ids=range(15),
)
def test_hostile_recipes_are_refused_in_words(card: str) -> None:
    with pytest.raises(BadRecipe) as caught:
        png.recipe_of(with_card(card))
    assert caught.value.headline.endswith(".")


def test_a_newer_picture_is_refused_in_words() -> None:
    with pytest.raises(BadRecipe, match="newer"):
        png.recipe_of(with_card('{"studio_picture": 2}'))


def test_foreign_and_missing_files(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512")
    contents = {
        "other program": encoded(Image.new("RGB", (2, 2)), pnginfo=info),
        "no recipe": encoded(Image.new("RGB", (2, 2))),
        "not a PNG": encoded(Image.new("RGB", (2, 2)), "JPEG"),
    }
    for words, data in contents.items():
        file = tmp_path / "<b>x.png"
        file.write_bytes(data)
        with pytest.raises(BadRecipe, match=words) as caught:
            png.recipe_of(file)
        assert "“<b>x.png”" in caught.value.headline
    with pytest.raises(BadInputImage, match="cannot be read"):
        png.recipe_of(tmp_path / "none.png")
    with pytest.raises(BadInputImage, match="is a folder"):
        png.recipe_of(tmp_path)
    os.mkfifo(tmp_path / "pipe.png")
    for read in (png.recipe_of, png.read_imprint):
        with pytest.raises(BadInputImage, match="not an ordinary file"):
            read(tmp_path / "pipe.png")


def test_2000_mutants_give_a_recipe_or_a_sentence() -> None:
    rng = random.Random(5)
    digest = hashlib.sha256(sketch()).hexdigest()
    good = written(recipe(controls=(control(ImageRef(digest=digest)),)), {digest: sketch()})
    read = refused = 0
    for _ in range(2000):
        data = bytearray(good)
        for _ in range(rng.choice((1, 1, 3, 20))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        try:
            png.recipe_of(bytes(data))
            read += 1
        except StudioError:
            refused += 1
    assert read > 100
    assert refused > 100


def test_compressed_text_of_others_is_unpacked_only_up_to_a_limit() -> None:
    card = json.dumps({"studio_picture": 1, "recipe": json.loads(to_text(recipe()))})
    for text, works in ((card, True), (" " * 50_000_000, False)):
        body = b"studio\0\x01\0\0\0" + zlib.compress(text.encode())
        chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
        data = SIGNATURE + chunk
        if works:
            assert png.recipe_of(data)[0] == recipe()
        else:
            with pytest.raises(BadRecipe):
                png.recipe_of(data)


def test_embedding_is_plain_base64() -> None:
    digest = hashlib.sha256(sketch()).hexdigest()
    file = written(recipe(controls=(control(ImageRef(digest=digest)),)), {digest: sketch()})
    assert base64.b64decode(Image.open(io.BytesIO(file)).text[f"studio-input-{digest}"]) == sketch()


def test_the_time_is_kept_in_utc() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    data = png.encode(noise(8), recipe(), MADE_WITH, ID, east, {})
    assert png.read_imprint(data).created == NOW


def test_parents_travel_with_the_picture() -> None:
    links = (Link(kind=LinkKind.VARIED, parent=new_id(NOW, "")), Link(kind=LinkKind.CONTROL, parent=new_id(NOW, "")))
    data = png.encode(noise(8), recipe(), MADE_WITH, ID, NOW, {}, links)
    assert png.read_imprint(data).parents == links
    assert png.read_imprint(written(recipe())).parents == ()


@pytest.mark.parametrize(
    "told",
    [
        7,
        "varied",
        {"kind": "varied", "picture": ID},
        [{"kind": "adopted", "picture": ID}],
        [{"kind": "varied", "picture": "../../etc"}],
        [{"kind": ["varied"], "picture": ID}],
        [{"kind": "varied"}],
        [[]] * 1000,
    ],
)
def test_parents_that_are_none_are_left_out(told: object) -> None:
    card = {"studio_picture": 1, "id": ID, "recipe": json.loads(to_text(recipe())), "parents": told}
    assert png.read_imprint(with_card(json.dumps(card))).parents == ()


def test_a_sheet_is_described_and_carries_no_settings_for_other_programs() -> None:
    sheet = dataclasses.replace(MADE_WITH, sheet="Steps 10, 20 by guidance 3, 5\n日\x00")
    data = png.encode(noise(8), recipe(), sheet, ID, NOW, {})
    with Image.open(io.BytesIO(data)) as image:
        assert image.text["Description"] == "Steps 10, 20 by guidance 3, 5\n日"
        assert "parameters" not in image.text
    made_with = png.read_imprint(data).made_with
    assert made_with is not None
    assert made_with.sheet.startswith("Steps 10")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_pixels_of_other_programs_pictures_can_be_compared(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "theirs"
    file.write_bytes(encoded(Image.new("RGB", (24, 16), "red"), kind))
    assert (png.pixels_of(file).width, png.pixels_of(file).height) == (24, 16)


@pytest.mark.parametrize("year", [1, 1899, 9999])
def test_a_time_that_no_picture_can_be_from_is_not_believed(year: int) -> None:
    """At the ends of the calendar a moment has no local time, and an id of that time would stand first for ever."""
    moment, picture_id = datetime(year, 12, 31, 23, tzinfo=UTC), f"{year:04}1231-230000-000000-deadbeef"
    data = png.encode(noise(8), recipe(), MADE_WITH, picture_id, moment, {})
    imprint = png.read_imprint(data)
    assert (imprint.id, imprint.created) == ("", None)
    good = "20261126-034159-714375-2c595117"
    assert png.read_imprint(png.encode(noise(8), recipe(), MADE_WITH, good, moment, {})).created == time_of(good)
