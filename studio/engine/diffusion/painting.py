"""From a recipe and a loaded model to finished latents: adapters, text, controls, guides, noise, loop, refiner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.core.budget import Level
from studio.core.choices import Tiling
from studio.core.errors import BadRecipe
from studio.core.lora_marks import first_mark
from studio.core.plugins import PartType
from studio.core.recipe import Recipe, Size
from studio.core.schedulers import scheduler_name
from studio.engine.diffusion.adapters import Attached, PluginResiduals, ResidualShapes, attach_all, denoiser_of
from studio.engine.diffusion.beginnings import start_latents
from studio.engine.diffusion.compiled import CompiledJob, Compiler
from studio.engine.diffusion.conditioning import read_prompt, timestep_cond, word_note
from studio.engine.diffusion.controls import Controls
from studio.engine.diffusion.denoise import ClassifierFree, Guidance, Residuals, StepResult, Unguided, denoise
from studio.engine.diffusion.freeu import freed
from studio.engine.diffusion.guest_sampler import GuestSampler
from studio.engine.diffusion.guides import Source, prepare_guides
from studio.engine.diffusion.latents import seeded
from studio.engine.diffusion.models import Model
from studio.engine.diffusion.pacing import looking
from studio.engine.diffusion.placement import Placement
from studio.engine.diffusion.previews import Previewer
from studio.engine.diffusion.progress import Reporter, interruptible
from studio.engine.diffusion.schedulers import DiffusersSampler, make_sampler, make_scheduler
from studio.engine.diffusion.seamless import seamless, works_in_tiles
from studio.engine.diffusion.tiny import TinyDecoder
from studio.engine.guests import Guests
from studio.engine.protocol import ReadImage

HOST = torch.device("cpu")  # where solvers look up their numbers: they would wait for a graphics card at each step


@dataclass(frozen=True, slots=True, kw_only=True)
class Painter:
    """All that is needed to make latents of recipes. `refiner` gives the model that takes over, loaded when needed."""

    controls: Controls
    read_image: ReadImage
    report: Reporter
    spoilt: Callable[[], None]  # called when a plugin left a model changed
    place: Placement
    tiny: Callable[[Model], TinyDecoder | None]  # for sharp previews
    compiler: Compiler

    def paint(self, guests: Guests, model: Model, refiner: Callable[[], Model] | None, stack: ExitStack) -> Tensor:
        """Latents (1, channels, height / f, width / f) of the finished picture. Adapters go with `stack`.

        Raises `StudioError`, `RenderCancelled`.
        """
        recipe, report = guests.recipe, self.report
        guidance = guidance_of(recipe, model)
        generator = seeded(recipe.seed)
        sampler = _sampler(guests, model, generator)
        calls = len(sampler.timesteps)
        if refiner is not None:
            sampler.stop_at(recipe.refine_at)
        source = Source(
            model.unet, model.vae, sampler.prediction_type, sampler.alphas_cumprod, timestep_cond(recipe, model)
        )
        denoiser = denoiser_of(model, recipe.size, guidance.branches)
        adapters = attach_all(guests, denoiser, stack, report.phase, self.spoilt)
        report.phase("reading the prompt")
        with self.place.at_work(*(tower.model for tower in model.text.towers)):
            said = read_prompt(recipe, model, guidance.branches, adapters)
        for word in dict.fromkeys(word for adapter in adapters for word in adapter.steering.words):
            if note := word_note(word, recipe, model, guidance.branches):
                guests.note_once(note)
        if (mark := first_mark(recipe.prompt)) is not None:
            guests.note_once(f"“{mark.text.strip(' ,')}” was read as plain text: a LoRA is a layer here.")
        plain = not adapters and recipe.freeu is None and recipe.tiling is Tiling.OFF and not recipe.exact
        job = stack.enter_context(self.compiler.job(plain and self.place.level is Level.WHOLE))
        with self.place.at_work(*model.controlnets.values()):
            residuals = self._residuals(guests, model, guidance.branches, adapters, job)
        pull = prepare_guides(guests, denoiser, source, report.phase)
        if recipe.init is not None:
            report.phase("reading the picture")
        with self.place.at_work(*([] if recipe.init is None else [model.vae])), _closed_vae(recipe, model):
            start = start_latents(recipe, model, sampler, generator, self.read_image)
        networks = (model.unet, *model.controlnets.values())
        stack.enter_context(freed(model.unet, recipe.freeu))
        stack.enter_context(seamless(networks, recipe.tiling))
        if refiner is not None and (before := _before_refining(recipe)):
            guests.note_once(
                f"The refiner's steps are guided by the prompt alone: {before} act in the steps before them."
            )
        report.begin()
        with self.place.at_work(*networks, *([] if pull is None else [model.vae])), interruptible(networks, report):
            latents = denoise(
                job.of(model.unet),
                sampler,
                start,
                said.text,
                guidance=guidance,
                residuals=residuals,
                pull=pull,
                after_step=(looking(_Watch(report, self._previewer(model, sampler), 0, calls), model.device),),
                timestep_cond=said.timestep_cond,
                added=said.added,
            )
        return latents if refiner is None else self._refine(recipe, refiner, latents, generator, calls)

    def _refine(
        self, recipe: Recipe, refiner: Callable[[], Model], latents: Tensor, generator: torch.Generator, calls: int
    ) -> Tensor:
        """The last steps, by SDXL's refiner: the prompt alone guides them."""
        model, report = refiner(), self.report
        place = Placement(model, self.place.level)
        sampler = _own_sampler(recipe, model, generator)
        sampler.go_on_from(recipe.refine_at)
        if recipe.init is not None:
            sampler.repaint(recipe.strength)
        left = len(sampler.timesteps)
        if not left:
            return latents
        report.phase("reading the prompt")
        guidance = guidance_of(recipe, model)
        with place.at_work(*(tower.model for tower in model.text.towers)):
            said = read_prompt(recipe, model, guidance.branches)
        report.phase("refining")
        watch = _Watch(report, self._previewer(model, sampler), max(calls - left, 0), max(calls, left))
        wraps = seamless((model.unet,), recipe.tiling)
        with place.at_work(model.unet), interruptible((model.unet,), report), wraps:
            return denoise(
                model.unet,
                sampler,
                latents,
                said.text,
                guidance=guidance,
                after_step=(looking(watch, model.device),),
                timestep_cond=said.timestep_cond,
                added=said.added,
            )

    def _previewer(self, model: Model, sampler: DiffusersSampler) -> Previewer:
        tiny = self.tiny(model) if self.place.level < Level.TILES else None  # where memory was short, nothing more
        return Previewer(model.to_rgb, sampler.prediction_type, sampler.alphas_cumprod, tiny)

    def _residuals(
        self, guests: Guests, model: Model, branches: int, adapters: Sequence[Attached], job: CompiledJob
    ) -> list[Residuals]:
        """ControlNets and what adapters add, in the order of the recipe: control layers, then plugin layers."""
        recipe = guests.recipe
        if recipe.controls:
            self.report.phase("preparing controls")
        height, width = recipe.size.height // model.vae_factor, recipe.size.width // model.vae_factor
        shapes = ResidualShapes.of(model.unet, height, width)
        given: dict[int, Residuals] = {
            id(adapter.guest.asked): PluginResiduals(adapter, adapter.steering.residuals, shapes)
            for adapter in adapters
            if adapter.steering.residuals is not None
        }
        scarce = self.place.level >= Level.TILES
        ready_made = self.controls.prepare(
            recipe, model, branches, self.report.poll, given, guests.note_once, job, scarce
        )
        return ready_made + [given[id(use)] for use in recipe.plugins if id(use) in given]


@dataclass(frozen=True, slots=True)
class _Watch:
    """After each step: tell how far it is, show a preview, and learn whether to go on. Obeys `denoise.AfterStep`."""

    report: Reporter
    preview: Previewer
    before: int  # denoiser calls of another model, done already
    calls: int  # of both together

    def __call__(self, result: StepResult) -> Tensor:
        done = self.before + result.context.index + 1
        self.report.step_done(min(done, self.calls), self.calls, self.preview(result))
        return result.latents


def _before_refining(recipe: Recipe) -> str:
    """What of a recipe works on the base model and not on its refiner, in words."""
    works = {
        "control layers": bool(recipe.controls),
        "plugins": any(use.type in (PartType.ADAPTER, PartType.GUIDE) for use in recipe.plugins),
        "FreeU": recipe.freeu is not None,
    }
    return " and ".join(name for name, there in works.items() if there)


def _closed_vae(recipe: Recipe, model: Model) -> AbstractContextManager[None]:
    """The autoencoder as it reads a picture that is to have no seam; in tiles it reads it as any other."""
    height, width = recipe.size.height // model.vae_factor, recipe.size.width // model.vae_factor
    in_tiles = recipe.init is None or works_in_tiles(model.vae, height, width)
    return seamless((model.vae,), Tiling.OFF if in_tiles else recipe.tiling)


def check_size(size: Size, model: Model) -> None:
    """Raise `BadRecipe` unless the VAE can make a picture of exactly this size."""
    factor = model.vae_factor
    if size.width % factor or size.height % factor:
        near = Size(width=_nearest(size.width, factor), height=_nearest(size.height, factor))
        raise BadRecipe(
            f"{model.name} makes pictures whose sides are multiples of {factor}; {size} is not.",
            f"The nearest size is {near}.",
        )


def guidance_of(recipe: Recipe, model: Model) -> Guidance:
    """Classifier-free guidance above 1, none otherwise, and none for UNets that were distilled with the scale."""
    if recipe.guidance_scale > 1 and model.unet.config.time_cond_proj_dim is None:
        return ClassifierFree(recipe.guidance_scale, rescale=recipe.guidance_rescale)
    return Unguided()


def _nearest(side: int, factor: int) -> int:
    return max(factor, int(side / factor + 0.5) * factor)


def _sampler(guests: Guests, model: Model, generator: torch.Generator) -> DiffusersSampler:
    recipe, guest = guests.recipe, guests.sampler()
    if guest is not None:
        if recipe.refiner is not None:
            raise BadRecipe("A plugin's scheduler cannot hand over to a refiner.", "Choose another one, or no refiner.")
        sampler: DiffusersSampler = GuestSampler(
            guests, guest, model.scheduler_config, recipe.steps, model.device, generator
        )
    else:
        sampler = _own_sampler(recipe, model, generator)
        if sampler.leaves_zero_snr(model.scheduler_config):
            name = scheduler_name(recipe.scheduler, recipe.spacing)
            guests.note_once(
                f"{name} cannot begin in pure noise, as {model.name} was made for (zero terminal SNR): the picture may lack"
                " deep shadows and bright lights. DPM++ 2M, Euler, DDIM and UniPC can."
            )
    if recipe.init is not None:
        sampler.repaint(recipe.strength)
    return sampler


def _own_sampler(recipe: Recipe, model: Model, generator: torch.Generator) -> DiffusersSampler:
    scheduler = make_scheduler(
        model.scheduler_config,
        recipe.scheduler,
        recipe.spacing,
        seed=recipe.seed,
        learns_variance=model.learns_variance,
    )
    return make_sampler(scheduler, recipe.scheduler, recipe.spacing, recipe.steps, HOST, generator)
