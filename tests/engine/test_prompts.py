"""Prompts with weights, long ones, and skipped layers: what reaches the UNet, on tiny towers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.core.errors import BadRecipe
from studio.core.recipe import ModelRef
from studio.engine.diffusion.prompts import TextEncoder, Tower
from tests.engine.by_hand import RECIPE, go_on, model_of

LONG = "red house " * 60  # 120 tokens


@pytest.fixture(scope="module")
def engine(make_engine: Any) -> Any:
    return make_engine()


@pytest.fixture(params=["sd1", "sdxl"])
def encoder(request: pytest.FixtureRequest, engine: Any) -> TextEncoder:
    encoder: TextEncoder = model_of(engine, replace(RECIPE, model=ModelRef(name=request.param))).text
    return encoder


def test_a_weight_of_one_changes_nothing(encoder: TextEncoder) -> None:
    plain = encoder.encode("a red house").states
    for text in ("(a red house:1)", "(a:1.0) (red house:1)", "a ((red:2):0.5) house"):
        assert torch.allclose(encoder.encode(text).states, plain, atol=1e-6), text


def test_a_weight_scales_its_tokens_and_keeps_the_mean(encoder: TextEncoder) -> None:
    plain, weighted = (encoder.encode(text).states for text in ("a red house", "a (red:1.5) house"))
    ratio = weighted / plain
    assert torch.allclose(ratio[0, 2], 1.5 * ratio[0, 1], rtol=1e-4)
    assert torch.allclose(ratio[0, 3], ratio[0, 1], rtol=1e-4)
    features = encoder.text_model.config.hidden_size  # each tower keeps its own mean
    assert torch.allclose(weighted[..., :features].mean(), plain[..., :features].mean(), atol=1e-5)


def test_long_prompts_are_read_in_portions(encoder: TextEncoder) -> None:
    both = encoder.branches(LONG, "cat", 2)
    assert both.states.shape[:2] == (2, 154)
    first = encoder.encode("red house " * 37 + "red").states  # 75 tokens: the first portion, full
    assert torch.allclose(both.states[1:, :77], first, atol=1e-6)
    assert torch.allclose(both.states[:1, 77:], encoder.encode("").states, atol=1e-6)
    assert not torch.allclose(both.states[1:, 77:], first, atol=1e-2)


def test_without_weights_brackets_are_signs_and_the_rest_is_cut(encoder: TextEncoder) -> None:
    assert encoder.encode(LONG, weighted=False).states.shape[1] == 77
    literal = encoder.encode("(red:1.5)", weighted=False).states
    assert not torch.allclose(literal, encoder.encode("(red:1.5)").states, atol=1e-3)
    assert torch.equal(literal, encoder.encode(r"\(red:1.5\)").states)


def test_a_text_is_kept_by_all_that_decides_it(encoder: TextEncoder) -> None:
    kept = {id(encoder.encode("(cat:2)", weighted=weighted)) for weighted in (True, False, True)}
    assert len(kept) == 2


def test_skipped_layers(engine: Any) -> None:
    model = model_of(engine)
    tokens = model.text.tokenizer(["a red house"], padding="max_length", max_length=77, return_tensors="pt")
    inner = getattr(model.text.text_model, "text_model", model.text.text_model)
    with torch.no_grad():
        states = model.text.text_model(tokens.input_ids, output_hidden_states=True).hidden_states
        wanted = inner.final_layer_norm(states[-2])
    assert torch.equal(model.text.encode("a red house", clip_skip=1).states, wanted)
    assert model.text.layers == 1
    with pytest.raises(BadRecipe, match="2 layers of the text encoder are to be skipped"):
        engine.render(replace(RECIPE, clip_skip=2), go_on)
    assert engine.render(replace(RECIPE, clip_skip=1), go_on).pixels != engine.render(RECIPE, go_on).pixels


def test_an_empty_negative_prompt_is_nothing_for_sdxl(engine: Any) -> None:
    encoder = model_of(engine, replace(RECIPE, model=ModelRef(name="sdxl"))).text
    both = encoder.branches("cat", "", 2)
    assert not both.states[0].any()
    assert both.pooled is not None
    assert not both.pooled[0].any()
    assert encoder.branches("cat", "dog", 2).states[0].any()


def test_towers_of_different_lengths_stand_side_by_side(engine: Any) -> None:
    """A textual inversion may be many tokens for one tokenizer and one for the other."""
    encoder = model_of(engine, replace(RECIPE, model=ModelRef(name="sdxl"))).text
    first, second = encoder.towers

    class Longer:
        def __getattr__(self, name: str) -> Any:
            return getattr(second.tokenizer, name)

        def __call__(self, text: Any, **options: Any) -> Any:
            doubled = [text[0] * 2] if isinstance(text, list) else text * 2
            return second.tokenizer(doubled, **options)

    uneven = TextEncoder((first, Tower(Longer(), second.model)), xl=True)
    assert uneven.encode("red house " * 30).states.shape[1] == 154


def test_nothing_is_zeros_beside_a_long_prompt_too(tiny_folder: Path) -> None:
    """As stock pipelines have it for embeddings of any length: what SDXL was trained with where there is no prompt."""
    from studio.engine.diffusion.parts import load_folder

    text = load_folder("sdxl", tiny_folder / "sdxl", torch.float32, lambda: None).text
    for prompt, portions in (("a red house", 1), ("a red house, " * 40, 3)):
        both = text.branches(prompt, "", 2)
        assert both.states.shape[1] == 77 * portions
        assert both.pooled is not None and not both.states[0].any() and not both.pooled[0].any()
        assert text.branches(prompt, "cat", 2).states[0].any()


def test_a_short_prompt_beside_a_long_negative_one_stays_on_its_layer(engine: Any) -> None:
    text = model_of(engine).text
    skipped, usual = (text.encode("", clip_skip=skip).states for skip in (1, 0))
    assert not torch.equal(skipped, usual)
    assert torch.equal(text.branches("a cat", LONG, 2, clip_skip=1).states[1:, 77:], skipped)
    assert torch.equal(text.branches(LONG, "a cat", 2, clip_skip=1).states[:1, 77:], usual), "it skips no layer"
