"""The bytes a recipe takes at its peak, level by level: weights that are there at once, and what its busiest moment adds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from studio.core.budget import Level
from studio.core.choices import ControlKind
from studio.core.model_files import Kind
from studio.core.recipe import ModelRef, Recipe
from studio.engine.estimate.guests import Shelf, Surroundings, empty
from studio.engine.estimate.patches import Files, nowhere, patched
from studio.engine.estimate.walks import decoder_peak, factor_of, unet_peak
from studio.engine.estimate.weights import Headers, Network
from studio.engine.models import CONTROLNET, companions_of

Find = Callable[[ModelRef, Kind], Path]  # raises `ModelMissing`
TILE_PX = 512  # side of the autoencoder's tiles, in pixels
SINGLE = 4  # bytes of a 32-bit float
SEVERAL_LAYERS = 2  # layer by layer: the one that works, and the next one on its way


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """`kind` "cpu", "cuda" or "mps"; `width` bytes of its usual number format; `eight` whether it widens 8-bit floats."""

    kind: str
    width: int
    eight: bool = False


def levels_of(kind: str, eight: bool) -> tuple[Level, ...]:
    """The levels that make a difference on a device: weights cannot move away from the processor's own memory."""
    if kind == "cpu":
        return (Level.WHOLE, Level.TILES)
    return tuple(level for level in Level if eight or level is not Level.EIGHT)


def may_rest_in_eight(recipe: Recipe) -> bool:
    """Whether a picture may be made with weights in 8 bits: not where all bits are asked for, nor where a plugin may
    add to the weights."""
    return not recipe.exact and not recipe.plugins and all(use.plugin is None for use in recipe.controls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Bytes of weights, and of what the busiest moment of each stage adds."""

    texts: int
    unet: int  # all that take part: the refiner's, too
    unet_alone: int  # the larger of them
    largest: int  # layer of a UNet
    nets: int  # ControlNets
    vae: int
    painting: int
    decoding: int
    tiled: int
    width: int  # bytes of a weight
    kept: int = 0  # what LoRAs change of the model's weights, kept aside where the weights lie
    looking: int = 0  # a plugin's network, before the first step
    guests: int = 0  # networks of plugins that stay beside the model, wherever that lies

    def at(self, level: Level) -> int:
        """Bytes at the peak."""
        decoding = self.decoding if level is Level.WHOLE else self.tiled
        if level <= Level.EIGHT:
            unet = self.unet // self.width if level is Level.EIGHT else self.unet
            there = self.texts + unet + self.kept + self.nets + self.vae + self.guests
            return there + max(self.painting, decoding, self.looking)
        unet = self.unet_alone if level is Level.PARTS else SEVERAL_LAYERS * self.largest
        return self.guests + max(self.texts, self.looking, unet + self.nets + self.painting, self.vae + decoding)


def needs(
    recipe: Recipe, device: DeviceFacts, find: Find, headers: Headers, files: Files = nowhere, shelf: Shelf = empty
) -> tuple[tuple[Level, int], ...]:
    """Bytes at their peak for each level, best first.

    Raises `ModelMissing` for what is not there or not whole; whoever presses Generate is told the same.
    """
    stages = stages_of(recipe, device, find, headers, files, shelf)
    levels = levels_of(device.kind, device.eight and may_rest_in_eight(recipe))
    return tuple((level, stages.at(level)) for level in levels)


def stages_of(
    recipe: Recipe, device: DeviceFacts, find: Find, headers: Headers, files: Files = nowhere, shelf: Shelf = empty
) -> Stages:
    """Raises `ModelMissing`, and `OSError`, `ValueError` or `KeyError` for configs that are none."""
    width = SINGLE if recipe.exact else device.width
    place = find(recipe.model, Kind.CHECKPOINT)
    models = [headers.anatomy(recipe.model.name, place)]
    if recipe.refiner is not None:
        models.append(headers.anatomy(recipe.refiner.name, find(recipe.refiner, Kind.CHECKPOINT)))
    base = models[0]
    nets = [headers.part(net) for net in _nets(recipe, place, find)]
    vae = base.vae if recipe.vae is None else headers.vae(find(recipe.vae, Kind.VAE))
    factor = factor_of(base.vae.config)
    height, across = recipe.size.height // factor, recipe.size.width // factor
    branches = 2 if recipe.guidance_scale > 1 and base.unet.config.get("time_cond_proj_dim") is None else 1
    painting = max(unet_peak(model.unet.config, branches, height, across, len(nets)) for model in models)
    overflows = base.vae.config.get("force_upcast", True)  # as diffusers reads configs that do not say so
    wide = SINGLE if width == 2 and device.kind != "cpu" and overflows else width
    decoding = decoder_peak(base.vae.config, height, across) * wide
    side = TILE_PX // factor
    around = Surroundings(place=place, files=files, shelf=shelf, headers=headers)
    tiled = decoder_peak(base.vae.config, min(height, side), min(across, side)) * wide
    return Stages(
        texts=_numbers(text for model in models for text in model.texts) * width,
        unet=_numbers(model.unet for model in models) * width,
        unet_alone=max(model.unet.count for model in models) * width,
        largest=max(model.unet.largest for model in models) * width,
        nets=_numbers(nets) * width,
        vae=_numbers([vae, *(model.vae for model in models[1:])]) * wide,
        painting=painting * width,
        decoding=decoding,
        tiled=tiled,
        width=width,
        kept=patched(recipe, files, headers) * width,
        looking=around.looking(recipe) * width,
        guests=around.staying(recipe) * width,
    )


def _numbers(networks: Iterable[Network]) -> int:
    return sum(network.count for network in networks)


def _nets(recipe: Recipe, place: Path, find: Find) -> tuple[Path, ...]:
    """Where the ControlNets of a recipe lie, each once. One that is called after its kind of layer is not looked for."""
    beside = companions_of(place) / CONTROLNET
    found: list[Path] = []
    for use in recipe.controls:
        if use.net is not None:
            net = find(use.net, Kind.CONTROLNET)
            found.append(net / CONTROLNET if (net / CONTROLNET / "config.json").is_file() else net)
        elif isinstance(use.kind, ControlKind) and (beside / "config.json").is_file():
            found.append(beside)
    return tuple(dict.fromkeys(found))
