"""How a model that does not fit the device makes its picture all the same: level by level slower, in less memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any
from weakref import WeakSet

import torch

from studio.engine.diffusion.models import Model

TILE_PX = 512


class Level(IntEnum):
    """Each needs less memory than the one before it, and more time."""

    WHOLE = 0  # everything stays on the device
    TILES = 1  # nothing else stays loaded; the autoencoder works in tiles
    PARTS = 2  # text encoder, UNet and autoencoder are on the device one after the other, each while it works
    LAYERS = 3  # of the UNet only the layer that works


WORDS = {
    Level.TILES: "Memory was short: other models were let go, and the autoencoder works in tiles.",
    Level.PARTS: "Memory was short: the parts of the model take turns on the device, which takes longer.",
    Level.LAYERS: "Memory was short: the model goes through the device layer by layer, which takes much longer.",
}


def levels_of(device: torch.device) -> tuple[Level, ...]:
    """The levels that make a difference on a device: weights cannot move away from the processor's own memory."""
    return (Level.WHOLE, Level.TILES) if device.type == "cpu" else tuple(Level)


_BY_LAYERS: WeakSet[Any] = WeakSet()  # networks that diffusers moves layer by layer; this cannot be taken back


def is_spoilt_for(model: Model, level: Level) -> bool:
    """Whether a model went layer by layer before and must be loaded afresh to be faster."""
    return level is not Level.LAYERS and model.unet in _BY_LAYERS


class Placement:
    """Where the parts of one model are while a picture is made: all on the device, or each while it works."""

    def __init__(self, model: Model, level: Level) -> None:
        self._model, self.level = model, level
        model.vae.use_tiling = model.vae.use_slicing = level >= Level.TILES
        model.vae.tile_sample_min_size = min(int(model.vae.tile_sample_min_size), TILE_PX)  # SDXL's own is 1024
        model.vae.tile_latent_min_size = int(model.vae.tile_sample_min_size) // model.vae_factor
        for module in model.modules:
            (self._rest if level >= Level.PARTS else self._fetch)(module)
        if level is Level.LAYERS:
            _go_by_layers(model.unet, model.device)

    @contextmanager
    def at_work(self, *modules: Any) -> Iterator[None]:
        """While this lasts these modules are on the device."""
        if self.level < Level.PARTS:
            yield
            return
        try:
            for module in modules:
                self._fetch(module)
            yield
        finally:
            for module in modules:
                self._rest(module)

    def _fetch(self, module: Any) -> None:
        if module not in _BY_LAYERS:
            module.to(self._model.device)

    def _rest(self, module: Any) -> None:
        if module not in _BY_LAYERS:
            module.to("cpu")


def _go_by_layers(network: Any, device: torch.device) -> None:
    from diffusers.hooks import apply_group_offloading

    if network not in _BY_LAYERS:
        cpu = torch.device("cpu")
        apply_group_offloading(network, onload_device=device, offload_device=cpu, offload_type="leaf_level")
        _BY_LAYERS.add(network)
