"""Tiny decoders: sharp previews from a small network (TAESD, Bohan 2023) in place of one matrix product.

A preview is a comfort: whatever is wrong with a file of it, or with the memory, the picture itself goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.core.errors import StudioError
from studio.core.model_files import Family, Kind, ModelFile
from studio.core.pixels import Pixels
from studio.engine.diffusion.latents import to_pixels
from studio.engine.diffusion.reading import read_tensors
from studio.engine.models import INDEX, companions_of

BESIDE = "tiny_vae"  # in a model's folder
_STEM = "diffusion_pytorch_model.safetensors"
_SHARED = {Family.SD1: Family.SD1, Family.SD2: Family.SD1, Family.SDXL: Family.SDXL, Family.REFINER: Family.SDXL}
_FAULTS = (StudioError, OSError, ValueError, KeyError, TypeError, RuntimeError, MemoryError)


class TinyDecoder:
    """Decodes latents of (1, `channels`, h, w), read at first use. Mutable state: `_network`, `broken`, `_per_cell`.

    `broken` once it failed, for whatever reason; `_per_cell` is the least that one latent position took, 0 before the
    first decode: the machine may have been busy, or the first decode have done what is done once.
    """

    def __init__(self, place: Path, channels: int, dtype: torch.dtype, device: torch.device) -> None:
        self.place = place
        self._channels, self._dtype, self._device = channels, dtype, device
        self._network: Any = None
        self.broken = False
        self._per_cell = 0.0

    def seconds(self, latents: Tensor) -> float:
        """What decoding these should take, 0 if that is not known yet."""
        return self._per_cell * _cells(latents)

    def doubt(self) -> None:
        """It was not asked to decode because of what it took: that may have been chance, so it counts for a little less."""
        self._per_cell *= 0.95

    @torch.no_grad()
    def __call__(self, latents: Tensor) -> Pixels | None:
        """The picture of clean latents as the UNet knows them, None where that fails."""
        if self.broken:
            return None
        try:
            if self._network is None:
                self._network = load_tiny(self.place, self._channels, self._dtype).to(self._device)
            _wait_for(self._device)  # else the time of the step is counted as the preview's
            began = time.monotonic()
            image = self._network(torch.nan_to_num(latents.to(self._device, self._dtype)))
            pixels = to_pixels(torch.nan_to_num(image.float()))
        except _FAULTS:
            self.broken, self._network = True, None
            return None
        took = (time.monotonic() - began) / _cells(latents)
        self._per_cell = min(took, self._per_cell or took)
        return pixels


def load_tiny(place: Path, channels: int, dtype: torch.dtype) -> Any:
    """The decoder half of an AutoencoderTiny: a folder of diffusers', or a file with TAESD's own names or diffusers'.

    Raises `StudioError`, `OSError`, `ValueError`, `KeyError` or `RuntimeError` for what is none, or has other latents.
    """
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny

    config: dict[str, Any] = {}
    if place.is_dir():
        told = json.loads((place / "config.json").read_text("utf-8"))
        known = {name: value for name, value in told.items() if not name.startswith("_")}
        config = {
            name: value for name, value in known.items() if name != "block_out_channels"
        }  # the decoder's own once more
    network = AutoencoderTiny(**config).decoder
    tensors = read_tensors(place / _STEM if place.is_dir() else place, dtype, lambda: None)
    network.load_state_dict(_decoder_of(tensors))
    if network.layers[0].in_channels != channels:
        raise ValueError(f"made for latents of {network.layers[0].in_channels} channels, not {channels}")
    return network.to(dtype).eval().requires_grad_(False)


def find_tiny(model: Path, family: str, files: Iterable[ModelFile]) -> Path | None:
    """The tiny decoder for a model at this place: the one beside it, else one of its family among the artist's files."""
    beside = companions_of(model) / BESIDE
    if (model / INDEX).is_file() and (beside / "config.json").is_file():
        return beside
    wanted = _SHARED.get(Family(family)) if family in set(Family) else None
    fitting = (
        file
        for file in files
        if file.kind is Kind.TINY_VAE and not file.problem and file.traits.variant != "encoder"
        if wanted is not None and _SHARED.get(file.family) is wanted
    )
    return next((file.path for file in fitting), None)


def _decoder_of(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The decoder's tensors by diffusers' names. TAESD's own rows of layers begin with a clamp, which has no weights."""
    for prefix, shift in (("decoder.layers.", 0), ("taesd_decoder.", 1), ("decoder.", 1), ("layers.", 0), ("", 1)):
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if own and all(name.split(".")[0].isdigit() for name in own):
            first = min(int(name.split(".")[0]) for name in own)
            shift = min(shift, first)
            return {_renumbered(name, -shift): tensor for name, tensor in own.items()}
    raise ValueError("no tiny decoder is in it")


def _renumbered(name: str, by: int) -> str:
    number, dot, rest = name.partition(".")
    return f"layers.{int(number) + by}{dot}{rest}"


def _cells(latents: Tensor) -> int:
    return int(latents.shape[-1] * latents.shape[-2])


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
