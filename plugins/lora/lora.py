"""The adapter "lora": reads a file's changes once and lays them on the UNet and the text encoders for one picture."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from studio.api import BadRecipe, Denoiser, ModelMissing, Steering, Use, read_weight_header

from .change import Applied, Change, applied
from .fit import Fit, Plan, plan
from .names import Role

KEPT = 4
"""Files whose tensors stay in memory between pictures."""

_Place = tuple[str, int, int]  # path, bytes, time of change


class LoraAdapter:
    """Obeys `studio.api.Adapter`. State: `_kept`, the tensors of the last files by key, as they lie in the file."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Place, dict[str, Tensor]] = OrderedDict()

    @contextmanager
    def attach(self, denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        """The file's changes in place. Raises `BadRecipe` or `ModelMissing` before anything is loaded or changed."""
        file = use.files.get("file")
        if file is None:
            raise BadRecipe("A LoRA layer names no file.", "Choose a file, or switch the layer off.")
        strengths = _strengths(use)
        fitting = plan(file.name, read_weight_header(file), denoiser)
        wanted = [fit for fit in fitting.fits if strengths[fit.network]]
        tensors = self._tensors(file) if wanted else {}
        with applied([Applied(fit.layer, _change(fit, tensors), strengths[fit.network]) for fit in wanted]):
            yield Steering(notes=_notes(file.name, fitting))

    def _tensors(self, file: Path) -> dict[str, Tensor]:
        status = file.stat()
        place = (str(file), status.st_size, status.st_mtime_ns)
        if place not in self._kept:
            self._kept[place] = _load(file)
        self._kept.move_to_end(place)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[place]


def _strengths(use: Use) -> dict[str, float]:
    text = float(use.values["text_weight"]) if use.values.get("separate") else use.weight
    return {"unet": use.weight, "text": text, "text_2": text}


def _load(file: Path) -> dict[str, Tensor]:
    """All tensors of a file on the processor. Raises `ModelMissing` for one that holds no numbers."""
    try:
        with safe_open(file, "pt", backend="pread") as stream:
            tensors = {key: stream.get_tensor(key).clone() for key in stream.keys()}  # noqa: SIM118  (no mapping)
    except (SafetensorError, OSError) as error:
        raise ModelMissing(f"“{file.name}” cannot be read.", "Fetch it again.", str(error)) from None
    for key, tensor in tensors.items():
        if not torch.isfinite(tensor.float()).all():
            raise ModelMissing(
                f"“{file.name}” is damaged: it holds values that are no numbers.", "Fetch it again.", key
            )
    return tensors


def _change(fit: Fit, tensors: dict[str, Tensor]) -> Change:
    def tensor(role: Role) -> Tensor | None:
        return tensors[fit.keys[role]] if role in fit.keys else None

    down, up = tensors[fit.keys["down"]], tensors[fit.keys["up"]]
    alpha, outputs = tensor("alpha"), int(fit.layer.weight.shape[0])
    scale = float(alpha) / down.shape[0] if alpha is not None else 1.0 if fit.scale is None else fit.scale
    magnitude, by_input = tensor("magnitude"), False
    if magnitude is None and (magnitude := tensor("dora_scale")) is not None:
        by_input = magnitude.shape[0] != outputs  # LyCORIS: (out, 1, ...) or, of old, (1, in, ...)
    return Change(down, up, scale, tensor("mid"), magnitude, by_input)


def _notes(name: str, fitting: Plan) -> tuple[str, ...]:
    used, notes = len(fitting.fits), []
    if used < fitting.layers:
        notes.append(f"Of {fitting.layers} layers in “{name}”, {used} were used; the others are not in this model.")
    if fitting.strange:
        count, first = len(fitting.strange), fitting.strange[0]
        notes.append(f"“{name}” also holds tensors of a kind that is not used here: {count}, such as {first}.")
    return tuple(notes)
