"""What a graphics card does in 16 bits, on the processor: SDXL's VAE, which overflows in them, works in 32."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.api import Denoiser, Guess, Steering, Use
from studio.core.paths import RESOURCES
from studio.core.plugins import PartType
from studio.core.recipe import ModelRef
from tests.engine.by_hand import model_of, render
from tests.engine.conftest import DRAWINGS, FIRST
from tests.engine.guest_host import Attaching, Guiding, ToyHost

XL = {"model": ModelRef(name="sdxl"), "exact": False}


@pytest.fixture
def halved(tiny_folder: Path, host: ToyHost, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An engine whose device has 16 bits as its fast format."""
    from studio.engine.diffusion import engine as module

    chosen = module.choose_device
    monkeypatch.setattr(module, "choose_device", lambda wanted: replace(chosen(wanted), dtype=torch.float16))
    engine = module.DiffusionEngine((tiny_folder, RESOURCES), lambda ref: DRAWINGS[ref.digest], "cpu", host)
    yield engine
    engine.close()


@pytest.mark.parametrize("more", [{}, {"init": FIRST}])
def test_a_vae_that_worked_in_32_bits_is_no_plugins_fault(halved: Any, host: ToyHost, more: Any) -> None:
    @contextmanager
    def attach(denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        yield Steering()

    asked = host.add(PartType.ADAPTER, "tidy", Attaching(attach))
    first = render(halved, asked, **XL, **more)
    assert first.made_with.notes == ()
    model = model_of(halved, replace(first.recipe, exact=False))
    assert render(halved, asked, **XL, **more, seed=8).made_with.notes == ()
    assert model_of(halved, replace(first.recipe, exact=False)) is model


def test_a_guide_sees_pictures_decoded_in_32_bits(halved: Any, host: ToyHost) -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    def prepare(denoiser: Denoiser, use: Use) -> Callable[[Guess], Tensor]:
        wide = deepcopy(denoiser.vae).float()

        def guide(guess: Guess) -> Tensor:
            x = guess.latents.detach().requires_grad_(True)
            clean = guess.predict_clean(x)
            picture = guess.decode(clean)
            with torch.no_grad():
                seen.append((picture.detach(), wide.decode(clean / wide.config.scaling_factor, return_dict=False)[0]))
            return torch.autograd.grad(picture.sum(), x)[0]

        return guide

    rendered = render(halved, host.add(PartType.GUIDE, "looks", Guiding(prepare)), **XL)
    assert rendered.made_with.notes == ()
    assert len(seen) == 3
    assert all(torch.equal(given, wanted) for given, wanted in seen)
