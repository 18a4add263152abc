"""Sample sheets: the exported model drawing the fixed prompts in both languages, labelled, as one PNG."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageDraw, ImageFont

from studio.mini.config import PROJECT
from studio.mini.drawings import FIXED_PROMPTS

GUIDANCE, STEPS = 4.0, 20
LABEL_PX, GAP_PX = 40, 6
# The studio's own interface font: Pillow's built-in one has no Chinese characters.
CHINESE_FONT = PROJECT / "resources" / "fonts" / "StudioSansSC-Regular.otf"


def load_pipeline(folder: Path, device: str = "cpu") -> StableDiffusionPipeline:
    """The stock pipeline on an exported model, fp32, quiet."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, safety_checker=None)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def draw(
    pipe: StableDiffusionPipeline,
    prompts: Sequence[str],
    seed: int,
    steps: int = STEPS,
    batch: int = 8,
    px: int | None = None,
    guidance: float = GUIDANCE,
) -> list[np.ndarray]:
    """uint8 (px, px, 3) pictures of the prompts, seeds `seed`, `seed` + 1, ...; `px` None is the model's own size."""
    pictures: list[np.ndarray] = []
    for start in range(0, len(prompts), batch):
        part = list(prompts[start : start + batch])
        generators = [torch.Generator().manual_seed(seed + start + i) for i in range(len(part))]
        result = pipe(
            part, height=px, width=px, num_inference_steps=steps, guidance_scale=guidance, generator=generators,
            output_type="np",
        )  # fmt: skip
        pictures += [np.round(picture * 255).astype(np.uint8) for picture in result.images]
    return pictures


def draw_sheet(model: Path, file: Path, px: int | None = None, seed: int = 1, columns: int = 6) -> Path:
    """Draws every fixed prompt, English above Chinese, and writes the sheet; returns `file`."""
    pipe = load_pipeline(model)
    english = draw(pipe, [pair[0] for pair in FIXED_PROMPTS], seed, px=px)
    chinese = draw(pipe, [pair[1] for pair in FIXED_PROMPTS], seed, px=px)
    rows: list[tuple[np.ndarray, str]] = []
    for start in range(0, len(FIXED_PROMPTS), columns):
        part = range(start, min(start + columns, len(FIXED_PROMPTS)))
        rows += [(english[i], FIXED_PROMPTS[i][0]) for i in part]
        rows += [(chinese[i], FIXED_PROMPTS[i][1]) for i in part]
    return save_grid(rows, file, columns)


def save_grid(labelled: Sequence[tuple[np.ndarray, str]], file: Path, columns: int) -> Path:
    """A labelled contact sheet of equally large uint8 RGB pictures."""
    side = labelled[0][0].shape[0]
    rows = -(-len(labelled) // columns)
    width, height = columns * (side + GAP_PX) + GAP_PX, rows * (side + LABEL_PX + GAP_PX) + GAP_PX
    sheet = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (picture, text) in enumerate(labelled):
        left = GAP_PX + place % columns * (side + GAP_PX)
        top = GAP_PX + place // columns * (side + LABEL_PX + GAP_PX)
        sheet.paste(Image.fromarray(picture), (left, top))
        chinese = not text.isascii()
        lines = textwrap.wrap(text, side // 13 if chinese else side // 6)[:2]
        pen.multiline_text((left, top + side + 3), "\n".join(lines), fill="black", font=_font(chinese))
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)
    return file


def _font(chinese: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    if chinese and CHINESE_FONT.exists():
        return ImageFont.truetype(CHINESE_FONT, 13)
    return ImageFont.load_default(12)
