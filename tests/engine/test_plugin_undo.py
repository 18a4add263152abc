"""Nothing of an adapter stays on the model: after success, cancel, error, and after its own carelessness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
import torch

from studio.api import Denoiser, Guess, Steering, StepContext, Use
from studio.core.errors import PluginProblem
from studio.core.plugins import PartType
from studio.engine.protocol import Progress, RenderCancelled
from tests.engine.by_hand import (
    RECIPE,
    all_of,
    assert_same,
    by_hand,
    giving,
    model_of,
    render,
)
from tests.engine.guest_host import Attaching, Guiding, ToyHost


class Everything:
    """Changes weights, attention processors, the text encoder and a hook, and takes all of it back - without a
    `finally`, as a careless author would write it."""

    @contextmanager
    def attach(self, denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        from diffusers.models.attention_processor import AttnProcessor

        unet, words = denoiser.unet, denoiser.text_encoders[0]
        kept = {p: p.data.clone() for p in (unet.conv_out.weight, next(words.parameters()))}
        processors = dict(unet.attn_processors)
        for parameter in kept:
            parameter.data.mul_(1.25)
        unet.set_attn_processor(AttnProcessor())
        handle = unet.mid_block.register_forward_hook(lambda *_: None)
        yield Steering()
        handle.remove()
        unet.set_attn_processor(processors)
        for parameter, data in kept.items():
            parameter.data.copy_(data)


def test_before_is_after_and_no_embedding_survives(guested: Any, host: ToyHost) -> None:
    plain = render(guested).pixels
    model = model_of(guested)
    before = all_of(model)
    asked = host.add(PartType.ADAPTER, "all", Everything())
    changed = render(guested, asked)
    assert changed.pixels != plain
    assert not changed.made_with.notes
    assert_same(before, all_of(model))
    assert model_of(guested) is model
    again = render(guested)
    assert again.pixels == plain
    assert not again.reused
    assert render(guested, asked).pixels == changed.pixels


@pytest.mark.parametrize("where", ["phase", "step", "decoding"])
def test_before_is_after_a_cancel(guested: Any, host: ToyHost, where: str) -> None:
    plain = render(guested).pixels
    model = model_of(guested)
    before = all_of(model)
    asked = host.add(PartType.ADAPTER, "all", Everything())
    stop: Callable[[Progress], bool] = {
        "phase": lambda progress: progress.phase != "reading the prompt",
        "step": lambda progress: progress.step < 2,
        "decoding": lambda progress: progress.phase != "decoding",
    }[where]
    with pytest.raises(RenderCancelled):
        guested.render(replace(RECIPE, plugins=(asked,)), stop)
    assert_same(before, all_of(model))
    assert not host.faults
    assert model_of(guested) is model
    assert render(guested).pixels == plain


def test_before_is_after_an_error_of_the_model(guested: Any, host: ToyHost, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = render(guested).pixels
    model = model_of(guested)
    before = all_of(model)
    with monkeypatch.context() as patch:

        def broken(*_args: Any, **_kwargs: Any) -> Any:
            raise ValueError("planted")

        patch.setattr(model.unet.mid_block, "forward", broken)
        with pytest.raises(ValueError, match="planted"):
            render(guested, host.add(PartType.ADAPTER, "all", Everything()))
    assert_same(before, all_of(model))
    assert render(guested).pixels == plain


@pytest.mark.parametrize("kind", ["weights", "processors", "hook", "tokenizer", "swapped"])
def test_what_an_adapter_leaves_behind_costs_the_model_and_not_the_next_picture(
    guested: Any, host: ToyHost, kind: str
) -> None:
    from diffusers.models.attention_processor import AttnProcessor

    def leave(denoiser: Denoiser) -> None:
        weight = denoiser.unet.conv_out.weight
        match kind:
            case "weights":
                weight.data.view(-1)[0] += 1e-3
            case "processors":
                denoiser.unet.set_attn_processor(AttnProcessor())
            case "hook":
                denoiser.unet.register_forward_hook(lambda *_: None)
            case "tokenizer":
                denoiser.tokenizers[0].add_tokens(["<mine>"])
            case "swapped":
                denoiser.unet.conv_out.weight = torch.nn.Parameter(weight.data.clone(), requires_grad=False)

    @contextmanager
    def attach(denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        yield Steering()
        leave(denoiser)

    plain = render(guested).pixels
    model = model_of(guested)
    rendered = render(guested, host.add(PartType.ADAPTER, "untidy", Attaching(attach)))
    assert rendered.pixels == plain
    assert "did not leave the model as it was" in rendered.made_with.notes[0]
    assert model_of(guested) is not model
    assert render(guested).pixels == plain


def test_what_a_guide_leaves_behind_costs_the_model_and_not_the_next_picture(guested: Any, host: ToyHost) -> None:
    def prepare(denoiser: Denoiser, use: Use) -> Callable[[Guess], None]:
        denoiser.unet.conv_out.weight.data.mul_(1.5)
        return lambda guess: None

    plain = render(guested).pixels
    rendered = render(guested, host.add(PartType.GUIDE, "untidy", Guiding(prepare)))
    assert "did not leave the model as it was" in rendered.made_with.notes[0]
    assert render(guested).pixels == plain


def test_a_model_that_cannot_even_be_looked_at_is_loaded_again(guested: Any, host: ToyHost) -> None:
    @contextmanager
    def attach(denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        yield Steering()
        del denoiser.unet.conv_out._parameters

    plain = render(guested).pixels
    assert render(guested, host.add(PartType.ADAPTER, "brute", Attaching(attach))).pixels == plain
    assert render(guested).pixels == plain


def test_settings_of_torch_are_put_back(guested: Any, host: ToyHost) -> None:
    def meddle(picture: Any, use: Use) -> Any:
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        torch.set_num_threads(torch.get_num_threads() + 1)
        raise ValueError("planted")

    plain = render(guested).pixels
    before = torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()
    with pytest.raises(PluginProblem):
        render(guested, host.add(PartType.PICTURE_TOOL, "meddler", meddle))
    assert (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()) == before
    assert render(guested).pixels == plain


def test_what_a_plugin_is_shown_is_a_copy(guested: Any, host: ToyHost) -> None:
    def spoil(step: StepContext) -> None:
        for tensor in (step.model_input, step.text, step.timestep):
            tensor.fill_(3)

    def guide(guess: Guess) -> None:
        spoil(guess.step)
        guess.latents.fill_(3)
        guess.clean.fill_(3)

    adapter = host.add(PartType.ADAPTER, "vandal", giving(spoil, text=lambda text: text.clone()))
    asked = host.add(PartType.GUIDE, "vandal", Guiding(lambda denoiser, use: guide))
    wanted = by_hand(model_of(guested))
    assert render(guested, adapter, asked).pixels.data == wanted
    assert render(guested, asked, scheduler="ddim").pixels.data == wanted
