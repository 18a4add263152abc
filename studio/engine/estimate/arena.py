"""Counts what is alive while a network runs, in numbers (not bytes): the blocks that UNets and VAEs are made of.

Each method goes through one block of diffusers' in the order its code does, holding what that code still refers to. So the
peak follows from the architecture and the sizes; nothing here is fitted to a measurement.
"""

from __future__ import annotations

from dataclasses import dataclass

FEED_FORWARD = 4  # a transformer's inner width, in widths of its tokens (Vaswani et al. 2017)
BLOCK = 16  # channels


@dataclass(slots=True)
class Arena:
    """`live` numbers now, `peak` the most at once. Mutable: it is walked through once."""

    batch: int
    live: int = 0
    peak: int = 0

    def hold(self, count: int) -> int:
        """So many numbers come and stay; returns them, to be let go later."""
        self.live += count
        self.peak = max(self.peak, self.live)
        return count

    def let_go(self, count: int) -> None:
        self.live -= count

    def touch(self, count: int) -> None:
        """So many are there for a moment beside all that is alive."""
        self.peak = max(self.peak, self.live + count)

    def map(self, channels: int, area: int) -> int:
        """Numbers of a feature map."""
        return self.batch * channels * area

    def convolve(self, before: int, after: int, area: int, side: int = 3) -> None:
        """A convolution, its input alive: output, and input and kernel once more in the order the hardware wants.

        oneDNN works in blocks of 16 channels, half empty ones too, cuDNN with channels last.
        """
        self.touch(self.map(_blocked(after), area) + self.map(_blocked(before), area) + before * after * side * side)

    def resnet(self, before: int, after: int, area: int) -> None:
        """ResnetBlock2D, its input alive and staying so: norm, SiLU, convolution, twice; the sum, divided."""
        wide, out = self.map(before, area), self.map(after, area)
        self.touch(2 * wide)  # norm1 and what SiLU makes of it
        self.hold(wide)
        self.convolve(before, after, area)
        self.let_go(wide)
        self.touch(2 * out)
        self.hold(out)
        self.convolve(after, after, area)
        self.let_go(out)
        shortcut = out if before != after else 0
        self.touch(out + shortcut + 2 * out)

    def transformer(self, channels: int, area: int, depth: int) -> None:
        """Transformer2DModel, its input alive as the residual: attention twice and a gated feed-forward (GEGLU), `depth`
        times. Scores of attention are never there as a whole (scaled_dot_product_attention works in blocks)."""
        tokens = self.map(channels, area)
        self.touch(3 * tokens)  # norm, projection, tokens in their order
        if depth:
            self.hold(tokens)
            self.touch(tokens + 4 * tokens)  # norm; query, key, value, answer
            gated = 2 * FEED_FORWARD * tokens
            self.touch(tokens + gated + 2 * FEED_FORWARD * tokens)  # norm; both halves; GELU of one; the product
            self.let_go(tokens)

    def attend(self, channels: int, area: int) -> None:
        """A VAE's attention: norm, query, key, value, answer, and the projection of it."""
        self.touch(6 * self.map(channels, area))

    def downsample(self, channels: int, area: int) -> None:
        """A convolution with stride 2 to a quarter of `area`."""
        wide = _blocked(channels)
        self.touch(self.map(wide, area // 4) + self.map(wide, area) + 9 * channels * channels)

    def upsample(self, channels: int, area: int) -> None:
        """Nearest neighbours to four times `area`, then a convolution; the small map stays alive."""
        self.hold(self.map(channels, 4 * area))
        self.convolve(channels, channels, 4 * area)
        self.let_go(self.map(channels, 4 * area))


def _blocked(channels: int) -> int:
    return -(-channels // BLOCK) * BLOCK
