"""A word that an adapter taught the tokenizers, and that nobody wrote: it does nothing, and this is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from studio.api import Denoiser, Steering, Use
from studio.core.plugins import PartType
from studio.core.recipe import ModelRef, PluginUse
from tests.engine.by_hand import render
from tests.engine.guest_host import Attaching, ToyHost


@pytest.fixture
def toy(host: ToyHost) -> PluginUse:
    """A layer that says it taught the word “toy”, and changes nothing."""

    @contextmanager
    def attach(denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        yield Steering(words=("toy",))

    return host.add(PartType.ADAPTER, "word", Attaching(attach))


@pytest.mark.parametrize(
    ("changes", "notes"),
    [
        ({"prompt": "a toy house"}, ()),
        ({"negative_prompt": "(toy:1.3), cat"}, ()),
        ({}, ("“toy” stands in neither prompt, so it did nothing.",)),
        ({"guidance_scale": 1.0}, ("“toy” does not stand in the prompt, so it did nothing.",)),
        (
            {"guidance_scale": 1.0, "negative_prompt": "toy"},
            ("“toy” stands in the negative prompt alone, which is not read without guidance, so it did nothing.",),
        ),
    ],
    ids=["prompt", "negative", "neither", "no negative", "negative not read"],
)
def test_a_word_that_nobody_reads(guested: Any, toy: PluginUse, changes: dict[str, Any], notes: tuple[str]) -> None:
    assert render(guested, toy, **changes).made_with.notes == notes


def test_a_refiner_knows_no_such_word(guested: Any, toy: PluginUse) -> None:
    refined = {"model": ModelRef(name="sdxl"), "refiner": ModelRef(name="refiner"), "scheduler": "euler", "steps": 4}
    told = "The refiner does not know “toy”; it reads the letters."
    assert told in render(guested, toy, prompt="a toy house", **refined).made_with.notes
    assert told not in render(guested, toy, **refined).made_with.notes
