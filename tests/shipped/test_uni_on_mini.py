"""Studio Mini's own Uni-ControlNet on pictures: what is asked for comes nearer than without it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from studio.core.paths import RESOURCES
from tests.shipped.tiny_denoiser import ROOT

WEIGHTS = ROOT / "plugins" / "uni_controlnet" / "mini"
pytestmark = pytest.mark.skipif(
    not (WEIGHTS / "local.safetensors").is_file() or not (RESOURCES / "mini" / "model_index.json").is_file(),
    reason="Mini's Uni-ControlNet is not trained yet",
)


def test_colours_and_lines_are_followed() -> None:
    """Four held-out scenes, 12 steps: blocks nearer with `color`, edges nearer with `line`, both on average."""
    from studio.mini import uni_figures as uni
    from studio.mini.data import HELD_OUT, scene_number
    from studio.mini.drawings import caption, render
    from studio.mini.metrics import edge_f1
    from studio.mini.sheet import load_pipeline

    pipe = load_pipeline(RESOURCES / "mini")
    adapters = uni.load_adapters(pipe.unet, WEIGHTS)
    scenes = [scene_number(HELD_OUT + 90_000 + i, 1) for i in range(4)]
    drawings = [render(scene, 256) for scene in scenes]
    asked = uni.Asked([caption(scene, np.random.default_rng(0), "en") for scene in scenes], drawings)
    drawn = {way: uni.draw_steered(pipe, adapters, asked, way) for way in ((), ("color",), ("line",))}

    def colours(way: tuple[str, ...]) -> float:
        return float(np.mean([uni.block_error(p, d.image) for p, d in zip(drawn[way], drawings, strict=True)]))

    def lines(way: tuple[str, ...]) -> float:
        return float(np.mean([edge_f1(p, d.outline) for p, d in zip(drawn[way], drawings, strict=True)]))

    assert colours(("color",)) < 0.95 * colours(())
    assert lines(("line",)) > lines(())


def test_the_files_name_what_they_know_and_stay_small() -> None:
    from studio.api import read_weight_header

    headers = {file.stem: read_weight_header(file) for file in WEIGHTS.glob("*.safetensors")}
    assert headers["local"].metadata["conditions"] == "line,color"
    assert set(headers["local"].dtypes.values()) == {"F16"}
    assert sum(file.stat().st_size for file in WEIGHTS.glob("*.safetensors")) < 12_000_000
    base = json.loads((RESOURCES / "mini" / "unet" / "config.json").read_text("utf-8"))["cross_attention_dim"]
    assert headers["global"].shapes["norm1.weight"] == (base,)
