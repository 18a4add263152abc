"""Distances between drawn and true pictures by sampler and number of steps: FID, sFID, Inception-style score.

FID: Heusel et al. 2017; sFID: Nash et al. 2021 (features that keep places); score: Salimans et al. 2016. All by
torchmetrics, on features of our own scorer instead of Inception's: on drawings it knows what to look at, and nothing is
downloaded. So the figures compare with each other and with nothing elsewhere. Guidance is off: it would bend the
distribution that is measured. A cell that is done is kept in the folder; a run that was stopped goes on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, StableDiffusionPipeline
from torch import Tensor, nn
from torch.nn import functional as F

from studio.mini.config import Compute
from studio.mini.data import HELD_OUT, LANGUAGES, Pixels, scene_number, thumbnail
from studio.mini.drawings import Scene, caption, render
from studio.mini.export import write_text
from studio.mini.plot import Line, draw_plot
from studio.mini.scorer import Scorer, load_scorer, thumbnails_to_unit
from studio.mini.sheet import draw, load_pipeline
from studio.mini.table import markdown_table

STEPS = (1, 2, 5, 10, 20, 50, 100, 1000)
SAMPLERS: dict[str, Callable[[dict[str, Any]], Any]] = {  # Any: diffusers' configs and schedulers
    "DDPM": DDPMScheduler.from_config,
    "DDIM": DDIMScheduler.from_config,
    "DPM++ 2M": lambda config: DPMSolverMultistepScheduler.from_config(config, algorithm_type="dpmsolver++"),
}
FIGURES = ("FID", "sFID", "score")
DRAWN_FIRST, REFERENCE_FIRST = HELD_OUT + 100_000, HELD_OUT + 200_000
"""Scenes whose captions are drawn, and other scenes whose renders they are compared with."""
SPATIAL_CHANNELS, SPATIAL_CELLS = 12, 4
SPLITS = 5
Figures = dict[str, float]


class Summary(nn.Module):
    """(batch, 192): what the scorer's heads look at."""

    num_features = 192

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(self, images: Tensor) -> Tensor:
        """Features of thumbnails (batch, 3, 64, 64) in -1..1."""
        return self.scorer.summary(self.scorer.near(images))


class Places(nn.Module):
    """(batch, 192): a few of the scorer's 8 x 8 feature maps at 4 x 4 places, as sFID takes a few of Inception's."""

    num_features = SPATIAL_CHANNELS * SPATIAL_CELLS**2

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(self, images: Tensor) -> Tensor:
        """Features of thumbnails (batch, 3, 64, 64) in -1..1."""
        near = self.scorer.near(images)[:, :SPATIAL_CHANNELS]
        return F.adaptive_avg_pool2d(near, SPATIAL_CELLS).flatten(1)


class Kinds(nn.Module):
    """(batch, 32) logits of the first thing's kind, in the place of Inception's classes."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(self, images: Tensor) -> Tensor:
        """Logits for thumbnails (batch, 3, 64, 64) in -1..1."""
        return self.scorer(images)["kind0"]  # type: ignore[no-any-return]  # a module's call is typed Any


class Distances:
    """The three figures of a set of pictures against one reference set.

    Raises ImportError with a sentence when torchmetrics is missing: it is a tool of development only.
    """

    def __init__(self, scorer: Scorer, reference: Tensor) -> None:
        try:
            from torchmetrics.image.fid import FrechetInceptionDistance
        except ImportError as error:
            raise ImportError(
                "mini distribution needs torchmetrics: install the development tools (uv sync)."
            ) from error
        self._kinds = Kinds(scorer)
        self._metrics = {"FID": Summary(scorer), "sFID": Places(scorer)}
        self._fid = {
            name: FrechetInceptionDistance(feature=feature, normalize=True, reset_real_features=False)
            for name, feature in self._metrics.items()
        }
        for metric in self._fid.values():
            _update(metric, reference, real=True)

    @torch.no_grad()
    def of(self, images: Tensor) -> Figures:
        """FID, sFID and score (mean over 5 splits) of thumbnails (n, 3, 64, 64) in -1..1; n at least 10."""
        figures: Figures = {}
        for name, metric in self._fid.items():
            metric.reset()
            _update(metric, images, real=False)
            figures[name] = float(metric.compute())
        figures["score"] = inception_style_score(self._kinds, images)
        return {name: round(value, 3) for name, value in figures.items()}


def _update(metric: Any, images: Tensor, real: bool) -> None:  # Any: torchmetrics' class, which may be missing
    for part in torch.split(images, 64):
        with torch.no_grad():
            metric.update(part, real=real)


def inception_style_score(kinds: nn.Module, images: Tensor) -> float:
    """exp of the mean KL distance of one picture's kinds from all pictures' kinds: clear and varied pictures score."""
    import warnings

    from torchmetrics.image.inception import InceptionScore

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it keeps all features, and says so; here they are few
        metric = InceptionScore(feature=kinds, splits=SPLITS)
    for part in torch.split(images, 64):
        metric.update(part)
    torch.manual_seed(0)  # the metric shuffles before it splits
    return float(metric.compute()[0])


def measure(
    model: Path, folder: Path, compute: Compute, pictures: int, steps: Sequence[int] = STEPS, guidance: float = 1.0
) -> dict[str, Any]:  # Any: JSON values
    """Fills every cell that `folder`/distribution.json lacks, writes table and plot there; returns the whole report."""
    scorer = load_scorer(model / "scorer")
    pipe = load_pipeline(model, str(compute.device))
    compute.prepare(pipe.unet)
    px = pipe.unet.config.sample_size * pipe.vae_scale_factor
    distances = Distances(scorer, thumbnails(_renders(REFERENCE_FIRST, max(pictures, 500), px)))
    scenes = [scene_number(DRAWN_FIRST + n, n % 3) for n in range(pictures)]
    file = folder / "distribution.json"
    report = _begun(file, {"pictures": pictures, "guidance": guidance})
    cells: dict[str, dict[str, Figures]] = report["samplers"]
    if "true renders" not in report:
        report["true renders"] = distances.of(thumbnails(render(scene, px).image for scene in scenes))
    schedule = dict(pipe.scheduler.config)
    for count in sorted(steps):
        for name, make in SAMPLERS.items():
            row = cells.setdefault(name, {})
            if str(count) not in row:
                pipe.scheduler = make(schedule)
                with compute.precision():
                    drawn = _drawn(pipe, scenes, count, guidance)
                row[str(count)] = distances.of(drawn)
                write_text(file, json.dumps(report, indent=2) + "\n")
            print(f"distribution {name}, {count} steps: {row[str(count)]}", file=sys.stderr, flush=True)
    write_text(folder / "distribution.md", as_markdown(report) + "\n")
    plot(report, folder / "distribution.png")
    return report


def _begun(file: Path, setting: dict[str, Any]) -> dict[str, Any]:  # Any: JSON values
    """What an earlier run with the same setting has measured; nothing if there was none."""
    if file.exists():
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if all(report.get(name) == value for name, value in setting.items()):
            return report
    return setting | {"samplers": {}}


def _renders(first: int, count: int, px: int) -> list[Pixels]:
    return [render(scene_number(first + n, n % 3), px).image for n in range(count)]


def _drawn(pipe: StableDiffusionPipeline, scenes: Sequence[Scene], steps: int, guidance: float) -> Tensor:
    """Thumbnails of one picture for each scene, its caption in either language in turn."""
    texts = [caption(scene, np.random.default_rng(scene.seed), LANGUAGES[n % 2]) for n, scene in enumerate(scenes)]
    return thumbnails(draw(pipe, texts, 5000, steps, guidance=guidance))


def thumbnails(pictures: Any) -> Tensor:  # Any: iterable of uint8 arrays
    """(n, 3, 64, 64) in -1..1, what the scorer sees."""
    return thumbnails_to_unit(np.stack([thumbnail(picture) for picture in pictures]))


def as_markdown(report: dict[str, Any]) -> str:  # Any: JSON values
    """A table of each figure: steps down, samplers across, and the figure of true renders of the same scenes."""
    samplers: dict[str, dict[str, Figures]] = report["samplers"]
    counts = sorted({int(count) for row in samplers.values() for count in row})
    blocks = []
    for figure in FIGURES:

        def cells(count: int, figure: str = figure) -> list[str]:
            measured = [samplers[name].get(str(count)) for name in samplers]
            return [str(count), *("" if values is None else f"{values[figure]:.2f}" for values in measured)]

        table = markdown_table([f"{figure}, steps", *samplers], counts, cells)
        blocks.append(f"{table}\n\nTrue renders of the same scenes: {figure} {report['true renders'][figure]:.2f}.")
    head = f"{report['pictures']} pictures each, guidance {report['guidance']:g}, features of the scorer."
    return "\n\n".join([head, *blocks])


def plot(report: dict[str, Any], file: Path) -> Path:  # Any: JSON values
    """FID over steps, both logarithmic, one line for each sampler."""
    lines = [
        Line(name, tuple(sorted((float(count), values["FID"]) for count, values in row.items())))
        for name, row in report["samplers"].items()
    ]
    return draw_plot(lines, file, title="FID on the scorer's features", across="steps", up="FID")
