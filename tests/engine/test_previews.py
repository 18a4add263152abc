"""Live previews: the linear map, the files it comes from, and the clean picture a guess stands for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from studio.engine.diffusion.denoise import StepContext, StepResult  # noqa: E402
from studio.engine.diffusion.previews import LatentToRGB, Previewer, load_preview  # noqa: E402


def result_of(x: Any, guess: Any, timestep: int) -> StepResult:
    step = StepContext(index=0, count=1, timestep=torch.tensor(timestep), model_input=x, text=x)
    return StepResult(context=step, guess=guess, latents=x)


def test_a_map_file_is_used_and_shuffled_by_row_column_colour(tmp_path: Path) -> None:
    k, channels = 2, 3
    weight = np.arange(k * k * 3 * channels, dtype=float).reshape(k * k * 3, channels) / 50 - 0.5
    bias = np.linspace(-0.5, 0.5, k * k * 3)
    (tmp_path / "preview.json").write_text(json.dumps({"grid": k, "matrix": weight.tolist(), "bias": bias.tolist()}))
    to_rgb = load_preview(tmp_path, channels)
    assert to_rgb is not None
    assert to_rgb.k == 2
    latents = torch.randn(1, channels, 4, 5)
    conv = (
        torch.einsum("oc,nchw->nohw", torch.tensor(weight).float(), latents)
        + torch.tensor(bias).float()[None, :, None, None]
    )
    by_colour = conv.reshape(1, k * k, 3, 4, 5).transpose(1, 2).reshape(1, 3 * k * k, 4, 5)
    expected = torch.nn.functional.pixel_shuffle(by_colour, k)[0].permute(1, 2, 0)
    made = to_rgb(latents)
    assert (made.width, made.height) == (10, 8)
    difference = (
        np.frombuffer(made.data, np.uint8).reshape(8, 10, 3) - ((expected.numpy() * 0.5 + 0.5).clip(0, 1) * 255).round()
    )
    assert abs(difference).max() <= 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"grid": 1, "matrix": [[1]], "bias": [0]}', '{"grid": "x"}', "null"])
def test_damaged_map_files_are_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "preview.json").write_text(text)
    assert load_preview(tmp_path, 16) is None
    known = load_preview(tmp_path, 4)
    assert known is not None
    assert known(torch.zeros(1, 4, 3, 2)).data == bytes([128] * 18)


def test_not_a_number_does_not_stop_a_preview() -> None:
    to_rgb = LatentToRGB(1, np.ones((3, 2), np.float32), np.zeros(3, np.float32))
    assert to_rgb(torch.full((1, 2, 2, 2), float("nan"))).width == 2


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_the_preview_shows_the_clean_picture(kind: str) -> None:
    alphas = torch.linspace(0.99, 0.01, 1000)
    clean, noise = torch.randn(1, 4, 4, 4), torch.randn(1, 4, 4, 4)
    signal, sigma = alphas[500].sqrt(), (1 - alphas[500]).sqrt()
    guess = {"epsilon": noise, "v_prediction": signal * noise - sigma * clean, "sample": clean}[kind]
    made = Previewer(None, kind, alphas).clean(result_of(signal * clean + sigma * noise, guess, 500))
    assert torch.allclose(made, clean, atol=1e-4)


def test_previews_are_not_made_faster_than_eyes_see() -> None:
    to_rgb = LatentToRGB(1, np.ones((3, 4), np.float32), np.zeros(3, np.float32))
    previewer = Previewer(to_rgb, "sample", torch.linspace(0.99, 0.01, 1000))
    x = torch.zeros(1, 4, 2, 2)
    made = [previewer(result_of(x, x, 10)) for _ in range(50)]
    assert made[0] is not None
    assert sum(preview is not None for preview in made) <= 3
