"""Studio Mini's own IP-Adapter on pictures: a reference is followed without a word."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from studio.core.paths import RESOURCES
from tests.shipped.tiny_denoiser import ROOT

FILE = ROOT / "plugins" / "ip_adapter" / "mini" / "plain.safetensors"
MINI = RESOURCES / "mini"
pytestmark = pytest.mark.skipif(
    not FILE.is_file() or not (MINI / "model_index.json").is_file(), reason="Mini's IP-Adapter is not trained yet"
)


def test_pictures_come_nearer_to_their_references() -> None:
    """Eight held-out drawings, empty prompt, 8 steps."""
    from studio.mini import reference_figures as figures

    found = figures.measure(MINI, figures.painter(MINI, FILE, steps=8), 8)
    assert found["nearer"] >= 0.85 and found["nearer in colour"] >= 0.75 and found["colour with"] >= 0.75, found
    assert found["likeness with"] > found["likeness without"] + 0.4
    shared = {
        said: np.mean([found[f"{name.removesuffix('0')} {said}"] for name in figures.NAMES])
        for said in ("with", "without")
    }
    assert shared["with"] > shared["without"] + 0.4


def test_the_file_is_small_and_names_the_tower_it_looks_through() -> None:
    from studio.api import read_weight_header

    header = read_weight_header(FILE)
    assert FILE.stat().st_size < 1_000_000 and set(header.dtypes.values()) == {"F16"}
    assert (
        header.metadata["image_encoder"]
        == hashlib.sha256((MINI / "clip" / "model.safetensors").read_bytes()).hexdigest()
    )
