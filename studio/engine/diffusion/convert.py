"""Makes a .safetensors file of a pickle (.ckpt, .pt, .pth, .bin), in the process of whoever calls: `main.py convert`.

Only tensors come through: torch's restricted unpickler (`weights_only`) is used and nothing else. A file that asks for
anything more - the name of any function or class - is refused; there is no way to insist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from studio.core.errors import ModelMissing, StorageProblem
from studio.core.safe_files import PART
from studio.core.sniff import HEAD_BYTES, foreign

_INSIDE = ("state_dict", "model_state_dict", "params_ema", "params", "model")
_LOST = ("optimizer", "lr_schedulers", "callbacks")


def convert(source: Path, target: Path) -> int:
    """Write the tensors of a pickle as .safetensors; returns how many. Raises `ModelMissing` and `StorageProblem`."""
    from safetensors.torch import save_file

    _check(source, target)
    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # the unpickler raises its own kind for code, and many others for damage
        raise ModelMissing(
            f"“{source.name}” was not converted: it is damaged, or asks for more than tensors, which can run programs.",
            "Get the .safetensors version from where it was published.",
            f"{type(error).__name__}: {error}"[:1000],
        ) from None
    tensors = dict(_tensors(_inside(loaded), ""))
    if not tensors:
        raise ModelMissing(f"“{source.name}” holds no tensors.", "Nothing was written.")
    part = target.with_name(target.name + PART)
    try:
        save_file(tensors, part)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageProblem(
            f"“{target.name}” could not be written.", "Is there room on the disk?", str(error)
        ) from None
    return len(tensors)


def _check(source: Path, target: Path) -> None:
    try:
        with source.open("rb") as stream:
            found = foreign(stream.read(HEAD_BYTES), source.stat().st_size)
    except OSError as error:
        raise ModelMissing(f"“{source.name}” cannot be read.", "Nothing was written.", str(error)) from None
    if found is None or not found.is_pickle:
        why = found.why if found is not None else "it may be a .safetensors file already"
        raise ModelMissing(f"“{source.name}” is not converted: {why}.", "Only .ckpt, .pt, .pth and .bin files are.")
    if target.exists():
        raise StorageProblem(f"“{target.name}” is there already.", "Nothing was written. Choose another name.")


def _inside(loaded: Any) -> Any:  # Any: what a file held
    """The table of tensors in the usual wrappings of training programs."""
    for name in _INSIDE:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(name), Mapping):
            return loaded[name]
    return loaded


def _tensors(value: Any, prefix: str) -> Iterator[tuple[str, torch.Tensor]]:  # Any: what a file held
    if isinstance(value, torch.Tensor):
        yield prefix or "weight", value.detach().clone().contiguous()  # no two may share memory
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if not (not prefix and name in _LOST):
                yield from _tensors(inner, f"{prefix}.{name}" if prefix else str(name))
