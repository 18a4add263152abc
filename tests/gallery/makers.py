"""Small pictures, recipes and stores for the gallery's tests."""

from __future__ import annotations

import io
import random
from pathlib import Path

from PIL import Image

from studio.core.choices import ControlKind, Spacing
from studio.core.paths import Folders
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.recipe import ControlUse, ImageRef, Recipe
from studio.gallery.store import GalleryStore

MADE_WITH = MadeWith(
    studio="0.1.0",
    device="cpu",
    dtype="float32",
    seconds=2.5,
    model_digest="ab" * 32,
    versions=(("torch", "2.15.0"),),
    pixel_sha256="cd" * 32,
)


def noise(side: int = 64, seed: int = 1) -> Pixels:
    return Pixels(width=side, height=side, data=random.Random(seed).randbytes(side * side * 3))


def recipe(prompt: str = "a red house", seed: int = 7, controls: tuple[ControlUse, ...] = ()) -> Recipe:
    return Recipe(prompt=prompt, seed=seed, negative_prompt="blurry", spacing=Spacing.KARRAS, controls=controls)


def control(ref: ImageRef) -> ControlUse:
    return ControlUse(kind=ControlKind.CANNY, image=ref, weight=0.75, start=0.125, end=0.5, low=40, high=90)


def store_in(root: Path) -> GalleryStore:
    return GalleryStore(Folders(root=root)).open()


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def sketch(side: int = 48) -> bytes:
    image = Image.new("RGB", (side, side), "white")
    image.paste((0, 0, 0), (4, 4, side // 2, side // 2))
    return encoded(image)
