"""The zoo of control pictures: each comes in right, or is refused in one clear sentence."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from studio.core.errors import BadInputImage
from studio.gallery.intake import Loaded, load
from tests.gallery.makers import encoded

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)
Check = Callable[[Image.Image, Loaded], bool]


def halves(mode: str = "RGB", size: tuple[int, int] = (12, 8)) -> Image.Image:
    """Left red, right blue."""
    image = Image.new("RGB", size, RED)
    image.paste(BLUE, (size[0] // 2, 0, *size))
    return image.convert(mode)


def near(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int], by: int = 0) -> bool:
    return all(abs(a - b) <= by for a, b in zip(image.getpixel(at), colour, strict=True))


def is_halves(by: int = 0) -> Check:
    return lambda image, _: image.size == (12, 8) and near(image, (1, 4), RED, by) and near(image, (10, 4), BLUE, by)


def is_all(colour: tuple[int, int, int], by: int = 0) -> Check:
    return lambda image, _: all(near(image, at, colour, by) for at in ((0, 0), (image.width - 1, image.height - 1)))


def is_size(*size: int, note: str = "") -> Check:
    return lambda image, loaded: image.size == size and note in loaded.note


def see_through(mode: str, alpha: int) -> Image.Image:
    image = Image.new("RGBA", (6, 6), (0, 0, 0, alpha))
    return image.convert(mode) if mode != "RGBA" else image


def frames(kind: str, **options: object) -> bytes:
    rest = [Image.new("RGB", (12, 8), "green"), Image.new("RGB", (12, 8), "black")]
    return encoded(halves(), kind, save_all=True, append_images=rest, **options)


def turned(orientation: int, kind: str = "PNG") -> bytes:
    """`halves` stored so that EXIF must turn it back."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    undo = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE"}
    undo |= {6: "ROTATE_90", 7: "TRANSVERSE", 8: "ROTATE_270"}
    image = halves()
    if orientation in undo:
        image = image.transpose(Image.Transpose[undo[orientation]])
    return encoded(image, kind, exif=exif)


def grey_16(value: int) -> bytes:
    return encoded(Image.new("I;16", (6, 6), value))


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(width: int, height: int, depth: int, colour: int, data: bytes, extra: bytes = b"") -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def bomb(width: int, height: int) -> bytes:
    return raw_png(width, height, 8, 2, b"\0" * 1000)


def palette_with_alpha() -> bytes:
    image = Image.new("P", (6, 6), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    return encoded(image, transparency=1)


def flipped_bits(kind: str) -> bytes:
    data = bytearray(encoded(Image.effect_noise((64, 64), 60), kind))
    for at in range(len(data) // 2, len(data) // 2 + 40):
        data[at] ^= 0xFF
    return bytes(data)


NOISE = encoded(Image.frombytes("RGB", (64, 64), random.Random(3).randbytes(64 * 64 * 3)))
RGB_16 = raw_png(2, 2, 16, 2, (b"\0" + b"\xff\xff\x00\x00\x00\x00" * 2) * 2)
RGB_16_CLEAR = raw_png(2, 2, 16, 2, (b"\0" + b"\x80\x00\x00\x00\x00\x00" * 2) * 2, chunk(b"tRNS", b"\x80\0\0\0\0\0"))
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'

RIGHT: dict[str, tuple[Callable[[], bytes], Check]] = {
    "rgb png": (lambda: encoded(halves()), is_halves()),
    "rgb jpeg": (lambda: encoded(halves(size=(16, 16)), "JPEG", quality=95, subsampling=0), is_size(16, 16)),
    "progressive jpeg": (lambda: encoded(Image.new("RGB", (30, 20), BLUE), "JPEG", progressive=True), is_all(BLUE, 3)),
    "webp lossless": (lambda: encoded(halves(), "WEBP", lossless=True), is_halves()),
    "webp lossy": (lambda: encoded(Image.new("RGB", (30, 20), RED), "WEBP"), is_all(RED, 6)),
    "gif": (lambda: encoded(halves(), "GIF"), is_halves()),
    "bmp": (lambda: encoded(halves(), "BMP"), is_halves()),
    "cmyk jpeg": (lambda: encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG"), is_all(RED, 4)),
    "grey jpeg": (lambda: encoded(Image.new("L", (16, 16), 90), "JPEG"), is_all((90,) * 3, 2)),
    "grey png": (lambda: encoded(Image.new("L", (6, 6), 90)), is_all((90,) * 3)),
    "16-bit grey, middle": (lambda: grey_16(32768), is_all((128,) * 3)),
    "16-bit grey, white": (lambda: grey_16(65535), is_all(WHITE)),
    "16-bit grey, dark": (lambda: grey_16(514), is_all((2,) * 3)),
    "16-bit rgb": (lambda: RGB_16, is_all(RED)),
    "16-bit rgb, clear colour": (lambda: RGB_16_CLEAR, is_all(WHITE)),
    "16-bit grey, clear": (
        lambda: raw_png(2, 2, 16, 0, b"\0\x80\0\x80\0" * 2, chunk(b"tRNS", b"\x80\0")),
        is_all(WHITE),
    ),
    "2-bit grey": (lambda: raw_png(4, 1, 2, 0, b"\0\xff"), is_all(WHITE)),
    "1-bit": (lambda: encoded(Image.new("1", (9, 7), 1)), is_all(WHITE)),
    "palette": (lambda: encoded(halves("P")), is_halves()),
    "palette with transparency": (palette_with_alpha, is_all(WHITE)),
    "palette gif with transparency": (lambda: encoded(Image.new("P", (6, 6), 0), "GIF", transparency=0), is_all(WHITE)),
    "clear rgba": (lambda: encoded(see_through("RGBA", 0)), is_all(WHITE)),
    "half rgba": (lambda: encoded(see_through("RGBA", 128)), is_all((127,) * 3, 1)),
    "la": (lambda: encoded(see_through("LA", 0)), is_all(WHITE)),
    "clear webp": (lambda: encoded(see_through("RGBA", 0), "WEBP"), is_all(WHITE)),
    "rgb with clear colour": (lambda: encoded(Image.new("RGB", (6, 6), BLUE), transparency=BLUE), is_all(WHITE)),
    "animated gif": (lambda: frames("GIF"), lambda i, n: is_halves()(i, n) and "3 frames" in n.note),
    "animated webp": (lambda: frames("WEBP", lossless=True), lambda i, n: is_halves()(i, n) and "3 frames" in n.note),
    "animated png": (lambda: frames("PNG"), lambda i, n: is_halves()(i, n) and "3 frames" in n.note),
    "1x1": (lambda: encoded(Image.new("RGB", (1, 1), RED)), is_all(RED)),
    "1x20000": (lambda: encoded(Image.new("RGB", (1, 20000), RED)), is_size(1, 2048, note="1 x 20000")),
    "20000x1": (lambda: encoded(Image.new("RGB", (20000, 1), RED)), is_size(2048, 1, note="Scaled down")),
    "large photo": (lambda: encoded(Image.new("RGB", (4000, 3000), RED), "JPEG"), is_size(2048, 1536, note="4000")),
    "2048 is not scaled": (lambda: encoded(Image.new("L", (2048, 5))), lambda i, n: i.size == (2048, 5) and not n.note),
    "broken exif": (lambda: encoded(halves(), exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), is_halves()),
    "colour profile": (lambda: encoded(halves(), icc_profile=b"not a profile"), is_halves()),
    "last bytes missing": (lambda: NOISE[:-14], is_size(64, 64)),
    "zip behind the png": (lambda: encoded(halves()) + b"PK\x03\x04 rest", is_halves()),
    **{f"exif {n}": ((lambda n=n: turned(n)), is_halves()) for n in range(1, 9)},
    "exif in a jpeg": (lambda: turned(6, "JPEG"), is_size(12, 8)),
    "exif in a webp": (lambda: turned(8, "WEBP"), is_size(12, 8)),
    "exif nonsense": (lambda: turned(77), is_halves()),
}

REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "half a png": (lambda: NOISE[: len(NOISE) // 2], "damaged"),
    "half a jpeg": (lambda: encoded(Image.effect_noise((64, 64), 60), "JPEG")[:900], "damaged"),
    "half a webp": (lambda: encoded(Image.effect_noise((64, 64), 60), "WEBP")[:300], "damaged"),
    "half a gif": (lambda: encoded(Image.effect_noise((64, 64), 60), "GIF")[:1200], "damaged"),
    "half a bmp": (lambda: encoded(halves(), "BMP")[:100], "damaged"),
    "only a signature": (lambda: b"\x89PNG\r\n\x1a\n", "damaged"),
    "flipped bits in a png": (lambda: flipped_bits("PNG"), "damaged"),
    "png without pixels": (lambda: raw_png(0, 0, 8, 2, b""), "damaged"),
    "bomb of 10000 x 10000": (lambda: bomb(10_000, 10_000), "too many"),
    "bomb of 50000 x 50000": (lambda: bomb(50_000, 50_000), "too many"),
    "8001 x 8000": (lambda: bomb(8_001, 8_000), "too many"),
    "svg": (lambda: SVG, "SVG"),
    "tiff": (lambda: encoded(halves(), "TIFF"), "TIFF"),
    "pdf": (lambda: b"%PDF-1.7\n", "PDF"),
    "icon": (lambda: encoded(halves(size=(16, 16)), "ICO"), "icon"),
    "heic": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
    "photoshop": (lambda: b"8BPS\0\1", "Photoshop"),
    "zip": (lambda: b"PK\x03\x04", "ZIP"),
    "text": (lambda: b"a red house on green hills", "not a picture"),
    "html": (lambda: b"<!doctype html><img src=x onerror=alert(1)>", "not a picture"),
    "pickle": (lambda: b"\x80\x04\x95\0\0\0\0.", "not a picture"),
    "ppm": (lambda: encoded(halves(), "PPM"), "not a picture"),
    "random bytes": (lambda: random.Random(9).randbytes(5000), "not a picture"),
}


def test_the_zoo_has_its_fifty_animals() -> None:
    assert len(RIGHT) + len(REFUSED) >= 50


@pytest.mark.parametrize("name", RIGHT)
def test_comes_in_right(name: str) -> None:
    make, check = RIGHT[name]
    loaded = load(make())
    with Image.open(io.BytesIO(loaded.png)) as image:
        image.load()
        assert image.mode == "RGB"
        assert image.size == (loaded.width, loaded.height)
        assert image.info == {}, "metadata is dropped"
        assert check(image, loaded), loaded.note


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused_in_words(name: str, tmp_path: Path) -> None:
    make, words = REFUSED[name]
    file = tmp_path / "picture.png"
    file.write_bytes(make())
    for source in (make(), file):
        with pytest.raises(BadInputImage, match=words) as caught:
            load(source)
        assert caught.value.headline.endswith("; nothing was changed.")
        assert caught.value.headline.count(".") <= 2
    assert "“picture.png”" in caught.value.headline


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_is_read_as_pillow_reads_it(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.frombytes("RGB", (5, 3), random.Random(1).randbytes(45)), exif=exif)
    with Image.open(io.BytesIO(data)) as stored, Image.open(io.BytesIO(load(data).png)) as ours:
        assert ours.tobytes() == ImageOps.exif_transpose(stored).tobytes()


def test_the_content_counts_not_the_name(tmp_path: Path) -> None:
    for kind, name in (("WEBP", "a.jpeg"), ("JPEG", "b.png"), ("PNG", "c.txt"), ("GIF", "d")):
        file = tmp_path / name
        file.write_bytes(encoded(Image.new("RGB", (9, 9), RED), kind))
        assert load(file).width == 9


def test_only_ordinary_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "picture.png").write_bytes(encoded(halves()))
    (tmp_path / "link.png").symlink_to(tmp_path / "picture.png")
    cases = {
        tmp_path: "is a folder",
        tmp_path / "pipe": "not an ordinary file",
        Path("/dev/zero"): "not an ordinary file",
        tmp_path / "loop": "cannot be read",
        tmp_path / "nowhere": "does not exist",
        tmp_path / "gone": "does not exist",
        tmp_path / ("x" * 300): "cannot be read",
        Path("nul\0byte.png"): "name that no file can have",
        tmp_path / "picture.png" / "below": "cannot be read",
    }
    for path, words in cases.items():
        with pytest.raises(BadInputImage, match=words):
            load(path)
    assert load(tmp_path / "link.png").width == 12


def test_a_file_above_the_limit_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "huge.png"
    with file.open("wb") as stream:
        stream.truncate(300_000_000)  # sparse: no space is taken
    with pytest.raises(BadInputImage, match="300 MB large, above the limit of 256 MB"):
        load(file)


def test_markup_and_control_characters_in_names_stay_harmless_text(tmp_path: Path) -> None:
    for name in (
        "<img src='x' width=30000>.png",
        "a\nb\x1b[31m.png",
        "\u202egnp.exe",
        "é" * 100,
        "%s{0.__class__}.png",
    ):
        file = tmp_path / name
        file.write_bytes(b"no picture")
        with pytest.raises(BadInputImage) as caught:
            load(file)
        assert caught.value.headline.isprintable()
        assert len(caught.value.headline) < 200
    with pytest.raises(BadInputImage, match=r"“<img src='x' width=30000>\.png”"):
        load(tmp_path / "<img src='x' width=30000>.png")


def test_limits_of_pillow_are_as_pillow_has_them() -> None:
    from PIL import ImageFile

    assert Image.MAX_IMAGE_PIXELS == 1024 * 1024 * 1024 // 4 // 3
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_400_mutants_of_each_kind_are_right_or_refused(kind: str) -> None:
    rng = random.Random(kind)
    good = encoded(Image.frombytes("RGB", (24, 24), rng.randbytes(24 * 24 * 3)), kind)
    for _ in range(400):
        data = bytearray(good)
        for _ in range(rng.choice((1, 2, 8))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)) :]
        try:
            loaded = load(bytes(data))
        except BadInputImage:
            continue
        assert max(loaded.width, loaded.height) <= 2048
