"""Two pictures pixel by pixel: how far apart they are, and where. Pillow, which lets other threads run meanwhile."""

from __future__ import annotations

import math
from pathlib import Path

from PIL import Image, ImageChops

from studio.core.errors import StudioError
from studio.core.pixels import Pixels
from studio.core.recipe import Recipe
from studio.core.verify import Distance
from studio.gallery.export import read_shared
from studio.gallery.foreign.door import read_picture


def distance(first: Pixels, second: Pixels) -> Distance | None:
    """How far two pictures are apart, None where their sizes differ. A megapixel takes about 10 ms."""
    if (first.width, first.height) != (second.width, second.height):
        return None
    counts = [0] * 256
    bands = ImageChops.difference(_image(first), _image(second)).histogram()
    for step, count in enumerate(bands):
        counts[step % 256] += count
    total = sum(counts)
    largest = max(step for step, count in enumerate(counts) if count)
    mean_square = sum(count * step * step for step, count in enumerate(counts)) / total
    psnr = 10 * math.log10(255**2 / mean_square) if mean_square else math.inf
    return Distance(psnr=psnr, largest=largest, share=1 - counts[0] / total)


def difference(first: Pixels, second: Pixels, gain: float = 1.0) -> Pixels | None:
    """The absolute difference of each channel times `gain`, at most 255: black where nothing differs. None as above."""
    if (first.width, first.height) != (second.width, second.height):
        return None
    image = ImageChops.difference(_image(first), _image(second))
    if gain != 1.0:
        image = image.point([min(255, round(step * gain)) for step in range(256)] * 3)
    return Pixels(width=image.width, height=image.height, data=image.tobytes())


def read_side(file: Path) -> tuple[Pixels, Recipe | None, str]:
    """Pixels of any picture file, the recipe it carries if any, and a note on what was done to it or is not known.

    Raises `BadInputImage` with a sentence.
    """
    shared = read_shared(file)
    if shared.made_with.sheet:  # its recipe is what its cells share, not how it was made
        return shared.pixels, None, "A sheet drawn from other pictures."
    if shared.recipe is not None:
        return shared.pixels, shared.recipe, ""
    note = next((words for words in shared.notes if "Settings" not in words), "")
    try:
        reading = read_picture(file)
    except StudioError:
        return shared.pixels, None, note
    return shared.pixels, reading.recipe, note


def _image(pixels: Pixels) -> Image.Image:
    return Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)
