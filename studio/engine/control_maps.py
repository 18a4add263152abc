"""The control map: exactly what the model will see of a control picture. No torch of its own, no Qt; safe in any thread.

Order: resize, invert, then the detector. So edges are found at the final size, and a sketch that was inverted gives the
same edges.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from studio.core.choices import ControlKind, Detector, ResizeMode
from studio.core.detectors import LINES, detector_of
from studio.core.errors import BadInputImage, ModelMissing
from studio.core.pixels import Pixels
from studio.core.recipe import ControlUse, Size
from studio.engine.annotators import Annotators
from studio.engine.light_aux import aux_module

Array = np.ndarray[Any, np.dtype[np.uint8]]

_DETECTOR_GRID = 64  # controlnet-aux rounds the sides it works on to multiples of this


def control_map(use: ControlUse, size: Size, source_png: bytes, annotators: Annotators | None = None) -> Pixels:
    """The map of a control picture, `size` pixels, RGB. `source_png`: its stored bytes.

    Raises `BadInputImage`, and `ModelMissing` where the detector's weights are not here.
    """
    assert isinstance(use.kind, ControlKind)  # a plugin's kinds: `plugin_map`
    detector = detector_of(use.kind, use.detector)
    drawn = detector is Detector.NONE and use.kind in LINES
    image = fit(open_rgb(source_png), size, use.resize, ControlKind.SCRIBBLE if drawn else use.kind)
    if use.invert:
        image = ImageOps.invert(image)
    if detector is Detector.CANNY:
        image = Image.fromarray(edges(np.asarray(image), use.low, use.high))
    elif drawn:
        image = image.convert("L").convert("RGB")
    elif detector is not Detector.NONE:
        if annotators is None:
            raise ModelMissing(f"No detector is at hand for {use.kind} layers.", "Give a finished map.")
        image = annotators.detect(detector, image, bytes.fromhex(use.image.digest), use.low)
    return Pixels(width=size.width, height=size.height, data=image.tobytes())


def plugin_map(use: ControlUse, size: Size, source_png: bytes, preprocess: str) -> Image.Image:
    """The map of a plugin's kind of control layer, as large as the picture to be made, RGB. Raises `BadInputImage`.

    `preprocess`: "" as it is, "grey" as a drawing, "canny" its edges.
    """
    like = ControlKind.SCRIBBLE if preprocess == "grey" else ControlKind.CANNY
    image = fit(open_rgb(source_png), size, use.resize, like)
    if use.invert:
        image = ImageOps.invert(image)
    if preprocess == "grey":
        return image.convert("L").convert("RGB")
    return Image.fromarray(edges(np.asarray(image), use.low, use.high)) if preprocess == "canny" else image


def looks_black_on_white(picture: Pixels | bytes) -> bool:
    """Whether a sketch is dark lines on a bright ground: bright in the middle of its greys and along its border."""
    image = open_rgb(picture) if isinstance(picture, bytes) else image_of(picture)
    image.thumbnail((512, 512), Image.Resampling.BOX)
    grey = np.asarray(image.convert("L"))
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return bool(np.median(grey) > 160 and np.median(border) > 160 and grey.min() < 160 and (grey < 128).mean() < 0.4)


def image_of(pixels: Pixels) -> Image.Image:
    """The same picture as Pillow has it, with a copy of the pixels."""
    return Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)


def open_rgb(source: bytes) -> Image.Image:
    """The picture as RGB, see-through parts on white. Raises `BadInputImage`."""
    try:
        with Image.open(io.BytesIO(source)) as opened:
            opened.load()
            if "A" not in opened.getbands() and "transparency" not in opened.info:
                return opened.convert("RGB")
            see_through = opened.convert("RGBA")
            ground = Image.new("RGBA", see_through.size, "white")
            return Image.alpha_composite(ground, see_through).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise BadInputImage("The picture of a control layer cannot be read.", "Drop it again.", str(error)) from error


def fit(image: Image.Image, size: Size, mode: ResizeMode, kind: ControlKind | str = ControlKind.CANNY) -> Image.Image:
    """The picture at `size`: cut to fill it, padded to show all of it, or stretched.

    Padding goes on in the colour of the picture's border, so that it draws no line of its own.
    """
    width, height = size.width, size.height
    if mode is ResizeMode.STRETCH:
        return _resized(image, (width, height), None, kind)
    if mode is ResizeMode.CROP:
        return _resized(image, (width, height), _centre_box(image.size, width / height), kind)
    scale = min(width / image.width, height / image.height)
    inside = min(width, max(1, round(image.width * scale))), min(height, max(1, round(image.height * scale)))
    ground = Image.new("RGB", (width, height), _border_colour(image))
    ground.paste(_resized(image, inside, None, kind), ((width - inside[0]) // 2, (height - inside[1]) // 2))
    return ground


def edges(array: Array, low: int, high: int) -> Array:
    """Canny's edges (1986) of an RGB array (height, width, 3), white on black in the same shape.

    The picture is continued to the detector's grid and cut back, so that the detector does not resize it.
    """
    height, width = array.shape[:2]
    more = ((0, -height % _DETECTOR_GRID), (0, -width % _DETECTOR_GRID), (0, 0))
    whole = np.pad(array, more, mode="edge")
    side = min(whole.shape[:2])
    found: Array = canny_detector()(whole, low, high, detect_resolution=side, image_resolution=side)
    return np.ascontiguousarray(found[:height, :width])


def canny_detector() -> Any:
    """Controlnet-aux's CannyDetector. Its `util` imports torch; nothing else heavy comes with it."""
    return aux_module("canny").CannyDetector()


def _resized(
    image: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float] | None, kind: ControlKind | str
) -> Image.Image:
    """Resampled with LANCZOS; drawings that shrink with BOX, which leaves no ringing beside the lines."""
    if image.size == size and box is None:
        return image
    shrinks = size[0] < image.width and size[1] < image.height
    resample = Image.Resampling.BOX if shrinks and kind is ControlKind.SCRIBBLE else Image.Resampling.LANCZOS
    return image.resize(size, resample, box)


def _centre_box(size: tuple[int, int], proportion: float) -> tuple[float, float, float, float] | None:
    """The largest box of this proportion (width / height) in the middle of a picture; None if that is all of it."""
    width, height = size
    inside = min(width, height * proportion), min(height, width / proportion)
    left, top = (width - inside[0]) / 2, (height - inside[1]) / 2
    return None if left < 1e-6 and top < 1e-6 else (left, top, left + inside[0], top + inside[1])


def _border_colour(image: Image.Image) -> tuple[int, int, int]:
    array = np.asarray(image)
    border = np.concatenate([array[0], array[-1], array[:, 0], array[:, -1]])
    red, green, blue = (int(v) for v in np.median(border, axis=0))
    return red, green, blue
