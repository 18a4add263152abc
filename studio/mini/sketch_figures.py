"""How far a sketch is followed: edge F1 against its lines, with and without words, in two modes of control.

With words the caption has already put everything near its place: pictures drawn without a sketch, and true renders
too, bound what the ratio of the two can be. How much the sketch itself does shows where it stands alone: the prompt is
empty, as in ControlNet's own test (Zhang et al. 2023, figure 7), and what is drawn without it is any picture at all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionAdapterPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    T2IAdapter,
)
from PIL import Image
from torch import Tensor

from studio.mini.data import Pixels, hints, to_pixels
from studio.mini.drawings import Drawing, Scene, render
from studio.mini.metrics import edge_f1
from studio.mini.sheet import GUIDANCE, STEPS, draw
from studio.mini.table import Report

SEED = 2000


def sketch_figures(model: Path, pipe: StableDiffusionPipeline, scenes: list[Scene], prompts: list[str]) -> Report:
    """F1 within 2 px for each part that is there: balanced, most control, and the sketch alone; None for the others."""
    drawings = [render(scene, pipe.unet.config.sample_size * pipe.vae_scale_factor) for scene in scenes]
    nothing = [""] * len(scenes)
    without = mean_f1(draw(pipe, prompts, seed=SEED), drawings)
    alone_without = mean_f1(draw(pipe, nothing, seed=SEED, guidance=1.0), drawings)
    report: Report = {
        "true renders": mean_f1([drawing.image for drawing in drawings], drawings),
        "without": without,
        "no words, without": alone_without,
    }
    for name, (folder, make, source_of) in CONTROLS.items():
        made = make(model, pipe) if (model / folder / "config.json").exists() else None
        balanced = mean_f1(draw_controlled(made, prompts, drawings, SEED), drawings) if made is not None else None
        source = source_of(made) if made is not None else None
        led = mean_f1(draw_led(pipe, source, prompts, drawings, SEED), drawings) if source else None
        alone = mean_f1(draw_led(pipe, source, nothing, drawings, SEED), drawings) if source else None
        report |= {
            name: balanced,
            f"{name}, ratio to without": _ratio(balanced, without),
            f"{name}, most control": led,
            f"{name}, no words": alone,
            f"{name}, no words, ratio to without": _ratio(alone, alone_without),
        }
    return report


def _ratio(figure: float | None, without: float) -> float | None:
    return None if figure is None else round(figure / max(without, 1e-3), 2)


def mean_f1(pictures: list[Pixels], drawings: list[Drawing]) -> float:
    """Mean edge F1 within 2 px of pictures against their sketches."""
    scores = [edge_f1(picture, drawing.outline) for picture, drawing in zip(pictures, drawings, strict=True)]
    return round(float(np.mean(scores)), 3)


def controlnet_pipeline(model: Path, pipe: StableDiffusionPipeline) -> StableDiffusionControlNetPipeline:
    """The stock ControlNet pipeline on the exported parts."""
    net = ControlNetModel.from_pretrained(model / "controlnet", dtype=torch.float32).to(pipe.device)
    return _quiet(StableDiffusionControlNetPipeline(**pipe.components, controlnet=net, requires_safety_checker=False))


def adapter_pipeline(model: Path, pipe: StableDiffusionPipeline) -> StableDiffusionAdapterPipeline:
    """The stock T2I-Adapter pipeline on the exported parts."""
    adapter = T2IAdapter.from_pretrained(model / "t2i_adapter", dtype=torch.float32).to(pipe.device)
    parts = {name: part for name, part in pipe.components.items() if name != "image_encoder"}
    return _quiet(StableDiffusionAdapterPipeline(**parts, adapter=adapter, requires_safety_checker=False))


def _quiet(pipe: Any) -> Any:  # Any: either pipeline
    pipe.set_progress_bar_config(disable=True)
    return pipe


def draw_controlled(pipe: Any, prompts: list[str], drawings: list[Drawing], seed: int) -> list[Pixels]:
    """Pictures of prompts under sketches, one at a time, as the studio draws them. `pipe`: either control pipeline."""
    pictures = []
    for i, (prompt, drawing) in enumerate(zip(prompts, drawings, strict=True)):
        sketch = Image.fromarray(drawing.outline).convert("RGB")
        generator = torch.Generator().manual_seed(seed + i)
        latents = pipe(
            prompt, image=sketch, num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=generator,
            output_type="latent",
        ).images  # fmt: skip
        # Decoded here: the adapter pipeline's own decoding warns that it is deprecated.
        with torch.no_grad():
            pictures.append(to_pixels(pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample)[0])
    return pictures


Source = Callable[[Tensor, Tensor, Tensor, Tensor], dict[str, Any]]  # Any: residuals by the names of UNet.forward
"""What a control network adds for noisy latents, a timestep, text states and hints (batch, 3, px, px)."""


def controlnet_source(pipe: StableDiffusionControlNetPipeline) -> Source:
    """The residuals of the pipeline's ControlNet."""
    net = pipe.controlnet

    def source(latents: Tensor, timestep: Tensor, states: Tensor, maps: Tensor) -> dict[str, Any]:  # Any: as above
        down, middle = net(latents, timestep, states, controlnet_cond=maps, return_dict=False)
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}

    return source


def adapter_source(pipe: StableDiffusionAdapterPipeline) -> Source:
    """The features of the pipeline's T2I-Adapter."""
    net = pipe.adapter
    return lambda _latents, _timestep, _states, maps: {"down_intrablock_additional_residuals": list(net(maps))}


CONTROLS: dict[str, tuple[str, Callable[[Path, StableDiffusionPipeline], Any], Callable[[Any], Source]]] = {
    "ControlNet": ("controlnet", controlnet_pipeline, controlnet_source),  # Any: either pipeline
    "T2I-Adapter": ("t2i_adapter", adapter_pipeline, adapter_source),
}


@torch.no_grad()
def draw_led(
    pipe: StableDiffusionPipeline,
    source: Source,
    prompts: list[str],
    drawings: list[Drawing],
    seed: int,
    batch: int = 8,
) -> list[Pixels]:
    """Pictures in the studio's mode “most control”: only the guess with the prompt is steered, so that guidance
    multiplies the sketch as it does the words. DDIM, as everywhere in the table."""
    pictures: list[Pixels] = []
    channels, cells = pipe.unet.config.in_channels, pipe.unet.config.sample_size
    for start in range(0, len(prompts), batch):
        part = slice(start, start + batch)
        texts, count = prompts[part], len(prompts[part])
        maps = hints(np.stack([drawing.outline for drawing in drawings[part]])).to(pipe.device)
        states, nothing = pipe.encode_prompt(texts, pipe.device, 1, True)
        noise = [torch.Generator().manual_seed(seed + start + i) for i in range(count)]
        latents = torch.cat([torch.randn((1, channels, cells, cells), generator=one) for one in noise]).to(pipe.device)
        pipe.scheduler.set_timesteps(STEPS)
        for timestep in pipe.scheduler.timesteps:
            free = pipe.unet(latents, timestep, nothing).sample
            led = pipe.unet(latents, timestep, states, **source(latents, timestep, states, maps)).sample
            latents = pipe.scheduler.step(free + GUIDANCE * (led - free), timestep, latents).prev_sample
        pictures += list(to_pixels(pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample))
    return pictures
