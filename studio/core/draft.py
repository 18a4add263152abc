"""The Draft: what the panels say. Its seed may be open and its count more than one; `expand` makes recipes of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from studio.core.choices import Spacing, Tiling
from studio.core.errors import BadRecipe
from studio.core.recipe import (
    DEFAULT_SIZE,
    MINI,
    SEED_MAX,
    ControlUse,
    FreeU,
    ImageRef,
    ModelRef,
    PluginUse,
    Recipe,
    Size,
)

COUNT_MAX = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlLayer:
    """A control layer in the panel: a `ControlUse` that may be switched off without being forgotten."""

    use: ControlUse
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginLayer:
    """A plugin's part in the panel: a `PluginUse` that may be switched off without being forgotten."""

    use: PluginUse
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The picture whose settings were restored: its id, and the SHA-256 of its recipe's text, to tell what changed."""

    picture: str
    recipe: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What the panels say now. `seed` None means: a new one at each press of Generate.

    `raw_prompt` is set only where `prompt` is what prompt tools made of it for a picture that was restored; editing
    the prompt clears it. `origin` and `sources` (digest of an input picture -> id of the library picture that it was
    made of) make the family tree and are no part of a recipe.
    """

    prompt: str = ""
    negative_prompt: str = ""
    seed: int | None = None
    steps: int = 20
    scheduler: str = "dpmpp_2m"
    spacing: Spacing = Spacing.NORMAL
    guidance_scale: float = 5.0
    size: Size = DEFAULT_SIZE
    model: ModelRef = MINI
    controls: tuple[ControlLayer, ...] = ()
    exact: bool = False
    count: int = 1
    plugins: tuple[PluginLayer, ...] = ()
    raw_prompt: str = ""
    init: ImageRef | None = None
    strength: float = 0.6
    clip_skip: int = 0
    guidance_rescale: float = 0.0
    refiner: ModelRef | None = None
    refine_at: float = 0.8
    vae: ModelRef | None = None
    weights: bool = True
    freeu: FreeU | None = None
    tiling: Tiling = Tiling.OFF
    origin: Origin | None = None
    sources: tuple[tuple[str, str], ...] = ()


def expand(draft: Draft, rng: random.Random) -> tuple[Recipe, ...]:
    """The recipes of a draft: an open seed becomes a number here and never later; picture i of n has seed + i.

    Seeds wrap at 2**32, so that every one of them can be typed again. Raises `BadRecipe`.
    """
    if not 1 <= draft.count <= COUNT_MAX:
        raise BadRecipe(f"The number of pictures is {draft.count}, but must be 1 to {COUNT_MAX}.")
    first = rng.randrange(SEED_MAX + 1) if draft.seed is None else draft.seed
    recipe = Recipe(
        prompt=draft.prompt,
        negative_prompt=draft.negative_prompt,
        seed=first,
        steps=draft.steps,
        scheduler=draft.scheduler,
        spacing=draft.spacing,
        guidance_scale=draft.guidance_scale,
        size=draft.size,
        model=draft.model,
        controls=tuple(layer.use for layer in draft.controls if layer.enabled),
        exact=draft.exact,
        plugins=tuple(layer.use for layer in draft.plugins if layer.enabled),
        raw_prompt=draft.raw_prompt,
        init=draft.init,
        strength=draft.strength,
        clip_skip=draft.clip_skip,
        guidance_rescale=draft.guidance_rescale,
        refiner=draft.refiner,
        refine_at=draft.refine_at,
        vae=draft.vae,
        weights=draft.weights,
        freeu=draft.freeu,
        tiling=draft.tiling,
    )
    return tuple(replace(recipe, seed=(first + i) % (SEED_MAX + 1)) for i in range(draft.count))


def draft_of(recipe: Recipe) -> Draft:
    """The draft that makes exactly this recipe again."""
    return Draft(
        prompt=recipe.prompt,
        negative_prompt=recipe.negative_prompt,
        seed=recipe.seed,
        steps=recipe.steps,
        scheduler=recipe.scheduler,
        spacing=recipe.spacing,
        guidance_scale=recipe.guidance_scale,
        size=recipe.size,
        model=recipe.model,
        controls=tuple(ControlLayer(use=use) for use in recipe.controls),
        exact=recipe.exact,
        plugins=tuple(PluginLayer(use=use) for use in recipe.plugins),
        raw_prompt=recipe.raw_prompt,
        init=recipe.init,
        strength=recipe.strength,
        clip_skip=recipe.clip_skip,
        guidance_rescale=recipe.guidance_rescale,
        refiner=recipe.refiner,
        refine_at=recipe.refine_at,
        vae=recipe.vae,
        weights=recipe.weights,
        freeu=recipe.freeu,
        tiling=recipe.tiling,
    )
