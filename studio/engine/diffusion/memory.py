"""Running out of memory: a sentence for the artist, and the memory given back."""

from __future__ import annotations

import torch

from studio.core.errors import OutOfMemory
from studio.core.recipe import Recipe

_SIGNS = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory")


def as_out_of_memory(error: MemoryError | RuntimeError, recipe: Recipe) -> OutOfMemory | None:
    """What to tell the artist if this error is a lack of memory, else None.

    To be raised outside the `except` block: as the error's context it would keep the frames, and with them the tensors.
    """
    if not is_lack(error):
        return None
    return OutOfMemory(
        f"There is not enough memory for {recipe.size} pixels with this model; the recipe is kept.",
        "Choose a smaller size, fewer control layers, or close other programs.",
        str(error) or type(error).__name__,
    )


def is_lack(error: BaseException) -> bool:
    """Whether an error is a lack of memory; the allocators of CPU and MPS raise a plain RuntimeError."""
    words = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(sign in words for sign in _SIGNS)


def free() -> None:
    """Give unused memory back to the device.

    No garbage collection here: it must not run in this thread while a window lives, and tensors form no cycles.
    """
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
