"""Draws a scene: records backdrop and things once, replays them as picture, outline and object mask, and
gives the picture its style's finish (soft light, ink, watercolour)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from studio.mini.drawings import raster, settings, things_animals, things_made, things_nature
from studio.mini.drawings.palette import PAPER, Paint, paint
from studio.mini.drawings.raster import Image
from studio.mini.drawings.scene import AIRBORNE, KINDS, Scene, Thing, pitch
from studio.mini.drawings.shapes import Pen, Record

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """image: (size, size, 3) uint8 RGB; outline: (size, size) uint8, white lines on black, exactly occluded;
    objects: (size, size) uint8, 0 = background, i + 1 = a pixel of scene.things[i]."""

    image: Image
    outline: Image
    objects: Image


def _artist(kind: str) -> Callable[[Pen, Paint], None]:
    for module in (things_nature, things_animals, things_made):
        if hasattr(module, kind):
            return getattr(module, kind)  # type: ignore[no-any-return]
    raise KeyError(kind)


ARTISTS: dict[str, Callable[[Pen, Paint], None]] = {kind: _artist(kind) for kind in KINDS}


def _draw_thing(record: Record, owner: int, thing: Thing, scene: Scene) -> None:
    paints = paint(thing.colour, scene.time)
    grounded = thing.kind not in AIRBORNE and scene.setting not in ("underwater", "sea") and thing.kind != "fish"
    hanging = scene.setting not in ("plain", "table") and thing.y + thing.size / 2 < 0.66
    for k in range(thing.count):
        x = thing.x + (k - (thing.count - 1) / 2) * pitch(thing)
        pen = Pen(record, owner, x, thing.y, thing.size)
        if grounded and not hanging:
            pen.soft(0.06, 0.485, 0.52 * pitch(thing) / thing.size, 0.075, (30, 24, 60), 0.42)
        ARTISTS[thing.kind](pen, paints)


def _moonlight(ground: Pen, scene: Scene) -> None:
    """A pale haze behind every thing at night, so that dark ones stand out."""
    for thing in scene.things if scene.time == "night" and not scene.background else ():
        for k in range(thing.count):
            x = thing.x + (k - (thing.count - 1) / 2) * pitch(thing)
            ground.soft(x, thing.y, 0.4 * thing.size + 0.5 * pitch(thing), 0.85 * thing.size, (128, 150, 226), 0.42)


def _record(scene: Scene) -> Record:
    record, rng = Record(), np.random.default_rng(scene.seed)
    ground = Pen(record, 0)
    settings.before(ground, scene, rng)
    _moonlight(ground, scene)
    for owner, thing in enumerate(scene.things, 1):
        _draw_thing(record, owner, thing, scene)
    settings.after(ground, scene)
    return record


def render(scene: Scene, size: int = 256) -> Drawing:
    """The picture of a scene with its outlines and object mask; the same scene gives the same bytes.

    size: side in pixels, at least 16.
    """
    ops = _record(scene).ops
    image = raster.picture(ops, size, scene.style)
    outline = raster.outline(ops, size)
    mask = raster.objects(ops, size)
    finish = {"flat": _flat, "ink": _ink, "watercolour": _watercolour}[scene.style]
    return Drawing(finish(image, outline, mask, scene), outline, mask)


@cache
def _curve(density: float) -> Image:
    """Lookup table that changes the density of pigment: darker above 0, lighter below; white stays white."""
    v = np.arange(256, dtype=np.float32)
    return np.asarray(np.clip(np.rint(v + density * (v * v / 255.0 - v)), 0, 255), np.uint8)


@cache
def _light() -> Floats:
    """Light from the upper left over a thing's box, as a share of the brightest: 1 to 0, 64x64."""
    axis = np.linspace(0.0, 1.0, 64, dtype=np.float32)
    return np.asarray(1.0 - 0.5 * axis[None] - 0.5 * axis[:, None], np.float32)


def _mixed(one: Image, other: Image, share: Floats) -> Image:
    """one where share is 1, other where it is 0."""
    return np.asarray(cv2.blendLinear(one, other, share, np.float32(1.0) - share), np.uint8)


def _flat(image: Image, outline: Image, mask: Image, scene: Scene) -> Image:
    """Gives every thing a soft light from the upper left: 1.0 to 0.91 across its box."""
    field = np.ones(mask.shape, np.float32)
    for owner in range(1, len(scene.things) + 1):
        inside = cv2.compare(mask, owner, cv2.CMP_EQ)
        left, top, wide, high = cv2.boundingRect(inside)
        if wide and high:
            plane = cv2.resize(_light(), (wide, high), interpolation=cv2.INTER_LINEAR)
            window = (slice(top, top + high), slice(left, left + wide))
            cv2.copyTo(plane, inside[window], field[window])
    return _mixed(image, np.asarray(cv2.convertScaleAbs(image, alpha=0.91), np.uint8), field)


def _ink(image: Image, outline: Image, mask: Image, scene: Scene) -> Image:
    """Lines and lighter fills were made while painting; nothing is left to do."""
    return image


@lru_cache(maxsize=4)
def _margin(size: int) -> Floats:
    """How much paint there is: 1 inside, fading to 0 at the paper's edge, which wanders slowly."""
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    wave = 0.012 * np.sin(5.0 * axis + 0.6) + 0.006 * np.sin(13.0 * axis + 1.0)
    far = np.maximum(np.abs(axis)[None] + wave[:, None], np.abs(axis)[:, None] + wave[::-1][None])
    return np.asarray(np.clip((0.955 - far) / 0.035, 0.0, 1.0), np.float32)


@lru_cache(maxsize=4)
def _paper(size: int) -> Image:
    return np.full((size, size, 3), np.rint(PAPER), np.uint8)


def _watercolour(image: Image, outline: Image, mask: Image, scene: Scene) -> Image:
    """Pigment gathers at edges and in slow clouds; the paper shows at the margin."""
    size = image.shape[0]
    rng = np.random.default_rng((scene.seed, 1))
    wash = rng.uniform(0.0, 0.3, (6, 6)).astype(np.float32)
    share = cv2.resize(wash, (size, size), interpolation=cv2.INTER_CUBIC)
    edge = cv2.GaussianBlur(outline, (0, 0), size / 150)
    share = np.clip(cv2.scaleAdd(edge.astype(np.float32), 0.52 / 255, share), 0.0, 1.0)
    soft = cv2.GaussianBlur(image, (0, 0), size / 420)
    dense, thin = cv2.LUT(soft, _curve(0.9)), cv2.LUT(soft, _curve(-0.18))
    return _mixed(_mixed(dense, thin, share), _paper(size), _margin(size))
