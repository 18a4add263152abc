"""How a picture looks in 212 bytes: for similar pictures and for colours. Computed from the thumbnail, without torch.

192 bytes: the mean colours of 8 x 8 fields in CIELAB (L, a, b; CIE 1976, D65). 12: how much of the picture each named
colour covers. 8: which of the 64 lowest frequencies of the brightness are above the median (Zauner 2010, "pHash").
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from studio.core.pixels import Pixels
from studio.core.query import COLOURS
from studio.gallery.columns import Ints
from studio.gallery.index import Index

SIZE = 212
_LAB, _SHARES = 192, 204  # where each part ends
_STANDS_OUT = 30  # of 255: a colour counts from 12 % of the picture on
_CHUNK = 8192  # rows compared at a time: 7 MB of floats
_HUES = (15, 42, 68, 165, 195, 255, 300, 345)  # degrees where the next colour begins
_BY_HUE = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink", "red")
_WEIGHT_OF_HASH = 30.0  # per bit that differs, beside mean squares of Lab differences (1 is barely seen)

Floats = NDArray[np.floating]
Bytes = NDArray[np.uint8]


def look_of(pixels: Pixels) -> bytes:
    """The 212 bytes of RGB pixels of any size."""
    image = Image.frombytes("RGB", (pixels.width, pixels.height), pixels.data)
    fields = np.asarray(image.resize((8, 8), Image.Resampling.BOX), np.float32) / 255
    lab = _lab(fields) * np.array([2.55, 1, 1], np.float32) + np.array([0, 128, 128], np.float32)
    small = np.asarray(image.resize((32, 32), Image.Resampling.BOX), np.float32) / 255
    grey = small @ np.array([0.299, 0.587, 0.114], np.float32)
    parts = (np.clip(np.rint(lab), 0, 255).astype(np.uint8).ravel(), _shares(small), _frequencies(grey))
    return np.concatenate(parts).tobytes()


@dataclass(slots=True)
class _Table:
    changes: int
    rows: int
    seqs: Ints
    looks: Bytes  # (pictures, 212)


class Looks:
    """All looks of an index, kept in memory (21 MB at 100,000) once somebody asks. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table: _Table | None = None

    def of_colour(self, index: Index, name: str) -> Ints:
        """Row numbers of the pictures in which a colour of `COLOURS` stands out."""
        table = self._current(index)
        return table.seqs[table.looks[:, _LAB + COLOURS.index(name)] >= _STANDS_OUT]

    def near(self, index: Index, seq: int, count: int) -> Ints:
        """The row numbers that look most like `seq`, the nearest first and itself left out; none if it is unknown."""
        table = self._current(index)
        at = np.flatnonzero(table.seqs == seq)
        if not len(at) or count < 1:
            return np.empty(0, np.int64)
        far = _distances(table.looks, table.looks[at[0]])
        far[at] = np.inf
        count = min(count, len(far) - 1)
        nearest = np.argpartition(far, count)[: count + 1] if count + 1 < len(far) else np.arange(len(far))
        return table.seqs[nearest[np.argsort(far[nearest], kind="stable")][:count]]

    def _current(self, index: Index) -> _Table:
        with self._lock:
            changes = index.changes()
            known = self._table
            if known is None or known.changes != changes:
                self._table = known = _read(index, changes, known)
            return known


def _read(index: Index, changes: int, known: _Table | None) -> _Table:
    count, total = index.read("SELECT count(*), coalesce(max(seq), 0) FROM looks")[0]
    if known is not None and (known.rows, int(known.seqs.max(initial=0))) == (count, total):
        known.changes = changes  # looks are never changed, only added and removed
        return known
    rows = index.read("SELECT seq, look FROM looks WHERE length(look) = ?", (SIZE,))
    looks = np.frombuffer(b"".join(row[1] for row in rows), np.uint8).reshape(-1, SIZE)
    return _Table(changes, count, np.array([row[0] for row in rows], np.int64), looks)


def _distances(looks: Bytes, one: Bytes) -> Floats:
    far = np.empty(len(looks), np.float32)
    here = one.astype(np.float32)
    for start in range(0, len(looks), _CHUNK):
        part = looks[start : start + _CHUNK]
        apart = part[:, :_SHARES].astype(np.float32) - here[:_SHARES]
        apart *= apart
        bits = np.bitwise_count(part[:, _SHARES:] ^ one[_SHARES:]).sum(1)
        colours = apart[:, :_LAB].mean(1) + apart[:, _LAB:].mean(1) * 0.1
        far[start : start + _CHUNK] = colours + _WEIGHT_OF_HASH * bits
    return far


def _lab(rgb: Floats) -> Floats:
    """sRGB in 0 ... 1 to CIELAB: L in 0 ... 100, a and b about -128 ... 127. Last axis 3."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    lab = np.stack((116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])), -1)
    return lab.astype(np.float32)


def _shares(rgb: Floats) -> Bytes:
    """Of each named colour the part of the pixels that have it, 0 ... 255."""
    high, low = rgb.max(-1), rgb.min(-1)
    spread = high - low
    safe = np.where(spread > 0, spread, 1)
    r, g, b = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    turn = np.where(high == r, (g - b) / safe % 6, np.where(high == g, (b - r) / safe + 2, (r - g) / safe + 4))
    hue, saturation = turn * 60, spread / np.where(high > 0, high, 1)
    name = np.array([COLOURS.index(colour) for colour in _BY_HUE])[np.searchsorted(_HUES, hue, "right")]
    warm = (hue < 50) | (hue >= 345)
    name = np.where(warm & (hue >= 8) & (hue < 50) & (high < 0.62), COLOURS.index("brown"), name)
    name = np.where(((hue < 15) | (hue >= 300)) & (saturation < 0.5) & (high > 0.7), COLOURS.index("pink"), name)
    grey = saturation < 0.16
    name = np.where(grey, COLOURS.index("grey"), name)
    name = np.where(grey & (high > 0.85), COLOURS.index("white"), name)
    name = np.where(high < 0.18, COLOURS.index("black"), name)
    counts = np.bincount(name.ravel(), minlength=len(COLOURS))
    shares: Bytes = np.rint(counts * (255 / name.size)).astype(np.uint8)
    return shares


def _frequencies(grey: Floats) -> Bytes:
    """Of a 32 x 32 brightness, 64 bits in 8 bytes: which of the lowest 8 x 8 cosine terms are above their median."""
    terms = _COSINES @ grey @ _COSINES.T
    return np.packbits(terms.ravel() > np.median(terms))


_COSINES: Floats = np.cos(np.pi / 32 * np.outer(np.arange(8), np.arange(32) + 0.5)).astype(np.float32)  # DCT-II
