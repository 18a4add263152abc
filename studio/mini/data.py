"""Batches: crops for the VAE, encoded scenes for the UNet, outline maps for the control networks.

Everything is drawn here and now from numbered scenes; scene n is the same on every machine and in every run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from studio.mini.drawings import COLOURS, KINDS, Drawing, Scene, caption, random_scene, render

HELD_OUT = 10_000_000
"""Scenes from this number on are for evaluation only."""

LANGUAGES = ("en", "zh")
THUMBNAIL_PX = 64
Pixels = npt.NDArray[np.uint8]
Memmap = np.memmap[Any, np.dtype[Any]]  # Any: shape and type vary with the file


def scene_number(number: int, level: int) -> Scene:
    """The scene that belongs to a number at a curriculum level (0 single things, 1 pairs and counts, 2 all)."""
    return random_scene(np.random.default_rng((7, level, number)), level)


def to_unit(pixels: Pixels) -> Tensor:
    """uint8 (batch, height, width, 3) to float32 (batch, 3, height, width) in -1..1, channels last in memory."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def to_pixels(images: Tensor) -> Pixels:
    """The reverse of `to_unit`, clipped and rounded."""
    values = images.detach().float().clamp(-1, 1).add(1.0).mul(127.5).round()
    result: Pixels = values.permute(0, 2, 3, 1).to("cpu", torch.uint8).numpy()
    return np.ascontiguousarray(result)


def hints(outlines: Pixels) -> Tensor:
    """Outline maps (batch, height, width) as the control networks see them: (batch, 3, height, width) in 0..1."""
    maps = np.ascontiguousarray(outlines)
    return torch.from_numpy(maps).float().div_(255.0)[:, None].repeat(1, 3, 1, 1)


@dataclass(frozen=True, slots=True)
class Crops:
    """Whole pictures and the parts of them that are looked at.

    pictures: (n, 3, px, px) in -1..1; corners: rows of (picture, top, left) in latent cells; images
    (batch, 3, side, side) and outline (batch, 1, side, side) in 0..1 are the parts themselves.
    """

    pictures: Tensor
    corners: tuple[tuple[int, int, int], ...]
    images: Tensor
    outline: Tensor


def draw_crops(rng: np.random.Generator, count: int, cells: int, cell_px: int, image_px: int) -> Crops:
    """Crops around outlines, two from each freshly drawn scene; flat ground teaches a VAE nothing after a minute."""
    pictures: list[Pixels] = []
    corners: list[tuple[int, int, int]] = []
    images, outlines = [], []
    side = cells * cell_px
    while len(corners) < count:
        drawing = render(scene_number(int(rng.integers(HELD_OUT)), int(rng.integers(3))), image_px)
        for _ in range(min(2, count - len(corners))):
            row, column = _busiest_corner(rng, drawing.outline, cells, cell_px)
            window = np.s_[row * cell_px : row * cell_px + side, column * cell_px : column * cell_px + side]
            corners.append((len(pictures), row, column))
            images.append(drawing.image[window])
            outlines.append(drawing.outline[window])
        pictures.append(drawing.image)
    outline = torch.from_numpy(np.stack(outlines)).float().div_(255.0)[:, None]
    return Crops(to_unit(np.stack(pictures)), tuple(corners), to_unit(np.stack(images)), outline)


def _busiest_corner(rng: np.random.Generator, outline: Pixels, cells: int, cell_px: int) -> tuple[int, int]:
    """The corner (in cells) with most outline among three random ones: telling, yet never the same part."""
    room = outline.shape[0] // cell_px - cells + 1
    corners = [(int(rng.integers(room)), int(rng.integers(room))) for _ in range(3)]

    def lines(corner: tuple[int, int]) -> int:
        top, left = corner[0] * cell_px, corner[1] * cell_px
        return int(outline[top : top + cells * cell_px, left : left + cells * cell_px].sum(dtype=np.int64))

    return max(corners, key=lines)


def cell_weights(drawing: Drawing, cells: int, heavy: float = 3.0) -> npt.NDArray[np.float32]:
    """(cells, cells) weights of the diffusion loss: `heavy` where a thing or an outline lies, 1 elsewhere.

    Things cover a fifth of a picture; unweighted, the loss is nearly all background.
    """
    telling = np.maximum((drawing.objects > 0).astype(np.float32), drawing.outline.astype(np.float32) / 255.0)
    share = cv2.resize(telling, (cells, cells), interpolation=cv2.INTER_AREA)
    weights: npt.NDArray[np.float32] = 1.0 + (heavy - 1.0) * np.minimum(share * 4.0, 1.0).astype(np.float32)
    return weights


def semantics(scene: Scene, drawing: Drawing, cells: int, least: float = 0.3) -> npt.NDArray[np.uint8]:
    """(2, cells, cells): which kind (index + 1) and colour (index + 1) covers a cell by at least a third, 0 for none."""
    names = np.zeros((2, cells, cells), np.uint8)
    best = np.full((cells, cells), least, np.float32)
    for i, thing in enumerate(scene.things):
        owned = (drawing.objects == i + 1).astype(np.float32)
        share = cv2.resize(owned, (cells, cells), interpolation=cv2.INTER_AREA)
        names[:, share > best] = np.array([[KINDS.index(thing.kind) + 1], [COLOURS.index(thing.colour) + 1]])
        best = np.maximum(best, share)
    return names


class LatentStore:
    """Encoded scenes in a folder: latents float16 (n, channels, cells, cells), cell weights float16 (n, cells, cells),
    semantics uint8 (n, 2, cells / 2, cells / 2), thumbnails uint8 (n, 64, 64, 3) for the scorer and outlines uint8
    (n, px, px) for the control networks.

    Rows are filled in order and counted in `done`, so that encoding can be killed and resumed. Row n holds
    `scene_number(n, level(n))`; levels lie in blocks, simplest first.
    """

    def __init__(self, folder: Path, sizes: tuple[int, int, int], channels: int, cells: int, image_px: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.sizes, self.folder, self.total = sizes, folder, sum(sizes)
        self.latents = _memmap(folder / "latents.npy", (self.total, channels, cells, cells))
        self.weights = _memmap(folder / "weights.npy", (self.total, cells, cells))
        self.semantics = _memmap(folder / "semantics.npy", (self.total, 2, cells // 2, cells // 2), np.uint8)
        self.thumbnails = _memmap(folder / "thumbnails.npy", (self.total, THUMBNAIL_PX, THUMBNAIL_PX, 3), np.uint8)
        self.outlines = _memmap(folder / "outlines.npy", (self.total, image_px, image_px), np.uint8)
        self._scenes: dict[int, Scene] = {}

    @property
    def done(self) -> int:
        """Rows that are filled."""
        file = self.folder / "done"
        return int(file.read_text()) if file.exists() else 0

    def mark(self, rows: int) -> None:
        """Flushes the arrays and notes that the first `rows` rows are filled."""
        self.latents.flush()
        self.weights.flush()
        self.semantics.flush()
        self.thumbnails.flush()
        self.outlines.flush()
        (self.folder / "done").write_text(str(rows))

    def level(self, row: int) -> int:
        """Curriculum level of a row."""
        return int(np.searchsorted(np.cumsum(self.sizes), row, side="right"))

    def scene(self, row: int) -> Scene:
        """The scene in a row (kept once made)."""
        if row not in self._scenes:
            self._scenes[row] = scene_number(row, self.level(row))
        return self._scenes[row]

    def pick(self, rng: np.random.Generator, count: int, progress: float) -> npt.NDArray[np.int64]:
        """Random rows of the curriculum: single things first, everything from 35 % of the budget on."""
        shares = np.array(mixture(progress))
        ends = np.minimum(np.cumsum(self.sizes), self.done)
        starts = np.concatenate([[0], ends[:-1]])
        shares = np.where(ends > starts, shares, 0.0)
        levels = rng.choice(3, size=count, p=shares / shares.sum())
        return np.array([rng.integers(starts[i], ends[i]) for i in levels], dtype=np.int64)

    def captions(self, rng: np.random.Generator, rows: Sequence[int], dropout: float) -> list[str]:
        """One new caption for each row, half English and half Chinese, empty with probability `dropout`."""
        texts = []
        for row in rows:
            language = LANGUAGES[int(rng.integers(2))]
            text = caption(self.scene(int(row)), rng, language)
            texts.append("" if rng.random() < dropout else text)
        return texts


def mixture(progress: float) -> tuple[float, float, float]:
    """Shares of the three curriculum levels at a point of the training."""
    if progress < 0.12:
        return 1.0, 0.0, 0.0
    if progress < 0.35:
        return 0.5, 0.5, 0.0
    return 0.3, 0.35, 0.35


def thumbnail(picture: Pixels) -> Pixels:
    """The picture at the scorer's size, uint8 (64, 64, 3)."""
    small: Pixels = cv2.resize(picture, (THUMBNAIL_PX, THUMBNAIL_PX), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return small


def _memmap(file: Path, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float16) -> Memmap:
    """An array file of this shape; one of another shape is begun anew."""
    if file.exists():
        array: Memmap = np.lib.format.open_memmap(file, mode="r+")
        if array.shape == shape:
            return array
        (file.parent / "done").unlink(missing_ok=True)
    created: Memmap = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=shape)
    return created
