"""Which bytes a picture is made with: every model that a recipe names gets the SHA-256 of what lies here under its name.

Done when the model is loaded, before the first step: its files are in the system's cache then, a digest that is known
already costs nothing, and the recipe is complete when the picture is saved. So no PNG has to be written a second time,
and a recipe never names bytes that its picture was not made with.
"""

from __future__ import annotations

from dataclasses import replace

from studio.core.model_files import Kind
from studio.core.recipe import ModelRef, Recipe
from studio.engine.diffusion.models import ModelPool
from studio.engine.diffusion.progress import Reporter
from studio.engine.guests import Guests


def identified(guests: Guests, pool: ModelPool, report: Reporter) -> Recipe:
    """The recipe of `guests` with the digests of model, refiner, VAE and ControlNets, as far as it names them.

    A model whose bytes are others than the recipe names is said so. Raises `ModelMissing`, `RenderCancelled`.
    """
    recipe = guests.recipe

    def named(ref: ModelRef, kind: Kind = Kind.CHECKPOINT) -> ModelRef:
        here = pool.named(ref, kind, report.poll)
        if ref.sha256 and here.sha256 and here.sha256 != ref.sha256:
            guests.note_once(
                f"“{ref.name}” has other bytes here than the recipe names: {here.sha256[:10]} instead of {ref.sha256[:10]}."
            )
        return here if here.sha256 else ref

    # Untouched layers stay the objects they are: plugins' layers are known by identity.
    nets = [use.net and named(use.net, Kind.CONTROLNET) for use in recipe.controls]
    controls = tuple(
        use if net == use.net else replace(use, net=net) for use, net in zip(recipe.controls, nets, strict=True)
    )
    return replace(
        recipe,
        model=named(recipe.model),
        refiner=recipe.refiner and named(recipe.refiner),
        vae=recipe.vae and named(recipe.vae, Kind.VAE),
        controls=controls,
    )
