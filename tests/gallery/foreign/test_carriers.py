"""Where texts lie: EXIF in every encoding, the lowest bits of pixels, damaged and hostile ones included."""

from __future__ import annotations

import gzip
import io
import os
import random
import time

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from studio.gallery.foreign import exif
from studio.gallery.foreign import stealth as hidden
from studio.gallery.foreign.door import read_foreign
from studio.gallery.foreign.exif import comment_text, exif_block, tags_of
from studio.gallery.foreign.stealth import hidden_text
from tests.gallery.foreign.pictures import commented, jpeg_with, recipe_in, saved, stealth, tiff, understood, webp_with

TEXT = "a café, 猫 and 😀\nNegative prompt: fög\nSteps: 9, Sampler: Euler, CFG scale: 3, Seed: 8, Size: 64x128"
PLAIN = "a cat\nSteps: 9, Sampler: Euler, CFG scale: 3, Seed: 8, Size: 64x128"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + TEXT.encode("utf-16-be"),
        b"UNICODE\0" + TEXT.encode("utf-16-le"),
        b"UNICODE\0" + TEXT.encode("utf-16"),
        b"UNICODE\0" + TEXT.encode("utf-8"),
        b"ASCII\0\0\0" + TEXT.encode("utf-8"),
        b"\0" * 8 + TEXT.encode("utf-8"),
        TEXT.encode("utf-8"),
    ],
    ids=["be", "le", "bom", "utf8 as unicode", "ascii", "undefined", "bare"],
)
def test_user_comments_in_all_encodings(comment: bytes, order: str) -> None:
    made = recipe_in(commented(comment, order))
    assert (made.prompt, made.negative_prompt, made.seed) == ("a café, 猫 and 😀", "fög", 8)


def test_a_cameras_comment_is_no_prompt() -> None:
    for words in (b"ASCII\0\0\0Screenshot", b"Holiday: sea, sun", b"UNICODE\0" + "Résumé".encode("utf-16-be")):
        assert read_foreign(commented(words)) is None


def test_jis_and_latin1() -> None:
    assert comment_text(b"JIS\0\0\0\0\0" + "猫".encode("iso2022_jp")) == "猫"
    assert comment_text(b"ASCII\0\0\0caf\xe9") == "café"
    assert comment_text(b"") == ""


def test_jpeg_and_webp_as_pillow_writes_them() -> None:
    block = Image.Exif()
    block.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + TEXT.encode("utf-16-be")
    for kind in ("JPEG", "WEBP"):
        found = understood(saved(kind, exif=block.tobytes()))
        assert found.recipe is not None
        assert found.recipe.seed == 8
        assert found.raw == TEXT


def test_other_segments_before_the_exif() -> None:
    data = jpeg_with(tiff({}, {0x9286: PLAIN.encode()}))
    icc = b"\xff\xe2" + (500).to_bytes(2, "big") + bytes(498)
    assert recipe_in(data[:2] + icc + data[2:]).seed == 8


def test_a_webp_without_pixels_to_measure() -> None:
    data = webp_with(tiff({}, {0x9286: b"a cat\nSteps: 9, Sampler: Euler, Seed: 8"}))
    made = recipe_in(data)
    assert (made.size.width, made.size.height) == (96, 64)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"II*\0",
        b"XX*\0" + bytes(20),
        b"II*\0\xff\xff\xff\xff",
        b"II*\0" + (8).to_bytes(4, "little") + b"\xff\xff" + b"\xff" * 12_000,
        b"II*\0" + (8).to_bytes(4, "little") + b"\1\0" + b"\x86\x92\7\0\xff\xff\xff\xff\0\0\0\0",
        b"II*\0" + (8).to_bytes(4, "little") + b"\1\0" + b"\x69\x87\4\0\1\0\0\0\x08\0\0\0",  # the Exif IFD is IFD 0
        tiff({}, {0x9286: b"UNICODE\0\xd8"}),
        tiff({}, {0x9286: b"JIS\0\0\0\0\0\x1b$B\xff\xff"}),
        tiff({}, {0x9286: b"UNICODE\0" + b"\xd8\0" * 5000}),
    ],
    ids=range(10),
)
def test_damaged_exif_is_no_reason_to_raise(block: bytes) -> None:
    for wrap in (jpeg_with, webp_with):
        found = read_foreign(wrap(block))
        assert found is None or found.recipe is not None
    assert isinstance(tags_of(b"Exif\0\0" + block), dict)


def test_segments_that_lie_about_their_length() -> None:
    assert exif_block(b"\xff\xd8\xff\xe1\0\0" * 50_000) == b""
    assert exif_block(b"\xff\xd8\xff\xe1\xff\xffExif\0\0II") == b"II"
    assert exif_block(b"RIFF\0\0\0\0WEBPEXIF\xff\xff\xff\xffII") == b"II"
    assert exif_block(b"RIFF\0\0\0\0WEBP" + b"VP8 \0\0\0\0" * 100_000) == b""


@pytest.mark.parametrize("form", ["stealth_pnginfo", "stealth_pngcomp", "stealth_rgbinfo", "stealth_rgbcomp"])
def test_text_hidden_in_pixels(form: str) -> None:
    data = stealth(TEXT.encode(), form)
    assert hidden_text(data) == TEXT
    assert recipe_in(data).prompt == "a café, 猫 and 😀"
    assert understood(data).raw == TEXT


def test_it_fills_the_picture_to_the_last_bit() -> None:
    body = b"x" * (16 * 32 // 8 - 19)
    assert hidden_text(stealth(body, "stealth_pnginfo", size=(16, 32))) == body.decode()


def test_colours_are_asked_when_alpha_hides_nothing() -> None:
    inside = Image.open(io.BytesIO(stealth(PLAIN.encode(), "stealth_rgbcomp"))).convert("RGBA")
    out = io.BytesIO()
    inside.save(out, "PNG")
    assert hidden_text(out.getvalue()) == PLAIN


def test_a_jpeg_kills_it() -> None:
    image = Image.open(io.BytesIO(stealth(PLAIN.encode(), "stealth_rgbcomp")))
    out = io.BytesIO()
    image.save(out, "JPEG")
    assert read_foreign(out.getvalue()) is None


def test_text_chunks_go_before_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    image = Image.open(io.BytesIO(stealth(b"hidden\nSteps: 1, Seed: 1, Size: 64x64")))
    info = PngInfo()
    info.add_text("parameters", PLAIN)
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=info)
    monkeypatch.setattr(hidden, "_text", lambda *_: pytest.fail("decoded for nothing"))
    assert recipe_in(out.getvalue()).prompt == "a cat"


@pytest.mark.parametrize("bits", [0, 1, 7, 2**31, 2**32 - 1])
def test_lengths_that_lie(bits: int) -> None:
    assert hidden_text(stealth(PLAIN.encode(), "stealth_pngcomp", bits=bits)) is None


def test_a_bomb_in_the_pixels_is_not_unpacked() -> None:
    start = time.process_time()
    bomb = stealth(b"\0" * 60_000_000, "stealth_pngcomp", size=(700, 700))
    made = time.process_time() - start
    assert len(gzip.compress(b"\0" * 60_000_000)) < 70_000
    start = time.process_time()
    assert hidden_text(bomb) is None
    assert time.process_time() - start < max(1.0, made)


def test_bytes_that_are_no_gzip_and_a_cut_stream() -> None:
    whole = gzip.compress(PLAIN.encode())
    fake = stealth(b"not gzip", "stealth_pnginfo")
    assert hidden_text(fake) == "not gzip"
    for body in (b"not gzip at all", whole[:-9], whole[:4] + os.urandom(40)):
        data = stealth(body, "stealth_pnginfo")
        image = Image.open(io.BytesIO(data))
        relabelled = _relabel(image)
        assert hidden_text(relabelled) is None


def _relabel(image: Image.Image) -> bytes:
    """The same bits under the name of the packed form: “info” and “comp” differ in the last four letters."""
    pixels = image.load()
    letters = [(byte >> (7 - i)) & 1 for byte in b"comp" for i in range(8)]
    for n, bit in enumerate(letters):
        x, y = divmod(11 * 8 + n, image.height)
        r, g, b, a = pixels[x, y]
        pixels[x, y] = (r, g, b, a & ~1 | bit)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16", "LA"])
def test_other_kinds_of_png_hide_nothing(mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (64, 64)).save(out, "PNG")
    assert hidden_text(out.getvalue()) is None


def test_too_many_pixels_are_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden, "PIXELS_MAX", 1000)
    assert hidden_text(stealth(PLAIN.encode())) is None


def test_noise_is_no_text() -> None:
    rng = random.Random(2)
    for mode, size in (("RGB", 3), ("RGBA", 4)):
        image = Image.frombytes(mode, (40, 30), rng.randbytes(40 * 30 * size))
        out = io.BytesIO()
        image.save(out, "PNG")
        assert hidden_text(out.getvalue()) is None


def test_limits_are_what_the_reader_keeps_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exif, "TEXT_MAX", 40)
    assert read_foreign(commented(PLAIN.encode())) is None
