"""Finds models by name on disk and says in one sentence what is wrong with one. Standard library only, no torch.

A model is a folder in diffusers' layout - model_index.json beside unet, vae, text_encoder, tokenizer and scheduler - or
a checkpoint in one file. Weights are safetensors only: other formats can run code when they are opened.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from studio.core.advice import Advice, few_step_advice
from studio.core.errors import ModelMissing
from studio.core.weights import read_weight_header, share_of_bytes
from studio.engine.checkpoints import base_of
from studio.engine.intake.kinds import recognise

INDEX = "model_index.json"
CONTROLNET = "controlnet"
COMPANIONS = "companions.json"
SAFE = ".safetensors"
_KINDS = ("vae", "controlnet", "controlnets")  # folders for them within a models folder
WEIGHTS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
SECOND = "text_encoder_2"  # of SDXL; its refiner has no first one
_DISTILLED = {"LCMScheduler": "lcm", "TCDScheduler": "tcd"}
_HEADER_MAX = 100_000_000  # bytes, the limit of the safetensors format


def find_model(name: str, folders: Iterable[Path]) -> Path:
    """The folder of a model, or its file. Raises `ModelMissing` if there is none, or if it is not whole."""
    place = find_place(name, folders)
    check_model(name, place)
    return place


def find_part(name: str, folders: Iterable[Path]) -> Path:
    """The folder or file of something that is no model of its own: a VAE, a ControlNet. Raises `ModelMissing`."""
    if name and name not in (".", "..") and not set(name) & set("/\\:\0"):
        for parent in folders:
            for place in (parent / name, *(parent / kind / name for kind in _KINDS)):
                if (place / "config.json").is_file() or (place / INDEX).is_file():
                    return place
                if (file := place.with_name(f"{name}{SAFE}")).is_file():
                    check_safetensors(name, file)
                    return file
    raise ModelMissing(f"There is nothing named “{name}” in the models folders.", "Look at the names of your files.")


def find_place(name: str, folders: Iterable[Path]) -> Path:
    """The folder or file of a model, whole or not. Raises `ModelMissing` if no folder has one of this name."""
    searched = tuple(folders)
    if name and name not in (".", "..") and not set(name) & set("/\\:\0"):
        for parent in searched:
            if (parent / name / INDEX).is_file():
                return parent / name
            if (file := parent / f"{name}{SAFE}").is_file():
                return file
    known = ", ".join(list_models(searched)) or "none"
    raise ModelMissing(f"There is no model named “{name}”.", f"Models found: {known}.")


def list_models(folders: Iterable[Path]) -> tuple[str, ...]:
    """The names of all models, in the order of the folders; a name that comes twice counts once."""
    names: dict[str, None] = {}
    for parent in folders:
        try:
            inside = sorted(parent.iterdir())
        except OSError:
            continue
        names.update(dict.fromkeys(entry.name for entry in inside if (entry / INDEX).is_file()))
        names.update(dict.fromkeys(entry.stem for entry in inside if entry.suffix == SAFE and is_checkpoint(entry)))
    return tuple(names)


def is_checkpoint(file: Path) -> bool:
    """Whether a file is a base model of its own, by its header."""
    try:
        return bool(base_of(read_weight_header(file)))
    except (OSError, ModelMissing):
        return False


def companions_of(folder: Path) -> Path:
    """Where the control networks and adapters of a model lie: in its folder, or in that of the model beside it that
    its companions.json names ({"of": "mini"}), because it was distilled from that one and obeys the same."""
    try:
        base = json.loads((folder / COMPANIONS).read_text("utf-8"))["of"]
    except (OSError, ValueError, KeyError, TypeError):
        return folder
    plain = isinstance(base, str) and base and not set(base) & set("/\\:\0") and base not in (".", "..")
    return folder.parent / base if plain and (folder.parent / base / INDEX).is_file() else folder


def advice_for(names: Iterable[str], folders: Iterable[Path]) -> dict[str, Advice]:
    """The settings that distilled models were made for, by name: those whose own scheduler is LCM's or TCD's, and
    files that say so in their name, keys or metadata."""
    searched, advice = tuple(folders), dict[str, Advice]()
    for name in names:
        try:
            place = find_place(name, searched)
            if place.is_file():
                told = few_step_advice(recognise(read_weight_header(place), name).variant, name)
                advice |= {} if told is None else {name: told}
                continue
            own = json.loads((place / "scheduler" / "scheduler_config.json").read_text("utf-8")).get("_class_name")
        except (OSError, ValueError, AttributeError, ModelMissing):
            continue  # whoever chooses the model is told in words
        if own in _DISTILLED:
            advice[name] = Advice(scheduler=_DISTILLED[own])
    return advice


def check_model(name: str, folder: Path) -> None:
    """Raise `ModelMissing` with one sentence unless every part of the model is there and whole."""
    if folder.is_file():
        check_safetensors(name, folder)
        return
    parts = parts_of(folder)
    configs = (*(f"{part}/config.json" for part in parts), "scheduler/scheduler_config.json")
    for config in configs:
        if not (folder / config).is_file():
            raise ModelMissing(f"The model “{name}” has no {config}.", "Fetch the model again.")
    for file in weight_files(name, folder):
        check_safetensors(name, file)


def parts_of(folder: Path) -> dict[str, str]:
    """The parts a model in a folder must have: name to the stem of its weight files. SDXL has two text encoders."""
    index = _index(folder)
    two = bool(index[SECOND][0]) if _is_pair(index.get(SECOND)) else (folder / SECOND / "config.json").is_file()
    first = not (two and _is_pair(index.get("text_encoder")) and not index["text_encoder"][0])
    parts = {part: stem for part, stem in WEIGHTS.items() if first or part != "text_encoder"}
    return parts | ({SECOND: "model"} if two else {})


def weight_files(name: str, place: Path) -> tuple[Path, ...]:
    """All weight files of a model. Raises `ModelMissing` if some are missing."""
    if place.is_file():
        return (place,)
    return tuple(file for part, stem in parts_of(place).items() for file in component_weights(name, place / part, stem))


def _index(folder: Path) -> dict[str, Any]:
    try:
        index = json.loads((folder / INDEX).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return index if isinstance(index, dict) else {}


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2


def component_weights(name: str, folder: Path, stem: str) -> tuple[Path, ...]:
    """The weight files of one part: one file, its fp16 variant, or all shards. Raises `ModelMissing`."""
    for variant in ("", ".fp16"):
        single = folder / f"{stem}{variant}.safetensors"
        if single.is_file():
            return (single,)
        shards = _shards(name, folder, f"{stem}.safetensors.index{variant}.json")
        if shards:
            return shards
    if any(folder.glob("*.bin")) or any(folder.glob("*.ckpt")):
        raise ModelMissing(
            f"The {folder.name} of the model “{name}” is there only as .bin or .ckpt, which can run code when opened.",
            "Get the model with .safetensors files.",
        )
    raise ModelMissing(f"The model “{name}” has no {folder.name} weights.", "Fetch the model again.")


def check_safetensors(name: str, file: Path) -> None:
    """Raise `ModelMissing` unless the file is as long as its own header says: 8 + header + last tensor's end."""
    size = file.stat().st_size
    try:
        with file.open("rb") as stream:
            header_size = struct.unpack("<Q", stream.read(8))[0]
            if header_size > _HEADER_MAX:
                raise ValueError(f"header of {header_size} bytes")
            header = json.loads(stream.read(header_size)) if 8 + header_size <= size else {}
        ends = [entry["data_offsets"][1] for key, entry in header.items() if key != "__metadata__"]
        whole = 8 + header_size + max(ends, default=0)
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise ModelMissing(
            f"The model “{name}” is damaged: {_place(file)} is not a safetensors file.", "Fetch it again.", str(error)
        ) from error
    if size != whole:
        raise ModelMissing(
            f"The model “{name}” is incomplete: {_place(file)} has {share_of_bytes(size, whole)}.", "Fetch it again."
        )


def fingerprint(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """(path, bytes, time of change) of every config and weight file: equal exactly while nothing was replaced."""
    if folder.is_file():
        status = folder.stat()
        return ((folder.name, status.st_size, status.st_mtime_ns),)
    found = []
    for file in sorted(folder.rglob("*")):
        if file.suffix in (".safetensors", ".json", ".txt") and file.is_file():
            status = file.stat()
            found.append((file.relative_to(folder).as_posix(), status.st_size, status.st_mtime_ns))
    return tuple(found)


def _shards(name: str, folder: Path, index: str) -> tuple[Path, ...]:
    try:
        table = json.loads((folder / index).read_text("utf-8"))["weight_map"]
        files = tuple(folder / Path(str(file)).name for file in sorted(set(table.values())))
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelMissing(
            f"The model “{name}” is damaged: {folder.name}/{index}.", "Fetch it again.", str(error)
        ) from error
    for file in files:
        if not file.is_file():
            raise ModelMissing(f"The model “{name}” is incomplete: {_place(file)} is missing.", "Fetch it again.")
    return files


def _place(file: Path) -> str:
    return f"{file.parent.name}/{file.name}"
