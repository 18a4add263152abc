"""Plugins inside the denoising loop, on a tiny real model: what they change is what was computed by hand, in order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.api import Denoiser, Guess, Steering, StepContext, UNetResiduals, Use
from studio.core.choices import ControlKind, ControlMode
from studio.core.errors import PluginProblem
from studio.core.plugins import PartType
from studio.core.recipe import ControlUse, ModelRef
from studio.engine.control_maps import control_map
from studio.engine.diffusion.controls import hint_tensor
from studio.engine.diffusion.schedulers import make_scheduler
from tests.engine.by_hand import (
    DOWN,
    INNER,
    MID,
    RECIPE,
    all_of,
    assert_same,
    by_hand,
    giving,
    go_on,
    model_of,
    render,
    some,
)
from tests.engine.conftest import DRAWINGS, FIRST, SECOND
from tests.engine.guest_host import Attaching, Guiding, ToyHost, control


def test_residuals_inside_and_on_the_skips_are_added(guested: Any, host: ToyHost) -> None:
    inner = tuple(some(shape, 1) for shape in INNER)
    down, mid = tuple(some(shape, 2) for shape in DOWN), some(MID, 3)
    t2i = host.add(PartType.ADAPTER, "t2i", giving(lambda step: UNetResiduals(inner=inner) if step.index else None))
    skips = host.add(PartType.ADAPTER, "skips", giving(lambda step: UNetResiduals(down=down, mid=mid)))

    def extra(i: int, *_: Any) -> dict[str, Any]:
        skip = {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
        return skip | ({"down_intrablock_additional_residuals": [t.clone() for t in inner]} if i else {})

    assert render(guested, t2i, skips).pixels.data == by_hand(model_of(guested), extra=extra)
    assert not render(guested, t2i, skips, seed=8).reused


def test_skips_alone_and_middle_alone_reach_the_unet(guested: Any, host: ToyHost) -> None:
    down, mid = tuple(some(shape, 2) for shape in DOWN), some(MID, 3)
    parts = {"down": UNetResiduals(down=down), "mid": UNetResiduals(mid=mid)}
    made = [
        render(guested, host.add(PartType.ADAPTER, name, giving(lambda _step, given=given: given))).pixels.data
        for name, given in parts.items()
    ]
    none = {"down": tuple(torch.zeros_like(t) for t in down), "mid": torch.zeros_like(mid)}
    for name, data in zip(parts, made, strict=True):
        full = none | {name: {"down": down, "mid": mid}[name]}
        extra = {"down_block_additional_residuals": full["down"], "mid_block_additional_residual": full["mid"]}
        assert data == by_hand(model_of(guested), extra=lambda *_, extra=extra: extra)


def test_text_is_changed_in_order(guested: Any, host: ToyHost) -> None:
    more = some((4, 16), 5).expand(2, -1, -1)
    longer = host.add(PartType.ADAPTER, "longer", giving(text=lambda text: torch.cat([text, more], dim=1)))
    double = host.add(PartType.ADAPTER, "double", giving(text=lambda text: text * 2))
    wanted = by_hand(model_of(guested), text=lambda text: torch.cat([text, more], dim=1) * 2)
    assert render(guested, longer, double).pixels.data == wanted
    assert render(guested, double, longer).pixels.data != wanted


def test_an_adapter_may_speak_for_one_branch_count_only(guested: Any, host: ToyHost) -> None:
    seen: list[Any] = []

    @contextmanager
    def attach(denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        seen.append((denoiser, use))
        yield Steering(notes=("half of it fits",))

    asked = host.add(PartType.ADAPTER, "looks", Attaching(attach))
    rendered = render(guested, asked, guidance_scale=1.0)
    denoiser, given = seen[0]
    model = model_of(guested)
    assert denoiser.unet is model.unet
    assert (denoiser.family, denoiser.model, denoiser.model_folder) == ("sd1", "sd1", model.folder)
    assert (denoiser.branches, denoiser.size, denoiser.dtype) == (1, RECIPE.size, torch.float32)
    assert denoiser.tokenizers == (model.text.tokenizer,)
    assert given.part == "looks"
    assert rendered.made_with.notes == ("half of it fits",)


def test_a_mode_that_does_nothing_is_told(guested: Any, host: ToyHost) -> None:
    host.add(PartType.ADAPTER, "words", giving(text=lambda text: text * 2), "toy-words")
    host.add(PartType.GUIDE, "pull", Guiding(lambda _denoiser, _use: lambda _guess: None), "toy-pull")
    host.add(PartType.ADAPTER, "t2i", giving(lambda _step: None), "toy-t2i")
    uses = tuple(control(f"toy-{name}", FIRST, mode=ControlMode.UNBALANCED) for name in ("words", "pull", "t2i"))
    says = "The mode of {} changes nothing: this layer acts by other means."
    notes = guested.render(replace(RECIPE, controls=uses), go_on).made_with.notes
    assert notes == (says.format("toy-words"), says.format("toy-pull"))


@pytest.mark.parametrize("name", ["sd1", "sd2"])
def test_a_guide_shifts_the_guess(guested: Any, host: ToyHost, name: str) -> None:
    recipe = replace(RECIPE, model=ModelRef(name=name), steps=4)
    pull, seen = some((4, 8, 8), 9), []
    asked = host.add(PartType.GUIDE, "pull", Guiding(lambda denoiser, use: lambda guess: seen.append(guess) or pull))
    made = guested.render(replace(recipe, plugins=(asked, asked)), go_on).pixels.data
    model = model_of(guested, recipe)
    alphas = make_scheduler(model.scheduler_config, "ddim", recipe.spacing).alphas_cumprod

    def guess_of(guess: Tensor, x: Tensor, t: Tensor, _text: Tensor) -> Tensor:
        alpha, sigma = float(alphas[t]) ** 0.5, (1 - float(alphas[t])) ** 0.5
        if alpha < 0.01:
            return guess
        return guess - (sigma if name == "sd1" else sigma / alpha) * (pull + pull)

    assert made == by_hand(model, recipe, guess_of=guess_of)
    assert len(seen) == 8 if name == "sd1" else len(seen) == 6  # at zero terminal SNR there is nothing to pull yet
    last = seen[-1]
    assert last.latents.dtype == torch.float32
    assert last.latents.shape == (1, 4, 8, 8)
    assert abs(last.alpha**2 + last.sigma**2 - 1) < 1e-6


def test_predict_clean_is_the_conditional_branch_with_a_gradient(guested: Any, host: ToyHost) -> None:
    inner = tuple(some(shape, 1) for shape in INNER)
    t2i = host.add(PartType.ADAPTER, "t2i", giving(lambda step: UNetResiduals(inner=inner)))

    def guide(guess: Guess) -> Tensor:
        place = guess.latents.requires_grad_()
        goal = guess.decode(guess.predict_clean(place)).square().mean()
        return torch.autograd.grad(goal, place)[0]

    asked = host.add(PartType.GUIDE, "exact", Guiding(lambda denoiser, use: guide))
    model = model_of(guested)
    alphas = make_scheduler(model.scheduler_config, "ddim", RECIPE.spacing).alphas_cumprod

    def extra(*_: Any) -> dict[str, Any]:
        return {"down_intrablock_additional_residuals": [t.clone() for t in inner]}

    def guess_of(guess: Tensor, x: Tensor, t: Tensor, text: Tensor) -> Tensor:
        alpha, sigma = float(alphas[t]) ** 0.5, (1 - float(alphas[t])) ** 0.5
        with torch.enable_grad():
            place = x.clone().requires_grad_()
            eps = model.unet(place, t, encoder_hidden_states=text[1:], **extra(), return_dict=False)[0]
            clean = (place - sigma * eps) / alpha
            goal = model.vae.decode(clean / model.vae.config.scaling_factor).sample.square().mean()
            gradient = torch.autograd.grad(goal, place)[0]
        assert gradient.abs().max() > 0
        return guess - sigma * gradient

    assert render(guested, asked, t2i).pixels.data == by_hand(model, extra=extra, guess_of=guess_of)


def test_a_guide_may_pass_over_steps(guested: Any, host: ToyHost) -> None:
    asked = host.add(PartType.GUIDE, "quiet", Guiding(lambda denoiser, use: lambda guess: None))
    assert render(guested, asked).pixels.data == by_hand(model_of(guested))


def test_a_plugins_scheduler(guested: Any, host: ToyHost) -> None:
    class Plain:
        """DDIM's step in the fewest words, with nothing that was not asked for."""

        def __init__(self, config: Any) -> None:
            self.inner = make_scheduler(config, "ddim", RECIPE.spacing)
            self.timesteps: Any = None

        def set_timesteps(self, steps: int, device: Any) -> None:
            self.inner.set_timesteps(steps)
            self.timesteps = self.inner.timesteps

        def scale_model_input(self, latents: Tensor, timestep: Tensor) -> Tensor:
            return latents

        def step(self, guess: Tensor, timestep: Tensor, latents: Tensor, return_dict: bool = True) -> Any:
            return self.inner.step(guess, timestep, latents, return_dict=False)

    host.add(PartType.SAMPLER, "mine", Plain)
    host.add(PartType.SAMPLER, "ready", lambda config: make_scheduler(config, "ddim", RECIPE.spacing))
    wanted = by_hand(model_of(guested))
    for part in ("mine", "ready"):
        rendered = render(guested, scheduler=f"toy:{part}")
        assert rendered.pixels.data == wanted
        told = rendered.recipe
        assert (
            told is not None and told.model.sha256 and told.scheduler == f"toy:{part}"
        )  # nothing but the digest is new
        assert replace(told, model=RECIPE.model, scheduler=RECIPE.scheduler) == RECIPE
    with pytest.raises(PluginProblem, match="no sampler named “none”"):
        render(guested, scheduler="toy:none")


def test_all_at_once_in_a_defined_order(guested: Any, host: ToyHost) -> None:
    """Three ControlNets, two adapters as control layers, one that changes weights, a guide and a prompt tool."""
    log: list[str] = []
    inner = tuple(some(shape, 1) for shape in INNER)

    def features(name: str, factor: float) -> Attaching:
        @contextmanager
        def attach(denoiser: Denoiser, use: Use) -> Iterator[Steering]:
            log.append(f"+{name} {use.images['map'].size[0]}")

            def residuals(step: StepContext) -> UNetResiduals:
                log.append(f"{name}{step.index}")
                return UNetResiduals(inner=tuple(t * factor * use.weight for t in inner))

            yield Steering(residuals=residuals)
            log.append(f"-{name}")

        return Attaching(attach)

    @contextmanager
    def heavier(denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        log.append("+lora")
        weight = denoiser.unet.conv_in.weight
        kept = weight.data.clone()
        weight.data *= 1.5
        yield Steering(text=lambda text: log.append("text") or text * 2)
        weight.data.copy_(kept)
        log.append("-lora")

    def prepare(denoiser: Denoiser, use: Use) -> Any:
        log.append("guide")
        return lambda guess: log.append(f"guide{guess.step.index}") or guess.latents * 0.1

    host.add(PartType.ADAPTER, "first", features("first", 1.0), "t2i-first")
    host.add(PartType.ADAPTER, "second", features("second", 0.3), "t2i-second")
    lora = host.add(PartType.ADAPTER, "lora", Attaching(heavier))
    guide = host.add(PartType.GUIDE, "guide", Guiding(prepare))
    words = host.add(PartType.PROMPT_TOOL, "words", lambda prompt, *_: [log.append("words") or f"{prompt} cat"])
    scribble = ControlUse(kind=ControlKind.SCRIBBLE, image=FIRST, weight=0.7)
    canny = ControlUse(kind=ControlKind.CANNY, image=SECOND, weight=0.5, end=0.7)
    recipe = replace(
        RECIPE,
        controls=(
            scribble,
            control("t2i-second", FIRST, weight=0.5),
            canny,
            control("t2i-first", SECOND),
            replace(scribble, image=SECOND),
        ),
        plugins=(guide, lora, words),
    )
    model = model_of(guested)
    before = all_of(model)
    rendered = guested.render(recipe, go_on)
    assert rendered.recipe is not None
    assert rendered.recipe.prompt == "a red house cat"
    steps = [event for i in range(3) for event in (f"second{i}", f"first{i}", f"guide{i}")]
    start = ["words", "+second 64", "+first 64", "+lora", "text", "guide"]
    assert log == [*start, *steps, "-lora", "-first", "-second"]
    assert_same(before, all_of(model))

    net = guested._made_ready().pool.controlnet(model, "scribble")[1]
    maps = [
        hint_tensor(control_map(one, RECIPE.size, DRAWINGS[one.image.digest]), 2, model.device, model.dtype)
        for one in (scribble, canny, replace(scribble, image=SECOND))
    ]

    def extra(i: int, x: Tensor, t: Tensor, text: Tensor) -> dict[str, Any]:
        nets = [
            net(x, t, encoder_hidden_states=text, controlnet_cond=hint, conditioning_scale=scale, return_dict=False)
            for hint, scale, end in zip(maps, (0.7, 0.5, 0.7), (1.0, 0.7, 1.0), strict=True)
            if (i + 1) / 3 <= end
        ]
        down, mid = nets[0]
        for more, middle in nets[1:]:
            down, mid = [a + b for a, b in zip(down, more, strict=True)], mid + middle
        features = [t * 0.3 * 0.5 + t * 1.0 * 1.0 for t in inner]
        return {
            "down_block_additional_residuals": down,
            "mid_block_additional_residual": mid,
            "down_intrablock_additional_residuals": features,
        }

    alphas = make_scheduler(model.scheduler_config, "ddim", RECIPE.spacing).alphas_cumprod

    def guess_of(guess: Tensor, x: Tensor, t: Tensor, _text: Tensor) -> Tensor:
        return guess - (1 - float(alphas[t])) ** 0.5 * (x * 0.1)

    kept = model.unet.conv_in.weight.data.clone()
    model.unet.conv_in.weight.data *= 1.5
    wanted = by_hand(model, rendered.recipe, lambda text: text * 2, extra, guess_of)
    model.unet.conv_in.weight.data.copy_(kept)
    assert rendered.pixels.data == wanted
