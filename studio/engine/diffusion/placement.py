"""How a model that does not fit the device makes its picture all the same: level by level slower, in less memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

import torch

from studio.core.budget import Level as Level
from studio.engine.diffusion.models import Model
from studio.engine.estimate.need import TILE_PX
from studio.engine.estimate.need import levels_of as levels_for

WORDS = {
    Level.TILES: "Memory was short: other models were let go, and the autoencoder works in tiles.",
    Level.EIGHT: "Memory was short: the UNet's weights rested in 8 bits, so the picture is close to the one in 16 bits.",
    Level.PARTS: "Memory was short: the parts of the model take turns on the device, which takes longer.",
    Level.LAYERS: "Memory was short: the model goes through the device layer by layer, which takes much longer.",
}


def levels_of(device: torch.device, eight: bool = False) -> tuple[Level, ...]:
    """The levels that make a difference on a device; `eight`: the recipe may have its weights in 8 bits.

    CUDA widens 8-bit floats on every card; Metal has none.
    """
    return levels_for(device.type, eight and device.type == "cuda")


_BY_LAYERS: WeakSet[Any] = WeakSet()  # networks that diffusers moves layer by layer; this cannot be taken back
_IN_EIGHT: WeakSet[Any] = WeakSet()  # whose weights lost bits


def is_spoilt_for(model: Model, level: Level) -> bool:
    """Whether a model went layer by layer or lost bits before, and must be loaded afresh to be made otherwise."""
    if model.unet in _IN_EIGHT:
        return level is not Level.EIGHT
    return level is not Level.LAYERS and model.unet in _BY_LAYERS


class Placement:
    """Where the parts of one model are while a picture is made: all on the device, or each while it works."""

    def __init__(self, model: Model, level: Level) -> None:
        self._model, self.level = model, level
        model.vae.use_tiling = model.vae.use_slicing = level >= Level.TILES
        model.vae.tile_sample_min_size = min(int(model.vae.tile_sample_min_size), TILE_PX)  # SDXL's own is 1024
        model.vae.tile_latent_min_size = int(model.vae.tile_sample_min_size) // model.vae_factor
        if level is Level.EIGHT:
            rest_in_eight(model.unet, model.dtype)
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


def rest_in_eight(network: Any, dtype: torch.dtype) -> None:
    """Keep a network's weights as float8_e4m3fn (Micikevicius et al. 2022) and widen each layer's to `dtype` while it works.

    Norms and embeddings of positions keep their bits, as diffusers chooses. Halves the weights of a network in 16 bits.
    """
    if network not in _IN_EIGHT:
        network.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
        _IN_EIGHT.add(network)


def _go_by_layers(network: Any, device: torch.device) -> None:
    from diffusers.hooks import apply_group_offloading

    if network not in _BY_LAYERS:
        cpu = torch.device("cpu")
        apply_group_offloading(network, onload_device=device, offload_device=cpu, offload_type="leaf_level")
        _BY_LAYERS.add(network)
