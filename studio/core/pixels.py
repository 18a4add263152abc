"""Pixels: a picture as plain bytes, so that engine, gallery and window can hand it on without knowing each other's libraries."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """An RGB picture, 8 bits a channel, rows from the top, no padding: `len(data) == width * height * 3`."""

    width: int
    height: int
    data: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.data) != self.width * self.height * 3:
            raise ValueError(f"{len(self.data)} bytes do not make {self.width}x{self.height} RGB pixels")

    @property
    def sha256(self) -> str:
        """Digest of width, height and pixels: equal exactly when the pictures are identical."""
        head = f"{self.width}x{self.height}:".encode()
        return hashlib.sha256(head + self.data).hexdigest()
