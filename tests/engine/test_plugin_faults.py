"""Every hook of a plugin, broken in every way, on a tiny real model: named, counted, left out if so wished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from studio.api import Denoiser, Steering, StepContext, UNetResiduals, Use
from studio.core.errors import ModelMissing, PluginProblem
from studio.core.plugins import PartType
from studio.core.recipe import PluginRef
from studio.engine.diffusion.schedulers import make_scheduler
from tests.engine.by_hand import (
    INNER,
    RECIPE,
    all_of,
    assert_same,
    giving,
    go_on,
    model_of,
    render,
)
from tests.engine.conftest import DRAWINGS
from tests.engine.guest_host import DIGEST, Attaching, Guiding, ToyHost, use

NAN = float("nan")
BAD: dict[str, Callable[..., Any]] = {
    "wrong": lambda *_args: 7j,
    "nan": lambda like: like * NAN,
    "shape": lambda like: like[..., :1],
    "whole": lambda like: like.long(),
}


def raising(kind: str) -> Callable[..., Any]:
    def broken(*_args: Any, **_kwargs: Any) -> Any:
        raise {"raise": ValueError("planted"), "exit": SystemExit(3)}[kind]

    return broken


def broken_adapter(hook: str, kind: str) -> Any:
    fails = raising(kind) if kind in ("raise", "exit") else BAD[kind]

    @contextmanager
    def attach(denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        weight = denoiser.unet.conv_out.weight
        kept = weight.data.clone()
        weight.data *= 2
        if hook == "attach":
            yield fails(weight)
        elif hook == "text":
            yield Steering(text=fails)
        elif hook == "residuals":
            yield Steering(residuals=lambda step: _residuals(fails, step))
        else:
            yield Steering()
            fails(weight)
        weight.data.copy_(kept)

    return Attaching(attach)


def _residuals(fails: Callable[..., Any], step: StepContext) -> Any:
    if step.index == 0:
        return None
    answer = fails(torch.zeros(1, *INNER[0]))
    return UNetResiduals(inner=(answer, torch.zeros(1, *INNER[1]))) if isinstance(answer, Tensor) else answer


def broken_guide(hook: str, kind: str) -> Any:
    fails = raising(kind) if kind in ("raise", "exit") else BAD[kind]
    return Guiding(fails if hook == "prepare" else lambda denoiser, use: lambda guess: fails(guess.latents))


def broken_sampler(hook: str, kind: str) -> Any:
    fails = raising(kind) if kind in ("raise", "exit") else BAD[kind]
    if hook == "sampler":
        return fails

    def make(config: Any) -> Any:
        scheduler = make_scheduler(config, "ddim", RECIPE.spacing)
        name = {"step": "step", "scale_model_input": "scale_model_input"}[hook]
        answer = (lambda *a, **k: (fails(a[-1]),)) if hook == "step" else (lambda x, t: fails(x))
        setattr(scheduler, name, answer)
        return scheduler

    return make


HOOKS = [
    *(
        (PartType.ADAPTER, hook, kind)
        for hook in ("attach", "text", "residuals")
        for kind in ("raise", "exit", "wrong")
    ),
    *((PartType.ADAPTER, hook, kind) for hook in ("text", "residuals") for kind in ("nan", "shape", "whole")),
    *((PartType.ADAPTER, "detach", kind) for kind in ("raise", "exit")),
    *((PartType.GUIDE, hook, kind) for hook in ("prepare", "guide") for kind in ("raise", "exit", "wrong")),
    *((PartType.GUIDE, "guide", kind) for kind in ("nan", "shape", "whole")),
    *((PartType.SAMPLER, hook, kind) for hook in ("sampler", "step") for kind in ("raise", "exit", "wrong")),
    *((PartType.SAMPLER, hook, "nan") for hook in ("step", "scale_model_input")),
]
MAKERS = {PartType.ADAPTER: broken_adapter, PartType.GUIDE: broken_guide, PartType.SAMPLER: broken_sampler}


@pytest.mark.parametrize(("type", "hook", "kind"), HOOKS)
def test_a_broken_hook_is_named_and_the_next_picture_is_as_before(
    guested: Any, host: ToyHost, type: PartType, hook: str, kind: str
) -> None:
    plain = render(guested).pixels
    before = all_of(model_of(guested))
    asked = host.add(type, "broken", MAKERS[type](hook, kind))
    change = {"scheduler": "toy:broken"} if type is PartType.SAMPLER else {"plugins": (asked,)}
    with pytest.raises(PluginProblem, match="“toy”") as caught:
        guested.render(replace(RECIPE, **change), go_on)
    assert "toy" in caught.value.headline
    assert [found for _, found in host.faults] == [hook]
    after = all_of(model_of(guested))
    assert_same(*({k: v for k, v in state.items() if isinstance(v, Tensor)} for state in (before, after)))
    assert render(guested).pixels == plain


@pytest.mark.parametrize(("type", "hook"), [(PartType.ADAPTER, "residuals"), (PartType.ADAPTER, "attach"),
                                            (PartType.ADAPTER, "detach"), (PartType.GUIDE, "guide")])  # fmt: skip
def test_going_on_makes_the_picture_without_it(guested: Any, host: ToyHost, type: PartType, hook: str) -> None:
    good = host.add(PartType.ADAPTER, "good", giving(text=lambda text: text * 2))
    wanted = render(guested, good)
    guested.on_fault = "go_on"
    rendered = render(guested, host.add(type, "broken", MAKERS[type](hook, "raise")), good)
    assert rendered.pixels == wanted.pixels
    assert rendered.recipe == wanted.recipe
    assert len(rendered.made_with.notes) == 1 + (hook in ("attach", "detach"))
    assert "Made without the plugin “toy” (broken)" in "".join(rendered.made_with.notes)
    assert not render(guested, good).reused


def test_a_scheduler_cannot_be_left_out(guested: Any, host: ToyHost) -> None:
    host.add(PartType.SAMPLER, "broken", raising("raise"))
    guested.on_fault = "go_on"
    with pytest.raises(PluginProblem, match="failed in sampler"):
        render(guested, scheduler="toy:broken")


def test_a_refusal_in_words_passes_as_it_is(guested: Any, host: ToyHost) -> None:
    @contextmanager
    def attach(denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        raise ModelMissing("“x.safetensors” is made for SDXL.")
        yield

    with pytest.raises(ModelMissing, match="made for SDXL"):
        render(guested, host.add(PartType.ADAPTER, "wrong", Attaching(attach)))
    assert not host.faults


def test_nothing_is_loaded_for_a_recipe_whose_plugin_is_missing(tiny_folder: Path) -> None:
    from studio.engine.diffusion.engine import DiffusionEngine

    engine = DiffusionEngine((tiny_folder,), lambda ref: DRAWINGS[ref.digest], "cpu", ToyHost())
    gone = replace(use(PartType.ADAPTER, "x"), plugin=PluginRef(id="gone"))
    told: list[str] = []
    with pytest.raises(PluginProblem, match="“gone” is not here"):
        engine.render(replace(RECIPE, plugins=(gone,)), lambda progress: told.append(progress.phase) or True)
    assert not told
    assert not engine._made_ready().pool._kept


def test_an_unchanged_job_is_reused_unless_the_prompt_became_another(guested: Any, host: ToyHost) -> None:
    texts = ["cat", "cat", "house"]
    asked = host.add(PartType.PROMPT_TOOL, "words", lambda *_: [texts.pop(0)])
    first, second, third = (render(guested, asked) for _ in range(3))
    assert (first.reused, second.reused, third.reused) == (False, True, False)
    assert second.recipe == first.recipe
    assert third.recipe is not None
    assert third.recipe.prompt == "house"


def test_another_version_of_a_scheduler_makes_another_picture(guested: Any, host: ToyHost) -> None:
    host.add(PartType.SAMPLER, "mine", lambda config: make_scheduler(config, "ddim", RECIPE.spacing))
    first = render(guested, scheduler="toy:mine")
    assert first.made_with.versions[-1] == ("plugin toy", f"1.0.0 {DIGEST[:12]}")
    assert render(guested, scheduler="toy:mine").reused
    host.version = "1.0.1"
    assert not render(guested, scheduler="toy:mine").reused
    host.parts.clear()
    told: list[str] = []
    with pytest.raises(PluginProblem, match="no sampler named"):
        guested.render(replace(RECIPE, scheduler="toy:mine"), lambda progress: told.append(progress.phase) or True)
    assert not told  # nothing was loaded for it


def test_a_reused_picture_has_the_recipe_of_its_own_job(guested: Any, host: ToyHost) -> None:
    asked = host.add(PartType.PROMPT_TOOL, "words", lambda *_: ["cat"])
    first = render(guested, asked)
    assert guested.render(first.recipe, go_on).reused
    guested._last = None
    again = guested.render(first.recipe, go_on)
    assert again.recipe is None
    typed = render(guested, asked)
    assert typed.reused
    assert typed.recipe == first.recipe  # what was typed and what became of it
