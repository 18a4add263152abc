"""Walks through a UNet with its ControlNets, and through a VAE's decoder, by their config.json: the most alive at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from studio.engine.estimate.arena import Arena

Config = Mapping[str, Any]  # what json gave


def unet_peak(config: Config, batch: int, height: int, width: int, nets: int = 0) -> int:
    """Numbers alive at most in one call for latents of `height` x `width`, beside the weights. `nets`: ControlNets at
    work, whose additions are as large as what the UNet keeps of its way down."""
    arena = Arena(batch)
    if nets:
        before = Arena(batch)  # a ControlNet goes the same way down; its additions, and these times their weight
        kept = _down(before, config, height * width)
        residual = sum(kept) + kept[-1]  # and one for the middle
        before.touch(2 * residual)
        arena.hold(nets * residual + (residual if nets > 1 else 0))  # each, and their sum, while the UNet works
        arena.peak = max(arena.peak, before.peak + (nets - 1) * residual)
    kept = _down(arena, config, height * width)
    _middle(arena, config, height * width)
    if nets:
        arena.touch(sum(kept))  # sums are made before what they are made of goes
    _up(arena, config, kept, height * width)
    return arena.peak


def decoder_peak(config: Config, height: int, width: int) -> int:
    """Numbers alive at most while a VAE decodes one picture from latents of `height` x `width`."""
    arena = Arena(1)
    blocks = tuple(int(count) for count in reversed(config["block_out_channels"]))
    area, channels = height * width, blocks[0]
    now = arena.hold(arena.map(channels, area))
    arena.resnet(channels, channels, area)
    if config.get("mid_block_add_attention", True):
        arena.attend(channels, area)
    for index, after in enumerate(blocks):
        for _ in range(int(config.get("layers_per_block", 1)) + 1):
            arena.resnet(channels, after, area)
            now, channels = _replace(arena, now, arena.map(after, area)), after
        if index < len(blocks) - 1:
            arena.upsample(channels, area)
            area *= 4
            now = _replace(arena, now, arena.map(channels, area))
    arena.touch(2 * now)  # the last norm and SiLU
    arena.hold(now)
    arena.convolve(channels, 3, area)
    return arena.peak


def factor_of(config: Config) -> int:
    """Pixels per latent position along one side."""
    return int(2 ** (len(config["block_out_channels"]) - 1))


def _down(arena: Arena, config: Config, area: int) -> list[int]:
    """The way down; what it keeps for the way up, in order, stays held."""
    blocks, layers = _blocks(config), _by_block(config, "layers_per_block")
    depths, kinds = _by_block(config, "transformer_layers_per_block"), config["down_block_types"]
    kept = [arena.hold(arena.map(blocks[0], area))]
    before = blocks[0]
    for index, after in enumerate(blocks):
        for _ in range(layers[index]):
            arena.resnet(before, after, area)
            if "CrossAttn" in kinds[index]:
                arena.hold(arena.map(after, area))
                arena.transformer(after, area, depths[index])
                arena.let_go(arena.map(after, area))
            kept.append(arena.hold(arena.map(after, area)))
            before = after
        if index < len(blocks) - 1:
            arena.downsample(after, area)
            area //= 4
            kept.append(arena.hold(arena.map(after, area)))
    return kept


def _middle(arena: Arena, config: Config, area: int) -> None:
    blocks = _blocks(config)
    small, channels = area // 4 ** (len(blocks) - 1), blocks[-1]
    arena.resnet(channels, channels, small)
    arena.hold(arena.map(channels, small))
    arena.transformer(channels, small, _by_block(config, "transformer_layers_per_block")[-1])
    arena.let_go(arena.map(channels, small))


def _up(arena: Arena, config: Config, kept: list[int], area: int) -> None:
    """The way up: each layer reads what came before beside what was kept; a block's share goes when it ends."""
    blocks = tuple(reversed(_blocks(config)))
    layers = tuple(reversed(_by_block(config, "layers_per_block")))
    depths = tuple(reversed(_by_block(config, "transformer_layers_per_block")))
    kinds = config["up_block_types"]
    area //= 4 ** (len(blocks) - 1)
    channels = blocks[0]
    now = arena.hold(arena.map(channels, area))
    for index, after in enumerate(blocks):
        count = layers[index] + 1
        share = [kept.pop() for _ in range(count)]
        for skip in share:
            both = channels + skip // arena.map(1, area)
            joined = arena.hold(arena.map(both, area))
            arena.let_go(now)
            arena.resnet(both, after, area)
            arena.let_go(joined)
            now = arena.hold(arena.map(after, area))
            if "CrossAttn" in kinds[index]:
                arena.transformer(after, area, depths[index])
            channels = after
        if index < len(blocks) - 1:
            arena.upsample(channels, area)
            area *= 4
            now = _replace(arena, now, arena.map(channels, area))
        arena.let_go(sum(share))
    arena.touch(2 * now)


def _replace(arena: Arena, old: int, new: int) -> int:
    arena.let_go(old)
    return arena.hold(new)


def _blocks(config: Config) -> tuple[int, ...]:
    return tuple(int(count) for count in config["block_out_channels"])


def _by_block(config: Config, name: str) -> Sequence[int]:
    """A config's number for each block: one for all, or a list."""
    value = config.get(name, 1)
    return [int(one) for one in value] if isinstance(value, list) else [int(value)] * len(config["block_out_channels"])
