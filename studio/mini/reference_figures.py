"""Measures Mini's IP-Adapter: `python -m studio.mini.reference_figures --count 24 --sheet sheet.png`.

Pictures with an empty prompt, or the prompt of another scene, from the same noise with and without a held-out drawing as
reference, through diffusers' own pipeline and loader. Likeness is judged by Mini's picture tower, which the adapter
looks through; what is shown is read by the scorer, which it has never met.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from studio.mini import config
from studio.mini.classifier import networks
from studio.mini.data import HELD_OUT, Pixels, scene_number, thumbnail
from studio.mini.drawings import Scene, attributes, caption, render
from studio.mini.ip_adapter import FILE, PLUGIN, eyes
from studio.mini.scorer import load_scorer, read, thumbnails_to_unit
from studio.mini.sheet import GUIDANCE, STEPS, load_pipeline, save_grid
from studio.mini.uni_figures import palette_error

FIRST = HELD_OUT + 95_000
NAMES = ("kind0", "colour0", "setting", "time", "style", "background")
Draw = Callable[[Sequence[str], Sequence[Pixels] | None], list[Pixels]]


def painter(model: Path, adapter: Path, weight: float = 1.0, steps: int = STEPS) -> Draw:
    """Draws pictures of prompts, each with its own reference or none; the n-th always from the n-th noise."""
    pipe: Any = load_pipeline(model)
    eye = eyes().Eye.of(load_file(model / "clip" / "model.safetensors"))
    state: dict[str, dict[str, Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, value in load_file(adapter).items():
        part, _, rest = name.partition(".")
        state[part][rest] = value.float()
    pipe.unet._load_ip_adapter_weights([state], low_cpu_mem_usage=False)

    @torch.no_grad()
    def draw(prompts: Sequence[str], references: Sequence[Pixels] | None) -> list[Pixels]:
        pipe.set_ip_adapter_scale(0.0 if references is None else weight)
        shown = references or [np.full((64, 64, 3), 127, np.uint8)] * len(prompts)
        pictures: list[Pixels] = []
        for number, (prompt, picture) in enumerate(zip(prompts, shown, strict=True)):
            # One by one: the pipeline repeats the embeddings of a batch for each of its prompts.
            seen = eye(thumbnails_to_unit(thumbnail(picture)[None]))[:, None]
            made = pipe(
                prompt, num_inference_steps=steps, guidance_scale=GUIDANCE,
                generator=torch.Generator().manual_seed(number),
                ip_adapter_image_embeds=[torch.cat([torch.zeros_like(seen), seen])], output_type="np",
            )  # fmt: skip
            pictures.append(np.round(made.images[0] * 255).astype(np.uint8))
        return pictures

    return draw


@torch.no_grad()
def likeness(model: Path, pictures: Sequence[Pixels], references: Sequence[Pixels]) -> np.ndarray:
    """Cosines (n,) of pictures and their references in the space of Mini's CLIP."""
    tower = networks().ImageTower.of(load_file(model / "clip" / "model.safetensors"))
    one, other = (
        F.normalize(tower(thumbnails_to_unit(np.stack([thumbnail(picture) for picture in some]))), dim=1)
        for some in (pictures, references)
    )
    cosines: np.ndarray = (one * other).sum(dim=1).numpy()
    return cosines


def measure(model: Path, draw: Draw, count: int, sheet: Path | None = None) -> dict[str, float]:
    """With an empty prompt: the share of references that pictures come nearer to, and what of them is found again.

    "nearer" and "nearer in colour": by the tower, and by the distance of the colours wherever they are; "kind" ...:
    share of pictures of which the scorer reads as it should, without and with the reference.
    """
    scenes = scenes_of(count)
    references = [render(scene, 256).image for scene in scenes]
    plain, guided = draw([""] * count, None), draw([""] * count, references)
    before, after = likeness(model, plain, references), likeness(model, guided, references)
    colours = np.array(
        [[palette_error(p, r) for p, r in zip(some, references, strict=True)] for some in (plain, guided)]
    )
    figures = {
        "nearer": float((after > before).mean()), "likeness without": float(before.mean()),
        "likeness with": float(after.mean()), "nearer in colour": float((colours[1] < colours[0]).mean()),
    }  # fmt: skip
    truths = [attributes(scene) for scene in scenes]
    scorer = load_scorer(model / "scorer")
    for said, pictures in (("without", plain), ("with", guided)):
        answers = read(scorer, pictures)
        for name in NAMES:
            right = [answers[name][i] == truth[name] for i, truth in enumerate(truths)]
            figures[f"{name.removesuffix('0')} {said}"] = float(np.mean(right))
    if sheet is not None:
        rows = zip(references, plain, guided, strict=True)
        save_grid([row for r, a, b in rows for row in ((r, "reference"), (a, "without"), (b, "with"))], sheet, 9)
    return figures


def measure_beside_words(model: Path, draw: Draw, count: int, sheet: Path | None = None) -> dict[str, float]:
    """With the caption of another scene: what of the words and what of the reference is found again."""
    scenes = scenes_of(count)
    others = [scenes[(n + 1) % count] for n in range(count)]
    rng = np.random.default_rng(0)
    prompts = [caption(scene, rng, "en") for scene in others]
    references = [render(scene, 256).image for scene in scenes]
    pictures = draw(prompts, references)
    answers = read(load_scorer(model / "scorer"), pictures)
    figures = {
        "nearer": float(
            (likeness(model, pictures, references) > likeness(model, draw(prompts, None), references)).mean()
        )
    }
    for said, asked in (("words", others), ("reference", scenes)):
        for name in ("kind0", "colour0"):
            right = [answers[name][i] == attributes(scene)[name] for i, scene in enumerate(asked)]
            figures[f"{name.removesuffix('0')} of the {said}"] = float(np.mean(right))
    if sheet is not None:
        rows = zip(references, pictures, prompts, strict=True)
        save_grid([row for r, a, prompt in rows for row in ((r, "reference"), (a, prompt))], sheet, 8)
    return figures


def scenes_of(count: int) -> list[Scene]:
    """Held-out scenes of single things."""
    return [scene_number(FIRST + number, 0) for number in range(count)]


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(description="measure Mini's IP-Adapter")
    parser.add_argument("--model", type=Path, default=config.MODEL_FOLDER)
    parser.add_argument("--adapter", type=Path, default=PLUGIN / "mini" / FILE)
    parser.add_argument("--count", type=int, default=24, help="references of each measure")
    parser.add_argument("--weight", type=float, default=1.0)
    parser.add_argument("--sheets", type=Path, default=None, help="folder for sheets of the pictures")
    arguments = parser.parse_args()
    folder, count, model = arguments.sheets, arguments.count, arguments.model
    draw = painter(model, arguments.adapter, arguments.weight)
    alone = measure(model, draw, count, folder / "reference.png" if folder else None)
    half = painter(model, arguments.adapter, arguments.weight / 2)
    beside = measure_beside_words(model, half, count, folder / "reference_and_words.png" if folder else None)
    print(json.dumps({"empty prompt": alone, "beside words, half the weight": beside}, indent=2))


if __name__ == "__main__":
    main()
