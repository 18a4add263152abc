"""A picture by the plainest loop there is, small plugins, and all of a model copied: what plugin tests compare with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from studio.api import Denoiser, Steering, Use
from studio.core.recipe import ModelRef, Recipe, Size
from studio.engine.diffusion.latents import decode
from studio.engine.diffusion.schedulers import make_scheduler
from studio.engine.protocol import Progress
from tests.engine.guest_host import Attaching

RECIPE = Recipe(
    prompt="a red house",
    negative_prompt="cat",
    seed=7,
    steps=3,
    scheduler="ddim",
    exact=True,
    size=Size(width=64, height=64),
    model=ModelRef(name="sd1"),
)
INNER = ((16, 8, 8), (32, 4, 4))
DOWN = ((16, 8, 8), (16, 8, 8), (16, 4, 4), (32, 4, 4))
MID = (32, 4, 4)


def go_on(_progress: Progress) -> bool:
    return True


def model_of(engine: Any, recipe: Recipe = RECIPE) -> Any:
    return engine._made_ready().pool.get(recipe.model.name, recipe.exact, lambda: None)


def some(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn((1, *shape), generator=torch.Generator().manual_seed(seed))


def render(engine: Any, *plugins: Any, **changes: Any) -> Any:
    return engine.render(replace(RECIPE, plugins=plugins, **changes), go_on)


@torch.no_grad()
def by_hand(
    model: Any,
    recipe: Recipe = RECIPE,
    text: Callable[[Tensor], Tensor] = lambda text: text,
    extra: Callable[[int, Tensor, Tensor, Tensor], dict[str, Any]] = lambda i, x, t, text: {},
    guess_of: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = lambda guess, x, t, text: guess,
) -> bytes:
    """The picture by the plainest loop there is: DDIM, guidance by two branches, no seams."""
    generator = torch.Generator().manual_seed(recipe.seed)
    scheduler = make_scheduler(model.scheduler_config, "ddim", recipe.spacing)
    scheduler.set_timesteps(recipe.steps)
    embedding = text(torch.cat([model.text.encode(words).states for words in (recipe.negative_prompt, recipe.prompt)]))
    x = torch.randn((1, 4, 8, 8), generator=generator)
    for i, t in enumerate(scheduler.timesteps):
        both = torch.cat([x, x])
        given = extra(i, both, t, embedding)
        without, with_ = model.unet(both, t, encoder_hidden_states=embedding, **given, return_dict=False)[0].chunk(2)
        guess = guess_of(without + recipe.guidance_scale * (with_ - without), x, t, embedding)
        x = scheduler.step(guess, t, x, return_dict=False)[0]
    return decode(model.vae, x).data


def giving(residuals: Callable[..., Any] | None = None, text: Callable[[Tensor], Tensor] | None = None) -> Attaching:
    @contextmanager
    def attach(denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        yield Steering(residuals=residuals, text=text)

    return Attaching(attach)


def all_of(model: Any) -> dict[str, Any]:
    """Everything that an adapter could have changed, copied."""
    parts = {"unet": model.unet, "vae": model.vae, "text": model.text.text_model}
    kept: dict[str, Any] = {"words": len(model.text.tokenizer)}
    for part, module in parts.items():
        kept |= {f"{part}.{name}": tensor.clone() for name, tensor in module.state_dict().items()}
        kept |= {
            f"{part}.{name}:": (id(child), len(child._forward_hooks), len(child._forward_pre_hooks), child.training)
            for name, child in module.named_modules()
        }
    kept["processors"] = {name: id(processor) for name, processor in model.unet.attn_processors.items()}
    return kept


def assert_same(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert left.keys() == right.keys()
    for name, value in left.items():
        same = torch.equal(value, right[name]) if isinstance(value, Tensor) else value == right[name]
        assert same, name
