"""The diffusion engine: a recipe in, a picture out. Obeys `studio.engine.protocol.Engine`; one thread at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor

from studio import __version__
from studio.core.errors import BadRecipe, OutOfMemory, StudioError
from studio.core.events import EngineReady, Suggest
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.recipe import PluginRef, Recipe, Size
from studio.engine.diffusion.adapters import Attached, PluginResiduals, ResidualShapes, attach_all, denoiser_of
from studio.engine.diffusion.controls import Controls
from studio.engine.diffusion.denoise import ClassifierFree, Guidance, Residuals, StepResult, Unguided, denoise
from studio.engine.diffusion.devices import Device, choose_device, dtype_name, use_all_cores
from studio.engine.diffusion.guest_sampler import GuestSampler
from studio.engine.diffusion.guides import Source, prepare_guides
from studio.engine.diffusion.latents import decode, decode_patiently, latents_of, noise, seeded, undecoded
from studio.engine.diffusion.memory import as_out_of_memory, free
from studio.engine.diffusion.models import Model, ModelPool
from studio.engine.diffusion.previews import Previewer
from studio.engine.diffusion.progress import Reporter, interruptible
from studio.engine.diffusion.prompts import guidance_embedding
from studio.engine.diffusion.schedulers import DiffusersSampler, make_sampler, make_scheduler
from studio.engine.diffusion.snapshot import settings_kept
from studio.engine.guests import Guests, OnFault
from studio.engine.libraries import be_quiet
from studio.engine.protocol import OnProgress, PluginHost, ReadImage, Rendered, Undecoded

VERSIONS = tuple((name, version(name)) for name in ("torch", "diffusers", "transformers"))


@dataclass(frozen=True, slots=True)
class _Ready:
    """What exists once the device is chosen."""

    device: Device
    pool: ModelPool
    controls: Controls


class DiffusionEngine:
    """Makes pictures with Stable Diffusion 1.x and 2.x models. State: `_ready`, and `_last`, the last job's picture.

    `on_fault` may be set at any time, from any thread: what becomes of the next picture when a plugin fails.
    """

    def __init__(
        self,
        model_folders: tuple[Path, ...],
        read_image: ReadImage,
        device: str = "auto",
        plugins: PluginHost | None = None,
        on_fault: OnFault = "fail",
    ) -> None:
        self._model_folders, self._read_image, self._wanted = model_folders, read_image, device
        self._plugins, self.on_fault = plugins, on_fault
        self._ready: _Ready | None = None
        self._last: tuple[tuple[Recipe, object, PluginRef | None], Rendered] | None = None

    def prepare(self) -> EngineReady:
        """Choose the device (the libraries came with this module). Raises `StudioError`."""
        device = self._made_ready().device
        return EngineReady(device=device.name, dtype=dtype_name(device.dtype), memory_bytes=device.memory_bytes)

    def render(self, recipe: Recipe, on_progress: OnProgress) -> Rendered:
        """The picture of a recipe; an unchanged job gives the picture it had. Raises `StudioError`, `RenderCancelled`."""
        return self._guarded(recipe, lambda: self._render(recipe, Reporter(recipe.steps, on_progress)))

    def decode(self, kept: Undecoded, on_progress: OnProgress) -> Rendered:
        """The picture of latents that `render` told before. Raises `StudioError`, `RenderCancelled`."""
        recipe = kept.recipe
        return self._guarded(recipe, lambda: self._decode(kept, Reporter(recipe.steps, on_progress)))

    def _guarded(self, recipe: Recipe, work: Callable[[], Rendered]) -> Rendered:
        lack: OutOfMemory | None
        try:
            self._made_ready()  # sets the number of threads, which is to stay
            with settings_kept():
                return work()
        except OutOfMemory as error:  # said inside a plugin's fence
            lack = error
        except (MemoryError, RuntimeError) as error:
            lack = as_out_of_memory(error, recipe)
            if lack is None:
                raise
        self._let_go()
        lack.__context__ = lack.__cause__ = None  # they would keep frames, and with them the tensors
        raise lack.with_traceback(None)

    def suggest(self, errand: Suggest) -> tuple[str, ...]:
        """What a prompt tool makes of a text. Raises `StudioError`."""
        self._made_ready()
        with settings_kept():
            return Guests(self._plugins, self._read_image, Recipe(prompt="", seed=0)).suggest(errand)

    def close(self) -> None:
        """Let go of models and device memory."""
        self._let_go()
        self._ready = None

    def _render(self, recipe: Recipe, report: Reporter) -> Rendered:
        began, ready = time.monotonic(), self._made_ready()
        guests = Guests(self._plugins, self._read_image, recipe, self.on_fault, as_out_of_memory)
        guests.look_up()
        guests.write_prompt(report.phase)
        while True:
            try:
                return self._attempt(guests, ready, report, began)
            except StudioError as error:
                if not guests.leave_out(error):
                    raise

    def _attempt(self, guests: Guests, ready: _Ready, report: Reporter, began: float) -> Rendered:
        """Make the picture with the guests that are left."""
        recipe = guests.recipe
        report.phase(f"loading {recipe.model.name}")
        model = ready.pool.get(recipe.model.name, recipe.exact, report.poll)
        made_from = recipe, model.key, guests.sampler_version
        if self._last is not None and self._last[0] == made_from and not guests.faults:
            return replace(self._last[1], reused=True, recipe=guests.changed_recipe())
        self._last = None
        rendered = _finished(guests, model, ready, self._paint(guests, model, ready, report, began), report, began)
        if not guests.faults:
            self._last = (made_from, rendered)
        return rendered

    def _decode(self, kept: Undecoded, report: Reporter) -> Rendered:
        """What is left of a picture whose loop has run: decode, picture tools, scorers."""
        began, ready, recipe = time.monotonic() - kept.seconds, self._made_ready(), kept.recipe
        guests = Guests(self._plugins, self._read_image, recipe, self.on_fault, as_out_of_memory)
        guests.look_up()
        report.phase(f"loading {recipe.model.name}")
        model = ready.pool.get(recipe.model.name, recipe.exact, report.poll)
        report.phase("decoding")
        with interruptible((model.vae.decoder,), report):
            pixels = decode_patiently(model.vae, latents_of(kept).to(model.device))
        return replace(_finished(guests, model, ready, pixels, report, began), recipe=guests.recipe)

    def _paint(self, guests: Guests, model: Model, ready: _Ready, report: Reporter, began: float) -> Pixels:
        """Adapters, text, controls, guides, noise, loop, decode: one named step after the other."""
        recipe = guests.recipe
        check_size(recipe.size, model)
        guidance = guidance_of(recipe, model)
        generator = seeded(recipe.seed)
        sampler = _sampler(guests, model, generator)
        denoiser = denoiser_of(model, recipe.size, guidance.branches)
        source = Source(
            model.unet, model.vae, sampler.prediction_type, sampler.alphas_cumprod, _timestep_cond(recipe, model)
        )
        with ExitStack() as stack:
            adapters = attach_all(guests, denoiser, stack, report.phase, ready.pool.clear)
            report.phase("reading the prompt")
            text = _read_prompt(recipe, model, guidance.branches, adapters)
            residuals = _residuals(recipe, model, ready, guidance.branches, adapters, report)
            pull = prepare_guides(guests, denoiser, source, report.phase)
            start = _start_latents(recipe, model, sampler, generator)
            report.begin()
            with interruptible((model.unet, *model.controlnets.values()), report):
                latents = denoise(
                    model.unet,
                    sampler,
                    start,
                    text,
                    guidance=guidance,
                    residuals=residuals,
                    pull=pull,
                    after_step=(_Watch(report, _previewer(model, sampler)),),
                    timestep_cond=source.timestep_cond,
                )
            report.decoding(undecoded(latents, recipe, time.monotonic() - began))
            with interruptible((model.vae.decoder,), report):
                return decode(model.vae, latents)

    def _made_ready(self) -> _Ready:
        be_quiet()
        if self._ready is None:
            use_all_cores()
            device = choose_device(self._wanted)
            pool = ModelPool(self._model_folders, device)
            self._ready = _Ready(device, pool, Controls(pool, self._read_image))
        return self._ready

    def _let_go(self) -> None:
        self._last = None
        if self._ready is not None:
            self._ready.controls.clear()
            self._ready.pool.clear()
        free()


@dataclass(frozen=True, slots=True)
class _Watch:
    """After each step: tell how far it is, show a preview, and learn whether to go on. Obeys `denoise.AfterStep`."""

    report: Reporter
    preview: Previewer

    def __call__(self, result: StepResult) -> Tensor:
        step = result.context
        self.report.step_done(step.index + 1, step.count, self.preview(result))
        return result.latents


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
        return ClassifierFree(recipe.guidance_scale)
    return Unguided()


def _nearest(side: int, factor: int) -> int:
    return max(factor, int(side / factor + 0.5) * factor)


def _read_prompt(recipe: Recipe, model: Model, branches: int, adapters: Sequence[Attached]) -> Tensor:
    text = model.text.branches(recipe.prompt, recipe.negative_prompt, branches, fresh=bool(adapters))
    for adapter in adapters:
        text = adapter.text(text)
    return text


def _residuals(
    recipe: Recipe, model: Model, ready: _Ready, branches: int, adapters: Sequence[Attached], report: Reporter
) -> list[Residuals]:
    """ControlNets and what adapters add, in the order of the recipe: control layers, then plugin layers."""
    if recipe.controls:
        report.phase("preparing controls")
    height, width = recipe.size.height // model.vae_factor, recipe.size.width // model.vae_factor
    shapes = ResidualShapes.of(model.unet, height, width)
    given: dict[int, Residuals] = {
        id(adapter.guest.asked): PluginResiduals(adapter, adapter.steering.residuals, shapes)
        for adapter in adapters
        if adapter.steering.residuals is not None
    }
    ready_made = ready.controls.prepare(recipe, model, branches, report.poll, given)
    return ready_made + [given[id(use)] for use in recipe.plugins if id(use) in given]


def _previewer(model: Model, sampler: DiffusersSampler) -> Previewer:
    return Previewer(model.to_rgb, sampler.prediction_type, sampler.alphas_cumprod)


def _sampler(guests: Guests, model: Model, generator: torch.Generator) -> DiffusersSampler:
    recipe, guest = guests.recipe, guests.sampler()
    if guest is not None:
        return GuestSampler(guests, guest, model.scheduler_config, recipe.steps, model.device, generator)
    scheduler = make_scheduler(
        model.scheduler_config,
        recipe.scheduler,
        recipe.spacing,
        seed=recipe.seed,
        learns_variance=model.learns_variance,
    )
    return make_sampler(scheduler, recipe.scheduler, recipe.spacing, recipe.steps, model.device, generator)


def _start_latents(recipe: Recipe, model: Model, sampler: DiffusersSampler, generator: torch.Generator) -> Tensor:
    height, width = recipe.size.height // model.vae_factor, recipe.size.width // model.vae_factor
    drawn = noise(generator, model.latent_channels, height, width, model.device)
    return torch.mul(drawn, sampler.init_noise_sigma)


def _timestep_cond(recipe: Recipe, model: Model) -> Tensor | None:
    features = model.unet.config.time_cond_proj_dim
    return None if features is None else guidance_embedding(recipe.guidance_scale, features, model.device, model.dtype)


def _finished(guests: Guests, model: Model, ready: _Ready, pixels: Pixels, report: Reporter, began: float) -> Rendered:
    """A decoded picture after picture tools and scorers, with its circumstances."""
    pixels = guests.retouch(pixels, report.phase)
    scores = guests.score(pixels, report.phase)
    made_with = replace(_made_with(model, ready.device, pixels, began), scores=scores, notes=tuple(guests.notes))
    if guests.sampler_version is not None:
        made_with = replace(made_with, versions=(*made_with.versions, _version_of(guests.sampler_version)))
    return Rendered(pixels=pixels, made_with=made_with, recipe=guests.changed_recipe())


def _version_of(plugin: PluginRef) -> tuple[str, str]:
    return f"plugin {plugin.id}", f"{plugin.version} {plugin.digest[:12]}".strip()


def _made_with(model: Model, device: Device, pixels: Pixels, began: float) -> MadeWith:
    return MadeWith(
        studio=__version__,
        device=device.name,
        dtype=dtype_name(model.dtype),
        seconds=time.monotonic() - began,
        model_digest=model.digest,
        versions=VERSIONS,
        pixel_sha256=pixels.sha256,
    )
