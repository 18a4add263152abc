"""What the UNet is told besides the latents: the prompt, and for SDXL sizes and a pooled prompt (Podell et al. 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from studio.core.errors import BadRecipe
from studio.core.recipe import Recipe, Size
from studio.engine.diffusion.adapters import Attached
from studio.engine.diffusion.models import Model
from studio.engine.diffusion.prompts import Encoded, guidance_embedding

AESTHETIC, AESTHETIC_NEGATIVE = 6.0, 2.5  # what SDXL's refiner is asked for, as its pipeline does


@dataclass(frozen=True, slots=True)
class Conditioning:
    """`text` (branches, tokens, features); `added` for SDXL; `timestep_cond` (1, features) for distilled UNets."""

    text: Tensor
    added: Mapping[str, Tensor] | None
    timestep_cond: Tensor | None


def read_prompt(recipe: Recipe, model: Model, branches: int, adapters: Sequence[Attached] = ()) -> Conditioning:
    """The conditioning of a recipe. Raises `BadRecipe` where more CLIP layers are to be skipped than there are."""
    if recipe.clip_skip > model.text.layers:
        raise BadRecipe(
            f"{recipe.clip_skip} layers of the text encoder are to be skipped, but {model.name} has only "
            f"{model.text.layers} to spare.",
            "Choose a smaller CLIP skip.",
        )
    encoded = model.text.branches(
        recipe.prompt,
        recipe.negative_prompt,
        branches,
        fresh=bool(adapters),
        clip_skip=recipe.clip_skip,
        weighted=recipe.weights,
    )
    text = encoded.states
    for adapter in adapters:
        text = adapter.text(text)
    return Conditioning(text, _added(encoded, recipe.size, model, branches), timestep_cond(recipe, model))


def word_note(word: str, recipe: Recipe, model: Model, branches: int) -> str:
    """What is to be said of a word that an adapter has taught; "" where it stands in a prompt and is known wherever it is
    read."""
    there, not_wanted = (
        model.text.reads(word, text, recipe.weights) for text in (recipe.prompt, recipe.negative_prompt)
    )
    if there or (not_wanted and branches > 1):
        return f"The refiner does not know “{word}”; it reads the letters." if recipe.refiner is not None else ""
    if not_wanted:
        where = "stands in the negative prompt alone, which is not read without guidance"
    else:
        where = "stands in neither prompt" if branches > 1 else "does not stand in the prompt"
    return f"“{word}” {where}, so it did nothing."


def timestep_cond(recipe: Recipe, model: Model) -> Tensor | None:
    """The guidance scale for UNets that were distilled with it, else None."""
    features = model.unet.config.time_cond_proj_dim
    return None if features is None else guidance_embedding(recipe.guidance_scale, features, model.device, model.dtype)


def _added(encoded: Encoded, size: Size, model: Model, branches: int) -> Mapping[str, Tensor] | None:
    if encoded.pooled is None:
        return None
    corners = [size.height, size.width, 0, 0]  # original size, and where it was cut: not at all
    if model.wants_aesthetics:
        rows = [[*corners, AESTHETIC_NEGATIVE], [*corners, AESTHETIC]][-branches:]
    else:
        rows = [[*corners, size.height, size.width]] * branches
    ids = torch.tensor(rows, dtype=encoded.states.dtype).to(model.device)
    return {"text_embeds": encoded.pooled, "time_ids": ids}
