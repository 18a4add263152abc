"""Figures of Mini's Uni-ControlNet on held-out scenes: how well drawings, colours and whole pictures are followed.

`python -m studio.mini.uni_figures [--model FOLDER] [--pictures N] [--sheet FILE.png]` prints them as one JSON object. Every figure stands
beside the same measure without the condition and on true renders.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from studio.mini.config import MODEL_FOLDER
from studio.mini.data import HELD_OUT, Pixels, hints, scene_number, thumbnail, to_pixels
from studio.mini.drawings import Drawing, caption, render
from studio.mini.metrics import edge_f1
from studio.mini.sheet import GUIDANCE, load_pipeline, save_grid
from studio.mini.uni_controlnet import BLOCKS, CONDITIONS, PLUGIN, color_maps, make_adapters

STEPS = 12
WAYS: dict[str, tuple[str, ...]] = {
    "nothing": (),
    "line": ("line",),
    "color": ("color",),
    "line + color": ("line", "color"),
    "line + global": ("line", "global"),
    "no words, nothing": (),
    "no words, global": ("global",),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is drawn: captions (empty ones: the conditions must say all) and the scenes they are taken from."""

    captions: list[str]
    drawings: list[Drawing]


def load_adapters(unet: Any, folder: Path) -> nn.ModuleDict:
    """The trained adapters on a UNet. Raises FileNotFoundError where they were never trained."""
    adapters = make_adapters(unet, unet.config.cross_attention_dim)
    whole = {name: value.float() for name, value in load_file(folder / "global.safetensors").items()}
    eye = {name.removeprefix("encoder."): whole.pop(name) for name in list(whole) if name.startswith("encoder.")}
    adapters["local"].load_state_dict({n: v.float() for n, v in load_file(folder / "local.safetensors").items()})
    adapters["adapter"].load_state_dict(whole)
    adapters["encoder"].load_state_dict(eye)
    return adapters.requires_grad_(False).eval()


@torch.no_grad()
def draw_steered(pipe: Any, adapters: Any, asked: Asked, way: tuple[str, ...], seed: int = 0) -> list[Pixels]:
    """uint8 pictures by DDIM with guidance, all in one batch."""
    count = len(asked.captions)
    positive, negative = pipe.encode_prompt(asked.captions, "cpu", 1, True, [""] * count)
    text = torch.cat([negative, positive])
    if "global" in way:
        text = torch.cat([text, _tokens(adapters, asked.drawings)], dim=1)
    local = adapters["local"] if set(way) & set(CONDITIONS) else None
    if local is not None:
        local.condition(torch.cat([_maps(asked.drawings, way)] * 2))
    scheduler = pipe.scheduler
    scheduler.set_timesteps(STEPS)
    cells = asked.drawings[0].image.shape[0] // 16
    latents = torch.randn(
        count, pipe.unet.config.in_channels, cells, cells, generator=torch.Generator().manual_seed(seed)
    )
    for timestep in scheduler.timesteps:
        both, added = torch.cat([latents] * 2), {}
        if local is not None:
            down, middle = local(both, timestep, text)
            added = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
        plain, wanted = pipe.unet(both, timestep, text, **added).sample.chunk(2)
        latents = scheduler.step(plain + GUIDANCE * (wanted - plain), timestep, latents).prev_sample
    return list(to_pixels(pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample))


def _maps(drawings: list[Drawing], way: tuple[str, ...]) -> Tensor:
    lines = hints(np.stack([drawing.outline for drawing in drawings]))
    colours = color_maps(np.stack([thumbnail(drawing.image) for drawing in drawings]), lines.shape[-1])
    return torch.cat([lines * ("line" in way), colours * ("color" in way)], dim=1)


def _tokens(adapters: Any, drawings: list[Drawing]) -> Tensor:
    seen = torch.from_numpy(np.stack([thumbnail(drawing.image) for drawing in drawings])).permute(0, 3, 1, 2)
    embedding = adapters["encoder"](seen.float() / 127.5 - 1)
    tokens: Tensor = adapters["adapter"](torch.cat([torch.zeros_like(embedding), embedding]))
    return tokens


def block_error(picture: Pixels, truth: Pixels) -> float:
    """Mean difference of the 8 x 8 mean colours, in steps of 0 ... 255."""
    both = [cv2.resize(p, (BLOCKS, BLOCKS), interpolation=cv2.INTER_AREA).astype(np.float64) for p in (picture, truth)]
    return float(np.abs(both[0] - both[1]).mean())


def palette_error(picture: Pixels, truth: Pixels) -> float:
    """Mean difference of the sorted values of each colour channel: which colours, wherever they are (0 ... 255)."""
    both = [np.sort(p.reshape(-1, 3).astype(np.float64), axis=0) for p in (picture, truth)]
    return float(np.abs(both[0] - both[1]).mean())


def figures(model: Path, pictures: int) -> tuple[dict[str, Any], list[tuple[Pixels, str]]]:
    """The table {way: figures} with seconds per picture, and the pictures with captions for a sheet."""
    pipe = load_pipeline(model)
    adapters = load_adapters(pipe.unet, PLUGIN / "mini")
    scenes = [scene_number(HELD_OUT + 80_000 + i, 2) for i in range(pictures)]
    drawings = [render(scene, 256) for scene in scenes]
    captions = [caption(scene, np.random.default_rng(i), "en") for i, scene in enumerate(scenes)]
    truths = [drawing.image for drawing in drawings]
    table = {"true renders": _measured(truths, drawings)}
    sheet = [(truth, "true render") for truth in truths]
    for name, way in WAYS.items():
        words = [""] * pictures if name.startswith("no words") else captions
        began = time.monotonic()
        drawn = draw_steered(pipe, adapters, Asked(words, drawings), way)
        table[name] = _measured(drawn, drawings) | {"seconds": round((time.monotonic() - began) / pictures, 2)}
        sheet += [(picture, f"{name}: {text}") for picture, text in zip(drawn, words, strict=True)]
    return table, sheet


def _measured(pictures: list[Pixels], drawings: list[Drawing]) -> dict[str, float]:
    pairs = list(zip(pictures, drawings, strict=True))
    return {
        "edge F1": round(float(np.mean([edge_f1(p, d.outline) for p, d in pairs])), 3),
        "block error": round(float(np.mean([block_error(p, d.image) for p, d in pairs])), 1),
        "palette error": round(float(np.mean([palette_error(p, d.image) for p, d in pairs])), 1),
    }


def main() -> None:
    """Prints the figures; writes the sheet where one is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--sheet", type=Path, default=None)
    arguments = parser.parse_args()
    table, sheet = figures(arguments.model, arguments.pictures)
    print(json.dumps(table, indent=2))
    if arguments.sheet is not None:
        save_grid(sheet, arguments.sheet, arguments.pictures)


if __name__ == "__main__":
    main()
