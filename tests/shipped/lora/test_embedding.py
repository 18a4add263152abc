"""Textual inversion: the word, its vectors, both gone afterwards; against diffusers, for one encoder and for two."""

from __future__ import annotations

import sys
import warnings
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from studio.api import BadRecipe, Denoiser, ModelMissing
from studio.engine.diffusion.prompts import TextEncoder, Tower
from tests.shipped.lora.makers import fails, same, state, use

VECTORS = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))
PROMPT = "a <toy> house, red"


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text).input_ids)


def _states(model: Denoiser, text: str, index: int = 0) -> Tensor:
    return TextEncoder([Tower(model.tokenizers[index], model.text_encoders[index])]).encode(text).states


@pytest.mark.parametrize("vectors", [VECTORS, VECTORS[:1], VECTORS[0]], ids=["two", "one", "flat"])
def test_a_word_stands_for_its_vectors_and_is_forgotten(
    plugin: ModuleType, model: Denoiser, tmp_path: Path, vectors: Tensor
) -> None:
    save_file({"<toy>": vectors.contiguous()}, tmp_path / "a.safetensors")
    tokenizer, encoder = model.tokenizers[0], model.text_encoders[0]
    before, ids, states, size = state(model), _ids(tokenizer, PROMPT), _states(model, PROMPT), len(tokenizer)
    inner, table = tokenizer._tokenizer, encoder.get_input_embeddings().weight
    with plugin.EmbeddingAdapter().attach(model, use(tmp_path / "a.safetensors", "embedding")):
        count = vectors.reshape(-1, 16).shape[0]
        new = list(range(size, size + count))
        plain = _ids(tokenizer, "a  house, red")
        assert _ids(tokenizer, PROMPT) == [*plain[:2], *new, *plain[2:]], "the word's ids, and nothing else"
        assert torch.equal(encoder.get_input_embeddings()(torch.tensor(new)), vectors.reshape(-1, 16))
        assert not torch.equal(_states(model, PROMPT), states)
        assert torch.equal(_states(model, "a cat"), _states(model, "a cat"))
    assert tokenizer._tokenizer is inner and encoder.get_input_embeddings().weight is table
    assert encoder.get_input_embeddings().num_embeddings == len(table) and len(tokenizer) == size
    assert same(before, state(model)) and _ids(tokenizer, PROMPT) == ids
    assert torch.equal(_states(model, PROMPT), states)


@pytest.mark.parametrize("count", [1, 2])
def test_the_same_states_as_diffusers(
    plugin: ModuleType, model: Denoiser, folder: Path, tmp_path: Path, count: int
) -> None:
    from diffusers import StableDiffusionPipeline

    save_file({"<toy>": VECTORS[:count].contiguous()}, tmp_path / "a.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
        pipe.load_textual_inversion(tmp_path, weight_name="a.safetensors")
        wanted = pipe.encode_prompt(PROMPT, torch.device("cpu"), 1, False)[0]
    with plugin.EmbeddingAdapter().attach(model, use(tmp_path / "a.safetensors", "embedding")):
        assert torch.equal(_states(model, PROMPT), wanted)


@pytest.mark.parametrize(
    ("key", "token", "word"),
    [("<toy>", "", "<toy>"), ("<toy>", "mine", "mine"), ("emb_params", "", "easy"), ("emb_params", "x-y", "x-y")],
)
def test_which_word(plugin: ModuleType, model: Denoiser, tmp_path: Path, key: str, token: str, word: str) -> None:
    save_file({key: VECTORS}, tmp_path / "easy.safetensors")
    size = len(model.tokenizers[0])
    with plugin.EmbeddingAdapter().attach(model, use(tmp_path / "easy.safetensors", "embedding", token=token)):
        assert _ids(model.tokenizers[0], f"a {word}.")[2:4] == [size, size + 1]
        assert _ids(model.tokenizers[0], word.upper())[1:3] == [size, size + 1], "prompts are read in lower case"
        if word == "easy":
            assert size not in _ids(model.tokenizers[0], "an uneasy easygoing cat"), "a word stands alone"


def test_it_says_which_word_it_taught_and_that_can_be_looked_for(
    plugin: ModuleType, model: Denoiser, tmp_path: Path
) -> None:
    save_file({"emb_params": VECTORS}, tmp_path / "EasyNegative.safetensors")
    with plugin.EmbeddingAdapter().attach(model, use(tmp_path / "EasyNegative.safetensors", "embedding")) as steering:
        assert steering.words == ("EasyNegative",)
        text = TextEncoder([Tower(model.tokenizers[0], model.text_encoders[0])])
        for there in ("a cat, easynegative", "(EasyNegative:1.2)", "[a (easynegative)]"):
            assert text.reads("EasyNegative", there)
        for not_there in ("", "a cat", "easy negative", "uneasynegative", "easynegativev2"):
            assert not text.reads("EasyNegative", not_there)
        long = f"{'a cat ' * 80} easynegative"
        assert text.reads("EasyNegative", long) and not text.reads("EasyNegative", long, weighted=False), "cut off"


def test_two_words_at_once_and_an_exception(plugin: ModuleType, model: Denoiser, tmp_path: Path) -> None:
    save_file({"<one>": VECTORS[:1].contiguous()}, tmp_path / "1.safetensors")
    save_file({"<two>": VECTORS[1:].contiguous()}, tmp_path / "2.safetensors")
    tokenizer, table = model.tokenizers[0], model.text_encoders[0].get_input_embeddings()
    before, size, adapter = state(model), len(tokenizer), plugin.EmbeddingAdapter()

    def both_known() -> None:
        with ExitStack() as stack:
            for name in ("1.safetensors", "2.safetensors"):
                stack.enter_context(adapter.attach(model, use(tmp_path / name, "embedding")))
            assert _ids(tokenizer, "<two> <one>")[1:3] == [size + 1, size]
            assert torch.equal(table(torch.tensor([size, size + 1])), VECTORS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        both_known()
    assert same(before, state(model)) and size == len(tokenizer)


@pytest.fixture
def two(model: Denoiser) -> Denoiser:
    """A model with a second, wider text encoder, as SDXL has it."""
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

    config = model.text_encoders[0].config.to_dict() | {"hidden_size": 24, "projection_dim": 24}
    second = CLIPTextModelWithProjection(CLIPTextConfig(**config)).requires_grad_(False).eval()
    tokenizer = CLIPTokenizer.from_pretrained(model.model_folder / "tokenizer")
    return replace(
        model, tokenizers=(*model.tokenizers, tokenizer), text_encoders=(*model.text_encoders, second), family="sdxl"
    )


def test_two_text_encoders_each_get_their_own(plugin: ModuleType, two: Denoiser, tmp_path: Path) -> None:
    tables = {"clip_l": VECTORS, "clip_g": torch.randn(2, 24)}
    save_file(tables, tmp_path / "style.safetensors")
    kept = [encoder.get_input_embeddings().weight for encoder in two.text_encoders]
    with plugin.EmbeddingAdapter().attach(two, use(tmp_path / "style.safetensors", "embedding")):
        for tokenizer, encoder, table in zip(two.tokenizers, two.text_encoders, tables.values(), strict=True):
            ids = torch.tensor(_ids(tokenizer, "style")[1:3])
            assert torch.equal(encoder.get_input_embeddings()(ids), table)
    assert all(
        encoder.get_input_embeddings().weight is weight for encoder, weight in zip(two.text_encoders, kept, strict=True)
    )
    save_file({"<toy>": VECTORS}, tmp_path / "one.safetensors")
    assert "has two" in fails(plugin, two, tmp_path / "one.safetensors", BadRecipe, "embedding")


def test_the_pooled_vector_is_still_that_of_the_end(plugin: ModuleType, two: Denoiser, tmp_path: Path) -> None:
    """Published SDXL's config numbers the end of a text 2: CLIP then takes the highest id for it, and a new word's is higher."""
    save_file({"clip_l": VECTORS, "clip_g": torch.randn(2, 24)}, tmp_path / "style.safetensors")
    tokenizer, encoder = two.tokenizers[1], two.text_encoders[1]
    encoder.text_model.eos_token_id = 2
    with plugin.EmbeddingAdapter().attach(two, use(tmp_path / "style.safetensors", "embedding")):
        ids = tokenizer("a style house", return_tensors="pt").input_ids
        seen = encoder(ids)
    end = int((ids[0] == tokenizer.eos_token_id).nonzero()[0])
    assert torch.equal(seen.text_embeds, encoder.text_projection(seen.last_hidden_state[:, end]))
    assert encoder.text_model.eos_token_id == 2


def test_what_does_not_fit_is_refused_in_words(
    plugin: ModuleType, model: Denoiser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.safetensors"
    cases: list[tuple[dict[str, Tensor], str]] = [
        ({"<toy>": torch.zeros(1, 768)}, "Stable Diffusion 1.x"),
        ({"emb_params": torch.zeros(3, 1024)}, "Stable Diffusion 2.x"),
        ({"clip_l": torch.zeros(1, 768), "clip_g": torch.zeros(1, 1280)}, "SDXL"),
        ({"a": torch.zeros(1), "b": torch.zeros(1)}, "not a textual inversion"),
        ({"<toy>": torch.zeros(1, 2, 16)}, "not a textual inversion"),
        ({"two words": VECTORS}, "cannot stand"),
        ({"<|endoftext|>": VECTORS}, "cannot stand"),
    ]
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["lora_under_test.embedding"], "safe_open", None)  # loading would fail
        for tensors, words in cases:
            save_file(tensors, file)
            assert words in fails(plugin, model, file, BadRecipe, "embedding")
        for broken in (b"", b"<html>"):
            file.write_bytes(broken)
            fails(plugin, model, file, ModelMissing, "embedding")
    save_file({"<toy>": VECTORS * torch.inf}, file)
    assert "damaged" in fails(plugin, model, file, ModelMissing, "embedding")
    with pytest.raises(BadRecipe), plugin.EmbeddingAdapter().attach(model, use(None, "embedding")):
        pass
