"""Measures the guidance plugin on an exported model: `python -m studio.mini.guided --model .mini/b/model`.

Pictures with an empty prompt, unguided and guided from the same noise; the kinds are read by the scorer, which the
guide has never seen. The loop is DDIM's (Song et al. 2021), small enough to be checked by eye against the studio's own.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from PIL import Image
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from studio.api import Denoiser, Guess, Size, StepContext, Use
from studio.mini import config
from studio.mini.data import HELD_OUT, Pixels, scene_number, to_pixels
from studio.mini.drawings import KINDS, attributes, render
from studio.mini.scorer import load_scorer, read
from studio.mini.sheet import save_grid
from studio.mini.text_encoder import text_states

PLUGIN = config.PROJECT / "plugins" / "guidance"
STEPS = 20
SCALES = {"classifier": 3.0, "clip": 3.0, "colour_map": 3.0}
DEFAULTS: dict[str, Any] = {"text": "", "text_weight": 1.0, "picture_weight": 1.0, "exact": False, "free": "nothing"}
ALPHA_MIN = 0.01
Gradient = Callable[[Guess], Tensor | None]


def plugin() -> ModuleType:
    """The plugin's own package, from its folder."""
    name = "studio_guests_guidance"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(
            name, PLUGIN / "__init__.py", submodule_search_locations=[str(PLUGIN)]
        )
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@dataclass(frozen=True, slots=True)
class Model:
    """An exported model in fp32 on the processor, and the text states of the empty prompt."""

    folder: Path
    unet: Any
    vae: Any
    scheduler: DDIMScheduler
    empty: Tensor
    px: int

    def denoiser(self) -> Denoiser:
        """The model as a guide sees it."""
        return Denoiser(
            unet=self.unet, vae=self.vae, tokenizers=(), text_encoders=(), family="mini", model="mini",
            model_folder=self.folder, size=Size(width=self.px, height=self.px), branches=1,
            device=torch.device("cpu"), dtype=torch.float32,
        )  # fmt: skip


def load_model(folder: Path) -> Model:
    """Every part in fp32, frozen."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", dtype=torch.float32).eval().requires_grad_(False)
    vae = AutoencoderKL.from_pretrained(folder / "vae", dtype=torch.float32).eval().requires_grad_(False)
    text = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32).eval()
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    states = text_states(text, tokenizer, [""], config.choose_compute("cpu"))
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    return Model(
        folder, unet, vae, DDIMScheduler.from_pretrained(folder / "scheduler"), states, unet.config.sample_size * factor
    )


def guide(model: Model, part: str, values: dict[str, Any], **images: Image.Image) -> Gradient:
    """A part of the plugin, prepared. `values` are added to the defaults of its manifest (start 0, end 0.8)."""
    usual = DEFAULTS | {"exact": part == "classifier", "scale": SCALES[part]}
    made = {"classifier": "ClassifierGuide", "clip": "ClipGuide", "colour_map": "ColourMapGuide"}[part]
    use = Use(
        plugin="guidance", part=part, folder=PLUGIN, data=PLUGIN / "data", values=usual | values,
        images=images, start=float(values.get("start", 0.0)), end=float(values.get("end", 0.8)),
    )  # fmt: skip
    ready: Gradient = getattr(plugin(), made)().prepare(model.denoiser(), use)
    return ready


@torch.no_grad()
def draw(model: Model, seed: int, pull: Gradient | None = None, steps: int = STEPS) -> Pixels:
    """One picture (px, px, 3) of the empty prompt."""
    side = model.unet.config.sample_size
    generator = torch.Generator().manual_seed(seed)
    latents = torch.randn(1, model.unet.config.in_channels, side, side, generator=generator)
    model.scheduler.set_timesteps(steps)
    for index, timestep in enumerate(model.scheduler.timesteps):
        guess = model.unet(latents, timestep, encoder_hidden_states=model.empty).sample
        if pull is not None:
            step = StepContext(index=index, count=steps, timestep=timestep, model_input=latents, text=model.empty)
            guess = _pulled(model, latents, guess, step, pull)
        latents = model.scheduler.step(guess, timestep, latents).prev_sample
    picture: Pixels = to_pixels(model.vae.decode(latents / model.vae.config.scaling_factor).sample)[0]
    return picture


def _pulled(model: Model, latents: Tensor, v: Tensor, step: StepContext, pull: Gradient) -> Tensor:
    """v - (sigma / alpha) g: eps - sigma g of Dhariwal & Nichol 2021, algorithm 2, for a model that predicts v."""
    abar = float(model.scheduler.alphas_cumprod[int(step.timestep)])
    alpha, sigma = abar**0.5, (1 - abar) ** 0.5
    if alpha < ALPHA_MIN:
        return v

    def predict_clean(place: Tensor) -> Tensor:
        v: Tensor = model.unet(place, step.timestep, encoder_hidden_states=step.text).sample
        clean: Tensor = alpha * place - sigma * v
        return clean

    def decode(clean: Tensor) -> Tensor:
        pictures: Tensor = model.vae.decode(clean / model.vae.config.scaling_factor).sample
        return pictures

    seen = Guess(
        step=step, latents=latents, clean=alpha * latents - sigma * v, alpha=alpha, sigma=sigma,
        predict_clean=predict_clean, decode=decode,
    )  # fmt: skip
    gradient = pull(seen)
    return v if gradient is None else v - (sigma / alpha) * gradient


def measure_classifier(model: Model, count: int, scale: float, sheet: Path | None = None) -> dict[str, float]:
    """Share of `count` seeds whose picture holds the kind asked for (each kind in turn), unguided and guided."""
    wanted = [seed % len(KINDS) for seed in range(count)]
    plain = [draw(model, seed) for seed in range(count)]
    guides = [guide(model, "classifier", {"class": KINDS[kind], "scale": scale}) for kind in wanted]
    guided = [draw(model, seed, pull) for seed, pull in enumerate(guides)]
    if sheet is not None:
        pairs = zip(plain, guided, wanted, strict=True)
        save_grid([row for a, b, kind in pairs for row in ((a, ""), (b, KINDS[kind]))], sheet, 8)
    return {"unguided": _holding(model, plain, wanted), "guided": _holding(model, guided, wanted)}


def _holding(model: Model, pictures: list[Pixels], wanted: list[int]) -> float:
    answers = read(load_scorer(model.folder / "scorer"), pictures)
    return float(np.mean((answers["kind0"] == wanted) | (answers["kind1"] == wanted)))


def measure_reference(model: Model, count: int, scale: float, sheet: Path | None = None) -> dict[str, float]:
    """Share of `count` seeds, each with a held-out drawing as its reference, whose likeness to it rises; and the means.

    Likeness is judged by the CLIP that guides; beside it stands the scorer's opinion, which is not in the loop: how
    many of the reference's attributes the picture shares.
    """
    references = [scene_number(HELD_OUT + 5000 + n, 0) for n in range(count)]
    drawings = [render(scene, model.px).image for scene in references]
    likeness = sys.modules[plugin().__name__ + ".likeness"].load_mini(model.folder)
    plain = [draw(model, seed) for seed in range(count)]
    pulls = [guide(model, "clip", {"scale": scale}, picture=Image.fromarray(drawing)) for drawing in drawings]
    guided = [draw(model, seed, pull) for seed, pull in enumerate(pulls)]
    if sheet is not None:
        rows = zip(drawings, plain, guided, strict=True)
        save_grid([row for r, a, b in rows for row in ((r, "reference"), (a, ""), (b, "guided"))], sheet, 9)
    before, after = (
        np.array([_alike(likeness, a, b) for a, b in zip(made, drawings, strict=True)]) for made in (plain, guided)
    )
    truths = [attributes(scene) for scene in references]
    return {
        "rises": float(np.mean(after > before)), "unguided": float(before.mean()), "guided": float(after.mean()),
        "attributes unguided": _shared(model, plain, truths), "attributes guided": _shared(model, guided, truths),
    }  # fmt: skip


@torch.no_grad()
def _alike(likeness: Any, picture: Pixels, reference: Pixels) -> float:  # Any: the plugin's Likeness
    small = [Image.fromarray(pixels).resize((64, 64), Image.Resampling.BOX) for pixels in (picture, reference)]
    unit = torch.from_numpy(np.stack([np.asarray(image) for image in small])).permute(0, 3, 1, 2).float() / 127.5 - 1
    a, b = likeness.see(unit)
    return float(a @ b)


def _shared(model: Model, pictures: list[Pixels], truths: list[dict[str, int]]) -> float:
    answers = read(load_scorer(model.folder / "scorer"), pictures)
    names = ("kind0", "colour0", "setting", "time", "style", "background")
    return float(np.mean([answers[name][i] == truth[name] for i, truth in enumerate(truths) for name in names]))


def main() -> int:
    """Prints the figures as JSON; the bars are 0.95 for `guided` of the classifier and 0.9 for `rises` of CLIP."""
    parser = argparse.ArgumentParser(description="measure classifier and CLIP guidance on an exported model")
    parser.add_argument("--model", type=Path, default=config.MODEL_FOLDER)
    parser.add_argument("--count", type=int, default=64, help="seeds of each measure")
    parser.add_argument("--scale", type=float, default=None, help="strength (3)")
    parser.add_argument("--only", choices=("classifier", "clip"), default=None)
    parser.add_argument("--sheets", type=Path, default=None, help="folder for sheets of the pictures")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    report: dict[str, Any] = {}
    for name, measure in (("classifier", measure_classifier), ("clip", measure_reference)):
        if arguments.only in (None, name):
            sheet = arguments.sheets / f"{name}.png" if arguments.sheets else None
            scale = SCALES[name] if arguments.scale is None else arguments.scale
            report[name] = {"scale": scale, "seeds": arguments.count} | measure(model, arguments.count, scale, sheet)
    print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
