"""The diffusion engine: a recipe in, a picture out. Obeys `studio.engine.protocol.Engine`; one thread at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from studio import __version__
from studio.core.errors import BadRecipe, OutOfMemory, StudioError
from studio.core.events import EngineReady, Suggest
from studio.core.picture import MadeWith
from studio.core.pixels import Pixels
from studio.core.recipe import PluginRef, Recipe
from studio.engine.annotators import Annotators, check_detectors
from studio.engine.diffusion.compiled import Compiler
from studio.engine.diffusion.controls import Controls
from studio.engine.diffusion.devices import Device, choose_device, dtype_name, use_all_cores
from studio.engine.diffusion.experience import Experience
from studio.engine.diffusion.foresight import Foresight
from studio.engine.diffusion.identity import identified
from studio.engine.diffusion.latents import decode, decode_patiently, latents_of, undecoded
from studio.engine.diffusion.memory import as_out_of_memory, free, is_lack
from studio.engine.diffusion.models import Model, ModelPool
from studio.engine.diffusion.painting import Painter, check_size
from studio.engine.diffusion.placement import WORDS, Level, Placement, is_spoilt_for, levels_of
from studio.engine.diffusion.progress import Reporter, interruptible
from studio.engine.diffusion.snapshot import settings_kept
from studio.engine.estimate.need import may_rest_in_eight
from studio.engine.found_files import Stamp, still_there
from studio.engine.guests import Guests, OnFault
from studio.engine.intake.library import Library
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
    """Makes pictures with Stable Diffusion 1.x, 2.x and XL models. State: `_ready`, `_learnt`, and `_last`, the last job's
    picture.

    `on_fault` may be set at any time, from any thread: what becomes of the next picture when a plugin fails. So may
    `compiler.mode`.
    """

    def __init__(
        self,
        model_folders: tuple[Path, ...],
        read_image: ReadImage,
        device: str = "auto",
        plugins: PluginHost | None = None,
        on_fault: OnFault = "fail",
        library: Library | None = None,
        annotators: Annotators | None = None,
    ) -> None:
        self._model_folders, self._read_image, self._wanted = model_folders, read_image, device
        self._library = library
        self._annotators = annotators or Annotators(lambda: model_folders, library=library, device=device)
        self._plugins, self.on_fault = plugins, on_fault
        self._ready: _Ready | None = None
        self._last: tuple[tuple[object, ...], Rendered, tuple[Stamp, ...]] | None = None
        self.compiler = Compiler()
        self._foresee = Foresight(library, model_folders)
        self._learnt = Experience()

    def prepare(self) -> EngineReady:
        """Choose the device (the libraries came with this module). Raises `StudioError`."""
        device = self._made_ready().device
        return EngineReady(device=device.name, dtype=dtype_name(device.dtype), memory_bytes=device.memory_bytes)

    def render(self, recipe: Recipe, on_progress: OnProgress) -> Rendered:
        """The picture of a recipe; an unchanged job gives the picture it had. Raises `StudioError`, `RenderCancelled`."""
        levels = levels_of(self._made_ready().device.torch_device, may_rest_in_eight(recipe))
        level = self._learnt.begin(_demand(recipe), self._foresee(recipe, levels, self.prepare()), levels)
        while True:
            try:
                made = self._guarded(recipe, partial(self._render, recipe, Reporter(recipe.steps, on_progress), level))
            except OutOfMemory:
                slower = self._learnt.lacked(_demand(recipe), level, levels)
                if slower is None:
                    raise
            else:
                if not made.reused:
                    self._learnt.made(_demand(recipe), level, levels)
                return made
            level = slower  # outside `except`: the error keeps nothing alive by now

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

    def forget(self) -> None:
        """Compute the next picture also if it is the last one again. In the engine's thread."""
        self._last = None

    def close(self) -> None:
        """Let go of models and device memory."""
        self.compiler.close()
        self._let_go()
        self._ready = None

    def _render(self, recipe: Recipe, report: Reporter, level: Level) -> Rendered:
        began, ready = time.monotonic(), self._made_ready()
        guests = Guests(self._plugins, self._read_image, recipe, self.on_fault, as_out_of_memory)
        guests.look_up()
        guests.write_prompt(report.phase)
        if level in WORDS:
            guests.note_once(WORDS[level])
        while True:
            try:
                return self._attempt(guests, ready, report, began, level)
            except StudioError as error:
                if not guests.leave_out(error):
                    raise

    def _attempt(self, guests: Guests, ready: _Ready, report: Reporter, began: float, level: Level) -> Rendered:
        """Make the picture with the guests that are left."""
        check_detectors(guests.recipe, self._annotators)
        model = self._loaded(guests.recipe, ready, report)
        guests.recipe = ready.controls.with_nets(guests.recipe, model)
        guests.recipe = recipe = identified(guests, ready.pool, report)
        made_from = recipe, model.key, guests.sampler_version, level, self._annotators.stamps(recipe)
        last = self._last
        if last is not None and last[0] == made_from and still_there(last[2]) and not guests.faults:
            return replace(last[1], reused=True, recipe=guests.changed_recipe(last[1].recipe))
        self._last = None
        if is_spoilt_for(model, level):
            ready.pool.clear()
            model = self._loaded(recipe, ready, report)
        ready.pool.make_room_for(model, recipe.controls, alone=level >= Level.TILES)
        place = Placement(model, level)
        pixels = self._paint(guests, model, ready, report, began, place)
        rendered = _finished(guests, model, ready, pixels, report, began, self.compiler.words)
        if not guests.faults:
            self._last = (made_from, rendered, tuple(guests.files.stamps))
        return rendered

    def _decode(self, kept: Undecoded, report: Reporter) -> Rendered:
        """What is left of a picture whose loop has run: decode, picture tools, scorers."""
        began, ready, recipe = time.monotonic() - kept.seconds, self._made_ready(), kept.recipe
        guests = Guests(self._plugins, self._read_image, recipe, self.on_fault, as_out_of_memory)
        guests.look_up()
        model = self._loaded(recipe, ready, report)
        place = Placement(model, self._learnt.levels.get(_demand(recipe), Level.WHOLE))
        report.phase("decoding")
        with place.at_work(model.vae), interruptible((model.vae.decoder,), report):
            pixels = decode_patiently(model.vae, latents_of(kept).to(model.device), recipe.tiling)
        return replace(_finished(guests, model, ready, pixels, report, began), recipe=guests.made_recipe())

    def _paint(
        self, guests: Guests, model: Model, ready: _Ready, report: Reporter, began: float, place: Placement
    ) -> Pixels:
        """Latents, told to whoever keeps them, then pixels."""
        recipe = guests.recipe
        check_size(recipe.size, model)
        painter = Painter(
            controls=ready.controls,
            read_image=self._read_image,
            report=report,
            spoilt=ready.pool.clear,
            place=place,
            tiny=ready.pool.tiny,
            compiler=self.compiler,
        )
        with ExitStack() as stack:
            latents = painter.paint(guests, model, _refiner_of(recipe, model, ready, report), stack)
            report.decoding(undecoded(latents, guests.made_recipe(), time.monotonic() - began))
            with place.at_work(model.vae), interruptible((model.vae.decoder,), report):
                try:
                    return _looked_at(decode(model.vae, latents, recipe.tiling), guests)
                except (MemoryError, RuntimeError) as error:
                    if not is_lack(error):
                        raise
                free()  # the loop has run: better slowly than again
                guests.note_once("Memory was short: the picture was decoded in tiles, on the processor.")
                return _looked_at(decode_patiently(model.vae, latents, recipe.tiling), guests)

    def _loaded(self, recipe: Recipe, ready: _Ready, report: Reporter) -> Model:
        """The model of a recipe, with another VAE in it where the recipe names one."""
        report.phase(f"loading {recipe.model.name}")
        model = ready.pool.get(recipe.model, recipe.exact, report.poll)
        if recipe.vae is None:
            return model
        report.phase(f"loading {recipe.vae.name}")
        return replace(model, vae=ready.pool.vae(recipe.vae, model, recipe.exact))

    def _made_ready(self) -> _Ready:
        be_quiet()
        if self._ready is None:
            use_all_cores()
            device = choose_device(self._wanted)
            pool = ModelPool(self._model_folders, device, self._library)
            self._ready = _Ready(device, pool, Controls(pool, self._read_image, self._annotators))
        return self._ready

    def _let_go(self) -> None:
        self._last = None
        if self._ready is not None:
            self._ready.controls.clear()
            self._ready.pool.clear()
        self._annotators.clear()
        free()


def _finished(
    guests: Guests,
    model: Model,
    ready: _Ready,
    pixels: Pixels,
    report: Reporter,
    began: float,
    more: tuple[tuple[str, str], ...] = (),
) -> Rendered:
    """A decoded picture after picture tools and scorers, with its circumstances and `more` of them."""
    pixels = guests.retouch(pixels, report.phase)
    scores = guests.score(pixels, report.phase)
    made_with = replace(_made_with(model, ready.device, pixels, began), scores=scores, notes=tuple(guests.notes))
    if guests.sampler_version is not None:
        more = (*more, _version_of(guests.sampler_version))
    made_with = replace(made_with, versions=(*made_with.versions, *more))
    return Rendered(pixels=pixels, made_with=made_with, recipe=guests.changed_recipe())


def _looked_at(pixels: Pixels, guests: Guests) -> Pixels:
    """The pixels; when they are black all over, that is said."""
    if not any(pixels.data):
        guests.note_once("The picture is black all over; “exact” (32-bit floats) or another VAE may help.")
    return pixels


def _demand(recipe: Recipe) -> tuple[object, ...]:
    """What decides how much memory a picture takes."""
    counts = len(recipe.controls), len(recipe.plugins)
    return recipe.model, recipe.refiner, recipe.size, recipe.exact, counts, may_rest_in_eight(recipe)


def _refiner_of(recipe: Recipe, model: Model, ready: _Ready, report: Reporter) -> Callable[[], Model] | None:
    """What loads the refiner of a recipe, if it names one. Raises `BadRecipe` before that where it cannot fit."""
    wanted = recipe.refiner
    if wanted is None:
        return None
    if model.family != "sdxl":
        raise BadRecipe(f"A refiner goes with SDXL models; {model.name} is none.", "Choose no refiner.")

    def load() -> Model:
        report.phase(f"loading {wanted.name}")
        refiner = ready.pool.get(wanted, recipe.exact, report.poll, beside=model)
        if not refiner.is_xl:
            raise BadRecipe(f"“{wanted.name}” is no refiner for {model.name}.", "Choose SDXL's refiner, or none.")
        return refiner

    return load


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
