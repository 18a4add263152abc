"""FreeU on and off: the factors stand in a UNet's decoder blocks while one picture is made, and nowhere afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from studio.core.recipe import FreeU

_FACTORS = ("s1", "s2", "b1", "b2")


@contextmanager
def freed(unet: Any, freeu: FreeU | None) -> Iterator[None]:
    """While this lasts a UNet works with FreeU (Si et al. 2023, eq. 2 to 4), as diffusers' `enable_freeu` does it."""
    if freeu is None:
        yield
        return
    before = [{name: vars(block)[name] for name in _FACTORS if name in vars(block)} for block in unet.up_blocks]
    try:
        unet.enable_freeu(s1=freeu.s1, s2=freeu.s2, b1=freeu.b1, b2=freeu.b2)
        yield
    finally:
        for block, had in zip(unet.up_blocks, before, strict=True):
            for name in _FACTORS:
                vars(block).pop(name, None)
            vars(block).update(had)
