"""The shipped model: complete, stock-loadable, within its size, and able to draw. Its quality is `mini evaluate`'s."""

from __future__ import annotations

import json

import numpy as np
import pytest

from studio.mini.config import MINI, MODEL_FOLDER
from studio.mini.data import HELD_OUT, scene_number
from studio.mini.drawings import render
from studio.mini.export import digests
from studio.mini.sheet import draw, load_pipeline
from studio.mini.sketch_figures import (
    adapter_pipeline,
    adapter_source,
    controlnet_pipeline,
    controlnet_source,
    draw_controlled,
    draw_led,
    mean_f1,
)


@pytest.fixture(scope="module")
def pipe():  # type: ignore[no-untyped-def]  # diffusers' pipeline type is Any here
    """The stock pipeline, loaded once."""
    return load_pipeline(MODEL_FOLDER)


def test_it_draws_both_languages(pipe) -> None:  # type: ignore[no-untyped-def]  # as above
    english, chinese = draw(
        pipe, ["a red house on green hills, blue sky", "一座红房子，绿色山丘，蓝天"], seed=1, steps=6
    )
    assert english.shape == chinese.shape == (MINI.image_px, MINI.image_px, 3)
    assert english.std() > 10 and chinese.std() > 10


def test_control_networks_fit_and_change_the_picture(pipe) -> None:  # type: ignore[no-untyped-def]  # as above
    drawing = render(scene_number(12, 0), MINI.image_px)
    plain = draw(pipe, ["a cat"], seed=3, steps=20)[0].astype(int)
    for make in (controlnet_pipeline, adapter_pipeline):
        drawn = draw_controlled(make(MODEL_FOLDER, pipe), ["a cat"], [drawing], 3)[0]
        assert np.abs(drawn.astype(int) - plain).mean() > 0.5


def test_a_sketch_alone_is_followed_when_it_leads(pipe) -> None:  # type: ignore[no-untyped-def]  # as above
    """No words at all: what is drawn without the sketch has its lines by chance only."""
    drawings = [render(scene_number(HELD_OUT + 40_000 + n, 0), MINI.image_px) for n in range(4)]
    nothing = [""] * len(drawings)
    without = mean_f1(draw(pipe, nothing, seed=3, guidance=1.0), drawings)
    for make, source in ((controlnet_pipeline, controlnet_source), (adapter_pipeline, adapter_source)):
        followed = mean_f1(draw_led(pipe, source(make(MODEL_FOLDER, pipe)), nothing, drawings, 3), drawings)
        assert followed > 2 * without, (source.__name__, followed, without)


def test_the_preview_matrix_fits_the_latents() -> None:
    preview = json.loads((MODEL_FOLDER / "preview.json").read_text())
    grid = preview["grid"]
    assert np.array(preview["matrix"]).shape == (grid * grid * 3, MINI.latent_channels)
    assert len(preview["bias"]) == grid * grid * 3


def test_the_card_lists_every_file_with_its_digest() -> None:
    card = (MODEL_FOLDER / "README.md").read_text(encoding="utf-8")
    for name, digest in digests(MODEL_FOLDER).items():
        assert f"{name} |" in card and digest in card, name


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in MODEL_FOLDER.rglob("*") if file.is_file()) <= 100e6
