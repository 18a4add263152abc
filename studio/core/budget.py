"""What a picture will take of the device's memory, at each way of making it, beside what is free. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """Ways to make a picture. Each needs less memory than the one before it, and more time or fewer bits."""

    WHOLE = 0  # everything stays on the device
    TILES = 1  # nothing else stays loaded; the autoencoder works in tiles
    EIGHT = 2  # the UNet's weights rest in 8 bits and are widened where they work: another picture, but a close one
    PARTS = 3  # text encoder, UNet and autoencoder are on the device one after the other, each while it works
    LAYERS = 4  # of the UNet only the layer that works


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """`needs`: bytes at their peak for each level the device and the recipe allow, best first, never empty. `free`: bytes
    that the studio may have, what its models hold already included; 0: not known. `total`: of the device."""

    needs: tuple[tuple[Level, int], ...]
    free: int
    total: int

    @property
    def level(self) -> Level | None:
        """The first level that fits; None: not even the last one does."""
        fitting = (level for level, need in self.needs if not self.free or need <= self.free)
        return next(fitting, None)

    @property
    def best(self) -> int:
        """Bytes it takes at the best level."""
        return self.needs[0][1]

    @property
    def need(self) -> int:
        """Bytes it will take: at the level that fits, or at the last one."""
        level = self.level
        return dict(self.needs)[level] if level is not None else self.needs[-1][1]
