"""The stock diffusers pipelines over the tiny models: what the studio's loop is compared with. Knows no engine but its
schedulers and control maps."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from studio.core.recipe import Recipe
from studio.engine.control_maps import control_map
from studio.engine.diffusion.parts import ready
from studio.engine.diffusion.schedulers import make_scheduler
from tests.engine.conftest import DRAWINGS


@dataclass
class Stock:
    """Pipelines over the models of some folders; the loaded parts are kept."""

    folders: tuple[Path, ...]
    loaded: dict[str, Any] = field(default_factory=dict)

    def run(self, recipe: Recipe, **more: Any) -> tuple[Any, bytes]:
        """Latents and pixels of a recipe, through the pipeline that its family and its fields call for."""
        base = self.base(recipe.model.name)
        generator = torch.Generator("cpu").manual_seed(recipe.seed)
        if recipe.refiner is None:
            return self._call(self._pipeline(base, recipe), recipe, generator, **more)
        first = self._pipeline(base, recipe)
        latents = self._call(first, recipe, generator, denoising_end=recipe.refine_at, output_type="latent", **more)[0]
        import diffusers

        other = self.base(recipe.refiner.name)
        parts = dict(other.components) | {"scheduler": self._scheduler(other, recipe)}
        second = diffusers.StableDiffusionXLImg2ImgPipeline(**parts, requires_aesthetics_score=True)
        second.set_progress_bar_config(disable=True)
        return self._call(second, recipe, generator, image=latents, denoising_start=recipe.refine_at, strength=None)

    def base(self, name: str) -> Any:
        """The loaded pipeline of a model."""
        import diffusers

        if name not in self.loaded:
            folder = next(folder / name for folder in self.folders if (folder / name).is_dir())
            is_xl = (folder / "text_encoder_2").is_dir()
            plain = {} if is_xl else {"safety_checker": None, "requires_safety_checker": False}
            kind = diffusers.StableDiffusionXLPipeline if is_xl else diffusers.StableDiffusionPipeline
            base = kind.from_pretrained(str(folder), dtype=torch.float32, local_files_only=True, **plain)
            for part in base.components.values():
                if isinstance(part, torch.nn.Module):
                    ready(part)  # weights at the studio's alignment: the stock classes' last bits depend on it
            base.folder, base.is_xl = folder, is_xl
            base.scheduler_config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8"))
            self.loaded[name] = base
        return self.loaded[name]

    def _call(self, pipeline: Any, recipe: Recipe, generator: Any, **more: Any) -> tuple[Any, bytes]:
        kept: list[Any] = []

        def keep(_pipe: Any, _index: int, _t: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            kept[:] = [tensors["latents"].clone()]
            return {}

        begins = "Img2Img" in type(pipeline).__name__
        size = {} if begins else {"width": recipe.size.width, "height": recipe.size.height}
        if begins and recipe.init is not None and "image" not in more:
            more |= {"image": opened(recipe.init.digest), "strength": recipe.strength}
        if more.get("strength", 0) is None:
            del more["strength"]
        images = pipeline(
            recipe.prompt,
            negative_prompt=recipe.negative_prompt or None,
            num_inference_steps=recipe.steps,
            guidance_scale=recipe.guidance_scale,
            generator=generator,
            callback_on_step_end=keep,
            **size,
            **self._controls(recipe, begins and bool(recipe.controls)),
            **more,
        ).images
        return kept[0], b"" if isinstance(images, torch.Tensor) else images[0].tobytes()

    def _pipeline(self, base: Any, recipe: Recipe) -> Any:
        import diffusers

        parts = dict(base.components) | {"scheduler": self._scheduler(base, recipe)}
        name = "StableDiffusionXL" if base.is_xl else "StableDiffusion"
        if recipe.controls:
            folder = str(base.folder / "controlnet")
            net = diffusers.ControlNetModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
            ready(net)
            parts["controlnet"] = net if len(recipe.controls) == 1 else [net] * len(recipe.controls)
        name += ("ControlNet" if recipe.controls else "") + ("Img2Img" if recipe.init is not None else "")
        if base.is_xl:
            parts |= {"force_zeros_for_empty_prompt": base.config.force_zeros_for_empty_prompt}
        else:
            parts |= {"requires_safety_checker": False}
        pipeline = getattr(diffusers, f"{name}Pipeline")(**parts)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def _scheduler(self, base: Any, recipe: Recipe) -> Any:
        learned = base.unet.config.out_channels == 2 * base.unet.config.in_channels
        return make_scheduler(
            base.scheduler_config, recipe.scheduler, recipe.spacing, seed=recipe.seed, learns_variance=learned
        )

    def _controls(self, recipe: Recipe, begins: bool) -> dict[str, Any]:
        if not recipe.controls:
            return {}
        maps = [control_map(use, recipe.size, DRAWINGS[use.image.digest]) for use in recipe.controls]
        images = [Image.frombytes("RGB", (m.width, m.height), m.data) for m in maps]
        lists = {
            "control_image" if begins else "image": images,
            "controlnet_conditioning_scale": [use.weight for use in recipe.controls],
            "control_guidance_start": [use.start for use in recipe.controls],
            "control_guidance_end": [use.end for use in recipe.controls],
        }
        return {name: values[0] if len(values) == 1 else values for name, values in lists.items()}


def opened(digest: str) -> Image.Image:
    """A drawing as Pillow has it."""
    return Image.open(io.BytesIO(DRAWINGS[digest])).convert("RGB")


def assert_same(engine: Any, stock: Stock, recipe: Recipe, monkeypatch: Any, **more: Any) -> None:
    """Run both and compare every bit of the latents and of the pixels."""
    from studio.engine.diffusion import engine as module

    seen: list[Any] = []
    decode = module.decode
    monkeypatch.setattr(module, "decode", lambda vae, latents, *_: seen.append(latents.clone()) or decode(vae, latents))
    ours = engine.render(recipe, lambda progress: True)
    latents, pixels = stock.run(recipe, **more)
    assert torch.isfinite(latents).all()
    assert torch.equal(seen[0], latents), float((seen[0] - latents).abs().max())
    assert ours.pixels.data == pixels
