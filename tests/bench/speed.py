"""Our engine against the stock diffusers pipelines on the same weights, 32-bit floats, alternated; medians of ratios.

Also the loop against the bare model calls, the cost of the live preview, and seconds per Mini picture.
Run: `uv run tests/bench/speed.py [ROUNDS] [MODEL_FOLDER]` (nothing else heavy beside it).
"""

import io
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import studio.engine.diffusion  # noqa: F401, I001  (loads the libraries quietly)
import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionPipeline
from PIL import Image, ImageDraw

from studio.core.choices import ControlKind, Spacing
from studio.core.recipe import ControlUse, ImageRef, ModelRef, Recipe
from studio.engine.diffusion.denoise import ClassifierFree, denoise
from studio.engine.diffusion.engine import DiffusionEngine
from studio.engine.diffusion.latents import noise, seeded
from studio.engine.diffusion.previews import Previewer
from studio.engine.diffusion.schedulers import make_sampler, make_scheduler

ROOT = Path(__file__).resolve().parents[2]
STEPS, GUIDANCE, PROMPT = 20, 5.0, "a red house on green hills, blue sky"


def sketch() -> Image.Image:
    image = Image.new("RGB", (256, 256))
    ImageDraw.Draw(image).polygon([(60, 200), (60, 110), (128, 50), (196, 110), (196, 200)], outline="white", width=3)
    return image


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def compare(name: str, ours: Callable[[int], object], stock: Callable[[int], object], rounds: int) -> None:
    """Alternate A B / B A, print the median of the ratios A / B and the medians of both."""
    ours(0), stock(0)
    rows = []
    for turn in range(1, rounds + 1):
        if turn % 2:
            a, b = seconds(partial(ours, turn)), seconds(partial(stock, turn))
        else:
            b, a = seconds(partial(stock, turn)), seconds(partial(ours, turn))
        rows.append((a, b))
    ratios = sorted(a / b for a, b in rows)
    a, b = (statistics.median(column) for column in zip(*rows, strict=True))
    print(
        f"{name:<46}{statistics.median(ratios):>7.3f}   ({ratios[0]:.3f} ... {ratios[-1]:.3f})  {a:7.3f} s / {b:7.3f} s",
        flush=True,
    )


class Stock:
    """The stock pipelines over one model folder."""

    def __init__(self, folder: Path, config: dict[str, object]) -> None:
        wanted = {"local_files_only": True, "dtype": torch.float32}
        plain = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, **wanted)
        plain.set_progress_bar_config(disable=True)
        plain.scheduler = make_scheduler(config, "dpmpp_2m", Spacing.NORMAL)
        self.plain = plain
        controlnet = ControlNetModel.from_pretrained(folder / "controlnet", **wanted)
        parts = {**plain.components, "controlnet": controlnet}
        self.control = StableDiffusionControlNetPipeline(**parts, requires_safety_checker=False)
        self.control.set_progress_bar_config(disable=True)

    def __call__(self, seed: int, end: float | None = None) -> object:
        common = {"prompt": PROMPT, "num_inference_steps": STEPS, "guidance_scale": GUIDANCE,
                  "generator": torch.Generator().manual_seed(seed)}  # fmt: skip
        if end is None:
            return self.plain(**common, height=256, width=256)
        return self.control(**common, image=sketch(), control_guidance_end=end)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "resources" / "mini"
    stream = io.BytesIO()
    sketch().save(stream, "PNG")
    engine = DiffusionEngine((folder.parent,), lambda _: stream.getvalue(), "cpu")
    recipe = Recipe(
        prompt=PROMPT, seed=0, steps=STEPS, guidance_scale=GUIDANCE, model=ModelRef(name=folder.name), exact=True
    )
    engine.render(recipe, lambda _: True)
    use = ControlUse(kind=ControlKind.SCRIBBLE, image=ImageRef(digest="0" * 64))
    model = engine._made_ready().pool.get(folder.name, True, lambda: None)
    stock = Stock(folder, model.scheduler_config)

    def ours(seed: int, end: float | None = None) -> object:
        controls = () if end is None else (replace(use, end=end),)
        return engine.render(replace(recipe, seed=seed, controls=controls), lambda _: True)

    print(
        f"{'ratio of seconds, median (least ... most)':<46}{'ratio':>7}   {torch.get_num_threads()} threads, {rounds} rounds"
    )
    compare("picture / stock", ours, stock, rounds)
    compare("picture with ControlNet / stock", lambda s: ours(s, 1.0), lambda s: stock(s, 1.0), rounds)
    compare("picture with ControlNet, end 0.5 / stock", lambda s: ours(s, 0.5), lambda s: stock(s, 0.5), rounds)
    loop(model, rounds)
    times = [seconds(partial(ours, 100 + i)) for i in range(rounds)]
    print(f"{'one picture, 20 steps, guidance':<46}{statistics.median(times):>7.2f} s")
    print(f"{'peak memory of this process':<46}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:>7.0f} MiB")


def loop(model: object, rounds: int) -> None:
    """The loop against twenty bare calls of the UNet, and with against without previews."""
    text = model.text.branches(PROMPT, "", 2).states  # type: ignore[attr-defined]
    cells = 256 // model.vae_factor  # type: ignore[attr-defined]
    unet = model.unet  # type: ignore[attr-defined]

    def run(seed: int, preview: bool) -> object:
        generator = seeded(seed)
        scheduler = make_scheduler(model.scheduler_config, "dpmpp_2m", Spacing.NORMAL)  # type: ignore[attr-defined]
        sampler = make_sampler(scheduler, "dpmpp_2m", Spacing.NORMAL, STEPS, torch.device("cpu"), generator)
        start = noise(generator, model.latent_channels, cells, cells, torch.device("cpu")) * sampler.init_noise_sigma  # type: ignore[attr-defined]
        show = Previewer(model.to_rgb, sampler.prediction_type, sampler.alphas_cumprod)  # type: ignore[attr-defined]

        def look(result: object) -> torch.Tensor:
            show._next = 0.0  # every step, without the limit of previews a second
            show(result)  # type: ignore[arg-type]
            return result.latents  # type: ignore[attr-defined]

        return denoise(
            unet, sampler, start, text, guidance=ClassifierFree(GUIDANCE), after_step=(look,) if preview else ()
        )

    @torch.no_grad()
    def bare(seed: int) -> object:
        latents = torch.from_numpy(
            np.random.default_rng(seed).standard_normal((2, model.latent_channels, cells, cells), np.float32)
        )  # type: ignore[attr-defined]
        return [unet(latents, torch.tensor(500), encoder_hidden_states=text, return_dict=False) for _ in range(STEPS)]

    compare("loop / bare UNet calls", lambda s: run(s, False), bare, rounds)
    compare("loop with a preview each step / without", lambda s: run(s, True), lambda s: run(s, False), rounds)


if __name__ == "__main__":
    main()
