"""Hint embeddings between pictures: few bytes of them on the device, and none where memory was short."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from studio.core.choices import ControlKind
from studio.core.recipe import ControlUse, ImageRef
from studio.engine.diffusion import controls as controls_module
from studio.engine.diffusion.placement import Level
from tests.engine.by_hand import RECIPE, go_on
from tests.engine.conftest import FIRST, SECOND


def under(*pictures: ImageRef, seed: int = 7) -> Any:
    return replace(
        RECIPE, seed=seed, controls=tuple(ControlUse(kind=ControlKind.SCRIBBLE, image=image) for image in pictures)
    )


def test_hints_stay_within_their_bytes(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = lambda: list(engine._made_ready().controls._kept.values())  # noqa: E731
    plain = engine.render(under(FIRST), go_on).pixels
    (first,) = kept()
    engine.render(under(SECOND), go_on)
    assert len(kept()) == 2
    monkeypatch.setattr(controls_module, "KEPT_BYTES", first.nbytes)
    engine.render(under(SECOND, seed=8), go_on)
    (second,) = kept()
    assert second is not first
    engine.render(under(FIRST, SECOND), go_on)
    assert len(kept()) == 2 and kept()[1] is second, "what the picture itself needs is there anyway"
    assert engine.render(under(FIRST), go_on).pixels == plain
    assert len(kept()) == 1


def test_where_memory_was_short_none_are_kept(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = engine.render(under(FIRST, SECOND), go_on).pixels
    monkeypatch.setattr(engine, "_foresee", lambda *_: Level.TILES)
    engine.forget()
    rendered = engine.render(under(FIRST, SECOND), go_on)
    assert not rendered.reused
    assert rendered.pixels == plain
    assert not engine._made_ready().controls._kept
