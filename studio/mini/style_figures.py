"""How far Mini's style LoRAs move pictures towards their look: `python -m studio.mini.style_figures`.

The same prompts and seeds are drawn without, at half and at full strength; the goal is the look itself, painted over
the picture drawn without. Judged by colour statistics, so that a picture may compose itself differently.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch import nn

from studio.mini import config
from studio.mini.data import Pixels
from studio.mini.evaluate import full_caption, held_out_scenes
from studio.mini.sheet import draw, load_pipeline, save_grid
from studio.mini.style_loras import PLUGIN, RANK, trained_layers
from studio.mini.styles import STYLES, Style

WEIGHTS = (0.5, 1.0)
Floats = npt.NDArray[np.float64]


@contextmanager
def merged(unet: UNet2DConditionModel, file: Path, weight: float) -> Iterator[None]:
    """The UNet with a file of `style_loras.save_lora` laid on it, either layout."""
    tensors = {name: value.float() for name, value in load_file(file).items()}
    originals: dict[nn.Module, nn.Parameter] = {}
    try:
        for path, layer in trained_layers(unet):
            name = "lora_unet_" + path.replace(".", "_")
            if f"unet.{path}.lora_A.weight" in tensors:
                down, up, scale = tensors[f"unet.{path}.lora_A.weight"], tensors[f"unet.{path}.lora_B.weight"], 1.0
            else:
                down, up = tensors[f"{name}.lora_down.weight"], tensors[f"{name}.lora_up.weight"]
                scale = float(tensors[f"{name}.alpha"]) / RANK
            kept = originals[layer] = cast(nn.Parameter, layer.weight)
            change = (up.flatten(1) @ down.flatten(1)).view_as(kept).to(kept)
            layer.weight = nn.Parameter(kept + weight * scale * change, requires_grad=False)
        yield
    finally:
        for layer, kept in originals.items():
            layer.weight = kept


def colours(pictures: Sequence[Pixels]) -> Floats:
    """(pictures, 9): mean and spread of red, green and blue, and the mean of their differences, 0 ... 1."""
    values = np.stack(pictures).astype(np.float64).reshape(len(pictures), -1, 3) / 255.0
    differences = np.abs(values - np.roll(values, 1, axis=2))
    return np.concatenate([values.mean(1), values.std(1), differences.mean(1)], axis=1)


def moved(plain: Floats, drawn: Floats, goal: Floats) -> float:
    """Share of the way from `plain` to `goal` that `drawn` has gone, 1 at the goal; projected on that way."""
    way = goal - plain
    return float(((drawn - plain) * way).sum() / max(float((way * way).sum()), 1e-12))


def left(plain: Floats, drawn: Floats, goal: Floats) -> float:
    """Distance to the goal as a share of the whole one: 0 at the goal, 1 where nothing happened."""
    return float(np.linalg.norm(drawn - goal) / max(float(np.linalg.norm(plain - goal)), 1e-12))


def measure(model: Path, folder: Path, count: int, sheet: Path | None = None) -> dict[str, dict[str, float]]:
    """Figures of every style whose file lies in `folder`, over `count` held-out captions; a sheet to look at."""
    pipe = load_pipeline(model)
    prompts = [full_caption(scene, "en") for scene in held_out_scenes(lambda scene: True, count)]
    plain = draw(pipe, prompts, seed=3000)
    rows = [(picture, prompt) for picture, prompt in zip(plain, prompts, strict=True)]
    report: dict[str, dict[str, float]] = {}
    for style in STYLES:
        file = folder / f"{style.name}.safetensors"
        drawn: dict[float, list[Pixels]] = {}
        for weight in WEIGHTS:
            with merged(pipe.unet, file, weight):
                drawn[weight] = draw(pipe, prompts, seed=3000)
            rows += [(picture, f"{style.name} {weight:g}") for picture in drawn[weight]]
        goal = [style.paint(picture) for picture in plain]
        rows += [(picture, f"{style.name}, the goal") for picture in goal]
        report[style.name] = _figures(style, plain, drawn, goal) | {"bytes": float(file.stat().st_size)}
    if sheet is not None:
        save_grid(rows, sheet, columns=count)
    return report


def _figures(
    style: Style, plain: list[Pixels], drawn: dict[float, list[Pixels]], goal: list[Pixels]
) -> dict[str, float]:
    start, end = colours(plain), colours(goal)
    figures = {}
    for weight, pictures in drawn.items():
        print(f"measured {style.name} at {weight:g}", file=sys.stderr, flush=True)
        figures[f"moved at {weight:g}"] = round(moved(start, colours(pictures), end), 3)
        figures[f"distance left at {weight:g}"] = round(left(start, colours(pictures), end), 3)
    return figures


def main(argv: list[str] | None = None) -> int:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(prog="style_figures", description="how far the style LoRAs move Mini's pictures")
    parser.add_argument("--model", type=Path, default=config.MODEL_FOLDER)
    parser.add_argument("--folder", type=Path, default=PLUGIN / "mini", help="where the LoRA files lie")
    parser.add_argument("--count", type=int, default=8, help="pictures for each figure")
    parser.add_argument("--sheet", type=Path, default=None, help="also draw them all on one sheet")
    arguments = parser.parse_args(argv)
    torch.manual_seed(0)
    print(json.dumps(measure(arguments.model, arguments.folder, arguments.count, arguments.sheet), indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
