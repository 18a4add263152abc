"""Holds a LoRA file's header against a model, before anything is loaded: what fits where, or why nothing does."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from studio.api import BadRecipe, Denoiser, ModelMissing, WeightHeader

from .names import Network, Role, layer_names, read_name

FAMILIES = {192: "Studio Mini", 768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "SDXL"}
"""Families by the width of the text that their UNet attends to."""

_FOREIGN = ("transformer.", "lora_transformer_", "double_blocks", "joint_blocks", "lora_prior_")
_OTHER_KINDS = {
    "hada_w1": "a LoHa, which is another kind of file",
    "lokr_w": "a LoKr, which is another kind of file",
    "oft_": "an OFT file, which is another kind of file",
    "emb_params": "a textual inversion; use it as such",
    "clip_g": "a textual inversion; use it as such",
}


@dataclass(frozen=True, slots=True)
class Fit:
    """One layer that the file changes: where, and the file's key for each of its tensors. `scale` None: alpha / r."""

    network: Network
    layer: Any
    keys: Mapping[Role, str]
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that fits, of how many layers in the file, and its keys that are of no kind known here."""

    fits: tuple[Fit, ...]
    layers: int
    strange: tuple[str, ...] = ()


@dataclass(slots=True)
class _Found:
    keys: dict[Role, str] = field(default_factory=dict)


def plan(name: str, header: WeightHeader, denoiser: Denoiser) -> Plan:
    """What of a file fits a model. `name` is the file's, for the sentences.

    Raises `BadRecipe` for a file of another family or kind, or of which nothing fits; `ModelMissing` for half a file.
    """
    found = _group(header)
    if not found:
        raise BadRecipe(f"“{name}” is {_kind(header)}, not a LoRA that can be used here.", "Choose another file.")
    _check_family(name, header, found, denoiser)
    layers = _layers(denoiser)
    scales = _scales(header)
    fits = []
    for (network, path), entry in found.items():
        layer = layers.get((network, path))
        _check_whole(name, path, entry.keys)
        if layer is not None:
            _check_shapes(name, path, entry.keys, header, layer, denoiser)
            fits.append(Fit(network, layer, entry.keys, scales(network, path)))
    if not fits:
        raise BadRecipe(
            f"None of the {len(found)} layers in “{name}” is one of “{denoiser.model}”.",
            "It was made for another kind of model; choose another file or model.",
            detail=", ".join(sorted(header.shapes)[:5]),
        )
    return Plan(tuple(fits), len(found), tuple(key for key in header.shapes if read_name(key) is None))


def _group(header: WeightHeader) -> dict[tuple[Network, str], _Found]:
    """Keys by network and layer, in the file's order."""
    found: dict[tuple[Network, str], _Found] = {}
    for key in header.shapes:
        if name := read_name(key):
            found.setdefault((name.network, name.layer), _Found()).keys[name.role] = key
    return {place: entry for place, entry in found.items() if entry.keys.keys() - {"alpha"}}


def _layers(denoiser: Denoiser) -> dict[tuple[Network, str], Any]:
    networks: list[tuple[Network, Any]] = [("unet", denoiser.unet)]
    networks += list(zip(("text", "text_2"), denoiser.text_encoders, strict=False))
    return {(network, name): layer for network, module in networks for name, layer in layer_names(network, module)}


def _kind(header: WeightHeader) -> str:
    keys = " ".join(header.shapes)
    if any(mark in keys for mark in _FOREIGN):
        return "made for another kind of model (Flux, Stable Diffusion 3 and their like)"
    return next((words for mark, words in _OTHER_KINDS.items() if mark in keys), "something else")


def _check_family(
    name: str, header: WeightHeader, found: dict[tuple[Network, str], _Found], denoiser: Denoiser
) -> None:
    """By the text width of the file's cross-attention, and by the second text encoder that only SDXL has."""
    width = denoiser.unet.config.cross_attention_dim
    here = int(width if isinstance(width, int) else next(iter(width)))
    widths = {
        math.prod(header.shapes[entry.keys["down"]][1:])
        for (network, path), entry in found.items()
        if network == "unet" and path.endswith(("attn2_to_k", "attn2_to_v")) and "down" in entry.keys
    }
    there = next(iter(widths)) if len(widths) == 1 else None
    if there is None and len(denoiser.text_encoders) < 2 and any(network == "text_2" for network, _ in found):
        there = 2048
    if there is not None and there != here:
        raise BadRecipe(
            f"“{name}” was made for {_family(there)}, but “{denoiser.model}” is {_family(here)}.",
            "Choose a LoRA for this model, or a model for this LoRA.",
        )


def _family(width: int) -> str:
    return FAMILIES.get(width, f"a model that reads text {width} wide")


def _check_whole(name: str, path: str, keys: Mapping[Role, str]) -> None:
    if not {"down", "up"} <= keys.keys():
        raise ModelMissing(f"“{name}” is incomplete: of its layer {path} only a part is there.", "Fetch it again.")


def _check_shapes(
    name: str, path: str, keys: Mapping[Role, str], header: WeightHeader, layer: Any, denoiser: Denoiser
) -> None:
    """The file's matrices against the layer's weight (out, in, ...)."""
    down, up = header.shapes[keys["down"]], header.shapes[keys["up"]]
    mid = header.shapes[keys["mid"]] if "mid" in keys else None
    wanted = tuple(layer.weight.shape)
    inner = math.prod(down[1:]) * (math.prod(mid[2:]) if mid else 1)
    rank = down[:1] == (math.prod(up[1:]),) if mid is None else mid[:2] == (math.prod(up[1:]), down[0])
    if not (rank and up[:1] == wanted[:1] and inner == math.prod(wanted[1:]) and _magnitude_fits(keys, header, wanted)):
        raise BadRecipe(
            f"“{name}” does not fit “{denoiser.model}”: its layer {path} has other sizes.",
            "It was made for another kind of model; choose another file or model.",
            detail=f"file {up} x {mid or ''} {down}, model {wanted}",
        )


def _magnitude_fits(keys: Mapping[Role, str], header: WeightHeader, wanted: tuple[int, ...]) -> bool:
    sizes: dict[Role, tuple[int, ...]] = {"magnitude": wanted[:1], "dora_scale": wanted[:2]}
    return all(math.prod(header.shapes[keys[role]]) in sizes[role] for role in sizes if role in keys)


def _scales(header: WeightHeader) -> Any:  # Any: a function of network and path to a scale or None
    """Scales from diffusers' `lora_adapter_metadata` (peft's LoraConfig as JSON), for files without alpha tensors."""
    try:
        settings = json.loads(header.metadata.get("lora_adapter_metadata", "{}"))
    except (ValueError, RecursionError):
        settings = {}
    prefixes = {"unet": "unet", "text": "text_encoder", "text_2": "text_encoder_2"}

    def scale(network: Network, path: str) -> float | None:
        def setting(key: str, default: Any) -> Any:
            return settings.get(f"{prefixes[network]}.{key}", default) if isinstance(settings, dict) else default

        rank = _patterned(setting("rank_pattern", None), path, setting("r", None))
        alpha = _patterned(setting("alpha_pattern", None), path, setting("lora_alpha", None))
        if not (isinstance(rank, int) and rank > 0 and isinstance(alpha, int | float)):
            return None
        return float(alpha) / (math.sqrt(rank) if setting("use_rslora", False) is True else rank)

    return scale


def _patterned(pattern: Any, path: str, default: Any) -> Any:  # Any: what json gave
    """The value of the pattern's key that ends the path, as peft matches them."""
    for key, value in pattern.items() if isinstance(pattern, dict) else ():
        flat = str(key).strip("^$").replace(".", "_")
        if path == flat or path.endswith(f"_{flat}"):
            return value
    return default
