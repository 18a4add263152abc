"""The quality table: held-out captions and sketches drawn by the exported model with stock pipelines, then judged.

Every figure stands beside the same measure on true renders of the same scenes; English and Chinese apart.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderTiny,
    StableDiffusionPipeline,
)

from studio.mini.config import Compute
from studio.mini.data import HELD_OUT, Pixels, scene_number, to_pixels, to_unit
from studio.mini.drawings import Scene, attributes, caption, render
from studio.mini.few_step import STEPS as FAST_STEPS
from studio.mini.few_step import fast_folder
from studio.mini.metrics import psnr
from studio.mini.scorer import Scorer, held_out_accuracy, load_scorer, read
from studio.mini.sheet import GUIDANCE, STEPS, draw, load_pipeline
from studio.mini.sketch_figures import sketch_figures
from studio.mini.table import Report
from studio.mini.tiny_decoder import distance_db, load_tiny_vae, time_ratio

Judge = Callable[[dict[str, int], dict[str, int]], bool]
LANGUAGE_NAMES = {"en": "English", "zh": "Chinese"}


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table: which scenes are drawn and when a picture's reading counts as right."""

    title: str
    group: str
    right: Judge


def agree(*names: str) -> Judge:
    """True when the reading and the truth agree on all these attributes."""
    return lambda reading, truth: all(reading[name] == truth[name] for name in names)


FIGURES = (
    Figure("object's colour right", "single", agree("colour0")),
    Figure("object recognised", "single", agree("kind0")),
    Figure("sky, sea, day or night right", "scenery", agree("setting", "time")),
    Figure("two objects, both kinds and colours right", "pair", agree("kind0", "colour0", "kind1", "colour1")),
    Figure("two objects, both colours right", "pair", agree("colour0", "colour1")),
    Figure("count of one to three right", "count", agree("count0")),
)
GROUPS: dict[str, Callable[[Scene], bool]] = {
    "single": lambda scene: len(scene.things) == 1 and scene.things[0].count == 1,
    "scenery": lambda scene: scene.setting not in ("plain", "table"),
    "pair": lambda scene: len(scene.things) == 2,
    "count": lambda scene: len(scene.things) == 1,
}


def evaluate(model: Path, compute: Compute, samples: int = 40) -> Report:
    """Measures everything that is there; `samples` pictures per group and language. Progress on stderr.

    Parts that do not exist yet have None as their figures.
    """
    started = time.monotonic()
    pipe = load_pipeline(model, str(compute.device))
    scorer = load_scorer(model / "scorer")
    fast = load_fast(model, compute)
    tiny = load_tiny_vae(model / "tiny_vae").to(compute.device) if (model / "tiny_vae").exists() else None
    report: Report = {
        "samples": samples,
        "steps": STEPS,
        "guidance": GUIDANCE,
        "scorer held-out accuracy": _rounded(held_out_accuracy(scorer)),
        "VAE round trip, dB": round(round_trip(pipe, samples), 2),
        "seconds per picture": round(seconds_per_picture(pipe), 2),
        "prompts": prompt_figures(pipe, scorer, samples, STEPS, GUIDANCE),
        "few-step prompts": prompt_figures(fast, scorer, samples, FAST_STEPS, 1.0) if fast else None,
        "control": followed(model, pipe, samples),
        "MB": round((folder_size(model) + folder_size(fast_folder(model))) / 1e6, 1),
    }
    report |= fast_figures(fast, tiny) | tiny_figures(tiny, pipe, samples)
    report["seconds"] = round(time.monotonic() - started, 1)
    return report


def folder_size(folder: Path) -> int:
    """Bytes of all files below a folder; 0 if there is none."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def load_fast(model: Path, compute: Compute) -> StableDiffusionPipeline | None:
    """The four-step model beside a model, if there is one."""
    folder = fast_folder(model)
    return load_pipeline(folder, str(compute.device)) if (folder / "model_index.json").exists() else None


def fast_figures(fast: StableDiffusionPipeline | None, tiny: AutoencoderTiny | None) -> Report:
    """Seconds of a four-step picture, text to pixels, with the full and with the tiny decoder."""
    names = ("seconds per four-step picture", "seconds per four-step picture, tiny decoder")
    report: Report = dict.fromkeys(names)
    if fast is None:
        return report
    report[names[0]] = round(seconds_per_picture(fast, FAST_STEPS, 1.0), 3)
    if tiny is not None:
        full, fast.vae = fast.vae, tiny
        report[names[1]] = round(seconds_per_picture(fast, FAST_STEPS, 1.0), 3)
        fast.vae = full
    return report


def tiny_figures(tiny: AutoencoderTiny | None, pipe: StableDiffusionPipeline, samples: int) -> Report:
    """The tiny decoder against the full one: PSNR in dB on codes of held-out renders, and time."""
    if tiny is None:
        return {"tiny decoder, dB": None, "tiny decoder, time ratio": None}
    px = pipe.unet.config.sample_size * pipe.vae_scale_factor
    truths = [render(scene_number(HELD_OUT + number, number % 3), px).image for number in range(samples)]
    with torch.no_grad():
        codes = torch.cat([pipe.vae.encode(to_unit(t[None]).to(pipe.device)).latent_dist.mode() for t in truths])
    decibel, ratio = distance_db(tiny, pipe.vae, codes), time_ratio(tiny, pipe.vae, codes[:1])
    return {"tiny decoder, dB": round(decibel, 2), "tiny decoder, time ratio": round(ratio, 3)}


def prompt_figures(
    pipe: StableDiffusionPipeline, scorer: Scorer, samples: int, steps: int, guidance: float
) -> dict[str, dict[str, float]]:
    """Shares of held-out captions drawn rightly: title to "en", "zh" and "true renders"."""
    table: dict[str, dict[str, float]] = {}
    for group, wanted in GROUPS.items():
        scenes = held_out_scenes(wanted, samples, balanced=group == "count")
        truths = [attributes(scene) for scene in scenes]
        px = pipe.unet.config.sample_size * pipe.vae_scale_factor
        readings = {"true renders": _readings(scorer, [render(scene, px).image for scene in scenes])}
        for language, title in LANGUAGE_NAMES.items():
            _say(f"{group}, {title}, {steps} steps")
            captions = [full_caption(scene, language) for scene in scenes]
            readings[language] = _readings(scorer, draw(pipe, captions, 1000, steps, guidance=guidance))
        for figure in (figure for figure in FIGURES if figure.group == group):
            table[figure.title] = {name: _share(figure.right, read, truths) for name, read in readings.items()}
    return table


def held_out_scenes(wanted: Callable[[Scene], bool], count: int, balanced: bool = False) -> list[Scene]:
    """The first `count` held-out scenes that are wanted; `balanced` takes the counts one, two, three in turn."""
    scenes: list[Scene] = []
    for number in _numbers():
        scene = scene_number(number, 2 if number % 3 else 1)
        in_turn = not balanced or scene.things[0].count == len(scenes) % 3 + 1
        if wanted(scene) and in_turn:
            scenes.append(scene)
        if len(scenes) == count:
            break
    return scenes


def _numbers() -> Iterator[int]:
    yield from range(HELD_OUT + 5000, HELD_OUT + 50_000)


def full_caption(scene: Scene, language: str) -> str:
    """The longest of eight captions: short ones leave out what is then judged."""
    rng = np.random.default_rng(scene.seed)
    return max((caption(scene, rng, language) for _ in range(8)), key=len)


def _readings(scorer: Scorer, pictures: list[Pixels]) -> list[dict[str, int]]:
    answers = read(scorer, pictures)
    return [{name: int(values[i]) for name, values in answers.items()} for i in range(len(pictures))]


def _share(right: Judge, readings: list[dict[str, int]], truths: list[dict[str, int]]) -> float:
    return round(float(np.mean([right(a, b) for a, b in zip(readings, truths, strict=True)])), 3)


def followed(model: Path, pipe: StableDiffusionPipeline, samples: int) -> Report:
    """How far the sketches of held-out scenes are followed (see sketch_figures)."""
    _say("control")
    scenes = held_out_scenes(lambda scene: True, samples)
    return sketch_figures(model, pipe, scenes, [full_caption(scene, "en") for scene in scenes])


@torch.no_grad()
def round_trip(pipe: StableDiffusionPipeline, samples: int) -> float:
    """Mean PSNR in dB of encode and decode on true held-out renders."""
    px = pipe.unet.config.sample_size * pipe.vae_scale_factor
    scores = []
    for number in range(samples):
        truth = render(scene_number(HELD_OUT + number, number % 3), px).image
        image = to_unit(truth[None]).to(pipe.device)
        decoded = pipe.vae.decode(pipe.vae.encode(image).latent_dist.mode()).sample
        scores.append(psnr(to_pixels(decoded)[0], truth))
    return float(np.mean(scores))


def seconds_per_picture(
    pipe: StableDiffusionPipeline, steps: int = STEPS, guidance: float = GUIDANCE, repeats: int = 5
) -> float:
    """Median wall seconds of one picture, text to pixels, after one that warms up."""
    times = []
    for seed in range(repeats + 1):
        started = time.monotonic()
        draw(pipe, ["a red house on green hills"], seed, steps, guidance=guidance)
        times.append(time.monotonic() - started)
    return float(np.median(times[1:]))


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


def _say(text: str) -> None:
    print(f"evaluating {text}", file=sys.stderr, flush=True)
