"""Distances on the scorer's features: none for the same pictures, more for worse ones; a stopped run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from studio.mini import config, distribution
from studio.mini.data import scene_number
from studio.mini.distribution import Distances, as_markdown, inception_style_score, measure, thumbnails
from studio.mini.drawings import render
from studio.mini.scorer import Scorer, save_scorer


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    """An untrained judge: random features tell distributions apart as well."""
    torch.manual_seed(0)
    return Scorer().eval()


@pytest.fixture(scope="module")
def pictures() -> torch.Tensor:
    """Thumbnails of true renders."""
    return thumbnails(render(scene_number(n, n % 3), 64).image for n in range(32))


def test_distances_grow_with_the_damage(scorer: Scorer, pictures: torch.Tensor) -> None:
    distances = Distances(scorer, pictures)
    same, little, much = (
        distances.of((pictures + level * torch.randn(pictures.shape)).clamp(-1, 1)) for level in (0.0, 0.2, 0.8)
    )
    for figure in ("FID", "sFID"):
        assert abs(same[figure]) < 0.01 < little[figure] < much[figure], figure


def test_the_score_rewards_clear_and_varied_answers() -> None:
    answers = torch.eye(8).repeat(10, 1) * 12.0
    assert inception_style_score(torch.nn.Identity(), answers) == pytest.approx(8.0, rel=0.2)
    assert inception_style_score(torch.nn.Identity(), torch.zeros(80, 8)) == pytest.approx(1.0)


def test_a_run_keeps_its_cells_and_writes_table_and_plot(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_scorer(scorer, tmp_path / "model" / "scorer", {})
    drawn: list[tuple[str, int]] = []
    config_of = config.make_scheduler()
    pipe = SimpleNamespace(unet=config.make_unet(config.TINY), vae_scale_factor=16, scheduler=config_of)

    def draw(pipe: Any, texts: list[str], seed: int, steps: int, guidance: float) -> list[np.ndarray]:
        drawn.append((type(pipe.scheduler).__name__, steps))
        return [np.full((64, 64, 3), (17 * n) % 256, np.uint8) for n in range(len(texts))]

    monkeypatch.setattr(distribution, "load_pipeline", lambda *_: pipe)
    monkeypatch.setattr(distribution, "draw", draw)
    monkeypatch.setattr(
        distribution, "_renders", lambda first, count, px: [render(scene_number(n, 0), px).image for n in range(20)]
    )
    compute = config.choose_compute("cpu")
    measure(tmp_path / "model", tmp_path / "out", compute, 10, (1,))
    pipe.scheduler = config_of
    report = measure(tmp_path / "model", tmp_path / "out", compute, 10, (2, 1))
    names = ["DDPMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler"]
    assert drawn == [(name, 1) for name in names] + [(name, 2) for name in names]
    assert json.loads((tmp_path / "out" / "distribution.json").read_text()) == report
    assert (tmp_path / "out" / "distribution.png").stat().st_size > 1000
    assert as_markdown(report).count("\n| 2 |") == 3


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' DPM++ under NumPy 2
def test_samplers_accept_the_schedule_with_zero_terminal_snr() -> None:
    schedule = dict(config.make_scheduler().config)
    for name, make in distribution.SAMPLERS.items():
        for steps in (1, 5):
            scheduler = make(schedule)
            scheduler.set_timesteps(steps)
            assert int(scheduler.timesteps[0]) == 999, name
            point = torch.randn(1, 16, 4, 4)
            for timestep in scheduler.timesteps:
                point = scheduler.step(0.5 * point, timestep, point).prev_sample
            assert bool(torch.isfinite(point).all()), name
