"""Latents that were kept: decoded again they give the same picture, also where the first decoding ran into trouble."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.core.errors import BadPicture, OutOfMemory
from studio.engine.protocol import Progress, RenderCancelled, Undecoded
from studio.engine.spool import Spool
from tests.engine.test_diffusion_engine import BASE, go_on, model_of


def told_by(engine: Any, recipe: Any = BASE) -> tuple[Any, list[Undecoded]]:
    kept: list[Undecoded] = []

    def listen(progress: Progress) -> bool:
        if progress.undecoded is not None:
            assert progress.phase == "decoding"
            kept.append(progress.undecoded)
        return True

    return engine.render(recipe, listen), kept


def test_decoded_again_it_is_the_same_picture(engine: Any, tmp_path: Path) -> None:
    rendered, (kept,) = told_by(engine)
    spool = Spool(tmp_path / "spool")
    assert spool.put("a", kept)
    phases: list[str] = []
    again = engine.decode(spool.read("a"), lambda progress: phases.append(progress.phase) or True)
    assert again.pixels == rendered.pixels
    assert again.recipe == rendered.recipe  # with the digest of the model that was loaded
    assert again.recipe is not None and replace(again.recipe, model=BASE.model) == BASE
    assert again.made_with.model_digest == rendered.made_with.model_digest
    assert again.made_with.seconds >= kept.seconds > 0
    assert list(dict.fromkeys(phases)) == ["loading sd1", "decoding"]


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError(), "NaN"])
def test_a_decoder_without_room_or_numbers_is_tried_once_more(
    engine: Any, monkeypatch: pytest.MonkeyPatch, error: Any
) -> None:
    rendered, (kept,) = told_by(engine)
    vae = model_of(engine).vae
    real, calls = vae.decode, []

    def decode(latents: Any, **options: Any) -> Any:
        calls.append(latents.dtype)
        if len(calls) == 1:
            if isinstance(error, str):
                return (torch.full((1, 3, 64, 64), float("nan")),)
            raise error
        return real(latents, **options)

    monkeypatch.setattr(vae, "decode", decode)
    again = engine.decode(kept, go_on)
    assert calls == [torch.float32, torch.float32]
    assert again.pixels == rendered.pixels, "small pictures fit one tile"
    assert not vae.use_tiling


def test_what_cannot_be_decoded_is_said(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, (kept,) = told_by(engine)
    for bad in (replace(kept, dtype="int8"), replace(kept, shape=(1, 4, 9, 9)), replace(kept, data=b"x" * 3)):
        with pytest.raises(BadPicture, match="cannot be decoded"):
            engine.decode(bad, go_on)

    def no_room(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(model_of(engine).vae, "decode", no_room)
    with pytest.raises(OutOfMemory):
        engine.decode(kept, go_on)


def test_it_can_be_cancelled(engine: Any) -> None:
    _, (kept,) = told_by(engine)
    with pytest.raises(RenderCancelled):
        engine.decode(kept, lambda progress: progress.phase != "decoding")


def test_numbers_that_are_none_are_not_kept(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Undecoded] = []
    monkeypatch.setattr(
        "studio.engine.diffusion.painting.denoise", lambda *_, **__: torch.full((1, 4, 8, 8), float("inf"))
    )

    def listen(progress: Progress) -> bool:
        kept.extend(filter(None, [progress.undecoded]))
        return True

    with pytest.raises(BadPicture):
        engine.render(BASE, listen)
    assert kept == []
