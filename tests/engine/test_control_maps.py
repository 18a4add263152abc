"""The control map is exactly what the model sees: resize modes, invert, Canny at the final size."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import threading
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from studio.core.choices import ControlKind, ResizeMode
from studio.core.errors import BadInputImage
from studio.core.paths import PROJECT
from studio.core.pixels import Pixels
from studio.core.recipe import ControlUse, ImageRef, Size
from studio.engine.control_maps import control_map, looks_black_on_white

WIDE = Size(width=128, height=64)
SQUARE = Size(width=64, height=64)


def png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def use_of(source: bytes, **changes: Any) -> ControlUse:
    digest = hashlib.sha256(source).hexdigest()
    return replace(ControlUse(kind=ControlKind.SCRIBBLE, image=ImageRef(digest=digest)), **changes)


def array_of(pixels: Pixels) -> Any:
    return np.frombuffer(pixels.data, np.uint8).reshape(pixels.height, pixels.width, 3)


def sketch(width: int = 64, height: int = 64, ground: str = "black", line: str = "white") -> Image.Image:
    image = Image.new("RGB", (width, height), ground)
    ImageDraw.Draw(image).ellipse((width // 4, height // 4, width * 3 // 4, height * 3 // 4), outline=line, width=2)
    return image


def test_a_drawing_of_the_right_size_is_taken_as_it_is() -> None:
    source = png(sketch())
    made = control_map(use_of(source), SQUARE, source)
    assert np.array_equal(array_of(made), np.asarray(sketch()))


def test_colours_become_grey() -> None:
    source = png(sketch(line="red"))
    made = array_of(control_map(use_of(source), SQUARE, source))
    assert (made[..., 0] == made[..., 1]).all()
    assert (made[..., 1] == made[..., 2]).all()
    assert made.max() == 76


def test_invert_turns_black_on_white_round() -> None:
    source = png(sketch(ground="white", line="black"))
    made = control_map(use_of(source, invert=True), SQUARE, source)
    assert np.array_equal(array_of(made), np.asarray(sketch()))


def test_crop_fills_the_frame_from_the_middle() -> None:
    image = Image.new("RGB", (64, 128), "black")
    image.paste("white", (0, 48, 64, 80))
    source = png(image)
    made = array_of(control_map(use_of(source), SQUARE, source))
    assert made.shape == (64, 64, 3)
    assert (made[20:44] == 255).all()
    assert (made[:12] == 0).all()
    assert (made[-12:] == 0).all()


def test_pad_shows_all_and_goes_on_in_the_border_colour() -> None:
    source = png(sketch(ground="white", line="black"))
    made = array_of(control_map(use_of(source, resize=ResizeMode.PAD), WIDE, source))
    assert (made[:, :32] == 255).all()
    assert (made[:, -32:] == 255).all()
    assert np.array_equal(made[:, 32:96], np.asarray(sketch(ground="white", line="black")))


def test_stretch_changes_the_proportions() -> None:
    source = png(sketch())
    made = array_of(control_map(use_of(source, resize=ResizeMode.STRETCH), WIDE, source))
    columns = np.flatnonzero(made.max(axis=(0, 2)) > 100)
    assert 30 <= columns.min() <= 34
    assert 94 <= columns.max() <= 98


@pytest.mark.parametrize("mode", list(ResizeMode))
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (333, 7)])
def test_any_shape_comes_out_at_the_size(mode: ResizeMode, shape: tuple[int, int]) -> None:
    source = png(Image.new("RGB", shape, "white"))
    made = control_map(use_of(source, resize=mode), WIDE, source)
    assert (made.width, made.height) == (128, 64)
    assert array_of(made).min() == 255


@pytest.mark.parametrize("size", [SQUARE, WIDE, Size(width=72, height=200)])
def test_canny_finds_edges_at_the_final_size(size: Size) -> None:
    import cv2

    image = sketch(300, 300, "navy", "yellow")
    source = png(image)
    made = array_of(control_map(use_of(source, kind=ControlKind.CANNY), size, source))
    assert made.shape == (size.height, size.width, 3)
    assert set(np.unique(made)) == {0, 255}
    assert 0.005 < (made > 0).mean() < 0.3
    plain = array_of(
        control_map(use_of(source, resize=ResizeMode.CROP, kind=ControlKind.CANNY, low=255, high=255), size, source)
    )
    assert plain.sum() <= made.sum()
    if size == SQUARE:
        resized = image.resize((64, 64), Image.Resampling.LANCZOS)
        assert np.array_equal(made[..., 0], cv2.Canny(np.asarray(resized), 100, 200))


def test_invert_does_not_turn_edges_round() -> None:
    source = png(sketch())
    use = use_of(source, kind=ControlKind.CANNY)
    assert control_map(use, SQUARE, source) == control_map(replace(use, invert=True), SQUARE, source)


def test_transparent_drawings_stand_on_white() -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    ImageDraw.Draw(image).line((0, 32, 64, 32), fill=(0, 0, 0, 255), width=3)
    source = png(image)
    made = array_of(control_map(use_of(source), SQUARE, source))
    assert made[0, 0, 0] == 255
    assert made[32, 32, 0] == 0


@pytest.mark.parametrize("source", [b"", b"not a picture", png(sketch())[:100]])
def test_what_is_not_a_picture_is_refused(source: bytes) -> None:
    with pytest.raises(BadInputImage, match="cannot be read"):
        control_map(use_of(b"x"), SQUARE, source)


def test_many_threads_get_the_same_map() -> None:
    source = png(sketch(300, 200))
    use = use_of(source, kind=ControlKind.CANNY)
    made: list[Pixels] = []
    threads = [threading.Thread(target=lambda: made.append(control_map(use, WIDE, source))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6
    assert len(set(made)) == 1


@pytest.mark.parametrize(
    ("ground", "line", "black_on_white"),
    [("white", "black", True), ("black", "white", False), ("#eee8d8", "#303040", True), ("gray", "black", False)],
)
def test_black_on_white_is_recognised(ground: str, line: str, black_on_white: bool) -> None:
    image = sketch(400, 300, ground, line)
    assert looks_black_on_white(png(image)) is black_on_white
    assert looks_black_on_white(Pixels(width=400, height=300, data=image.tobytes())) is black_on_white


def test_an_empty_sheet_is_no_sketch() -> None:
    assert not looks_black_on_white(png(Image.new("RGB", (64, 64), "white")))


def test_canny_does_not_import_all_detectors() -> None:
    code = (
        "import sys; from studio.engine.control_maps import canny_detector; canny_detector();"
        "print([m for m in ('controlnet_aux', 'timm', 'transformers', 'torchvision') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True, timeout=120
    )
    assert ran.stdout.strip() == "[]"
