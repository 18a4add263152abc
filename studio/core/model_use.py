"""What a weight file is used for, told by its kind and name, and whether it goes with the model that paints. Pure."""

from __future__ import annotations

from enum import StrEnum

from studio.core.model_files import Family, Kind, ModelFile, fits


class Place(StrEnum):
    """Where “Use” puts a file."""

    MODEL = "model"
    REFINER = "refiner"
    VAE = "vae"
    CONTROL = "control"  # a control layer that this ControlNet reads
    GUEST_CONTROL = "guest control"  # a control layer of a plugin (T2I-Adapter)
    LAYER = "layer"  # a layer of a plugin, with the file in it
    NOWHERE = ""  # works by itself, or cannot be used alone


_PLACES = {
    Kind.CHECKPOINT: Place.MODEL,
    Kind.VAE: Place.VAE,
    Kind.CONTROLNET: Place.CONTROL,
    Kind.T2I_ADAPTER: Place.GUEST_CONTROL,
    Kind.LORA: Place.LAYER,
    Kind.EMBEDDING: Place.LAYER,
    Kind.IP_ADAPTER: Place.LAYER,
}
LAYERS = {  # the plugin and its part that a file becomes a layer of, and the parameter that takes it
    Kind.LORA: ("lora", "lora", "file"),
    Kind.EMBEDDING: ("lora", "embedding", "file"),
    Kind.IP_ADAPTER: ("ip_adapter", "reference", "file"),
}
_GUEST_CONTROLS = ("sketch", "canny", "lineart", "depth", "pose", "color", "seg")  # kinds of the plugin t2i_adapter


def place_of(file: ModelFile) -> Place:
    """Where a file goes when it is used."""
    if file.problem or (file.kind is Kind.CHECKPOINT and not file.is_base):
        return Place.NOWHERE
    if file.kind is Kind.CHECKPOINT and file.family is Family.REFINER:
        return Place.REFINER
    return _PLACES.get(file.kind, Place.NOWHERE)


def suits(file: ModelFile, base: Family) -> bool:
    """Whether “Use” makes sense while a model of the family `base` paints; a model itself can always be chosen."""
    place = place_of(file)
    if place is Place.MODEL:
        return True
    if place is Place.REFINER:
        return base in (Family.SDXL, Family.UNKNOWN)
    return fits(file, base)


def guest_kind_of(name: str) -> str:
    """The kind of control layer that a T2I-Adapter of this name works in ("t2i-sketch"), "" if it does not tell."""
    lower = name.lower()
    said = next((kind for kind in _GUEST_CONTROLS if kind in lower), "")
    said = said or ("color" if "colour" in lower else "pose" if "keypose" in lower else "")
    return f"t2i-{said}" if said else ""
