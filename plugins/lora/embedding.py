"""The adapter "embedding": textual inversion (Gal et al. 2022), a word in the prompt with learnt vectors behind it.

The tokenizer's inner one and the encoder's table are replaced for one picture by copies with the new word; the
originals are put back as they were. All comes from the file's header until it is sure that it fits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import AddedToken, Regex, Tokenizer, normalizers
from torch import Tensor, nn

from studio.api import BadRecipe, Denoiser, ModelMissing, Steering, Use, WeightHeader, read_weight_header

from .fit import FAMILIES

_BY_ENCODER = ("clip_l", "clip_g")
"""Keys of SDXL's files: one table for each of its two text encoders."""
_HIGHEST = 2
"""What published configs say of the end of a text: for it transformers pools at the highest id, where a new word's stands."""


class EmbeddingAdapter:
    """Obeys `studio.api.Adapter`. No state."""

    @contextmanager
    def attach(self, denoiser: Denoiser, use: Use) -> Iterator[Steering]:
        """The word known to every tokenizer and text encoder. Raises `BadRecipe` or `ModelMissing` before it loads."""
        file = use.files.get("file")
        if file is None:
            raise BadRecipe("A textual inversion layer names no file.", "Choose a file, or switch the layer off.")
        header = read_weight_header(file)
        keys = _keys(file.name, header, denoiser)
        word = _word(str(use.values.get("token", "")), file, keys[0])
        _check_widths(file.name, header, keys, denoiser)
        tables = _load(file, keys)
        with ExitStack() as stack:
            for tokenizer, encoder, vectors in zip(denoiser.tokenizers, denoiser.text_encoders, tables, strict=True):
                stack.enter_context(_known(tokenizer, encoder, word, vectors))
            yield Steering(words=(word,))


def _keys(name: str, header: WeightHeader, denoiser: Denoiser) -> tuple[str, ...]:
    """The file's key for each text encoder. Raises `BadRecipe`."""
    keys = tuple(header.shapes)
    if len(denoiser.text_encoders) == 2 and set(keys) == set(_BY_ENCODER):
        return _BY_ENCODER
    if set(keys) == set(_BY_ENCODER):
        raise BadRecipe(f"“{name}” was made for SDXL, but “{denoiser.model}” is not of that family.", _CHOOSE)
    if "emb_params" in keys:
        keys = ("emb_params",)
    if len(keys) != 1:
        raise BadRecipe(f"“{name}” is not a textual inversion: it holds {len(keys)} tensors.", "Choose another file.")
    if len(denoiser.text_encoders) == 2:
        raise BadRecipe(f"“{name}” has vectors for one text encoder, but “{denoiser.model}” has two.", _CHOOSE)
    return keys


_CHOOSE = "Choose a textual inversion for this model, or a model for this file."


def _check_widths(name: str, header: WeightHeader, keys: tuple[str, ...], denoiser: Denoiser) -> None:
    for key, encoder in zip(keys, denoiser.text_encoders, strict=True):
        shape = header.shapes[key]
        here = int(encoder.get_input_embeddings().weight.shape[1])
        if len(shape) not in (1, 2) or 0 in shape:
            raise BadRecipe(f"“{name}” is not a textual inversion: its tensor has shape {shape}.", _CHOOSE)
        if shape[-1] != here:
            there, ours = (FAMILIES.get(width, "another model") for width in (shape[-1], here))
            raise BadRecipe(
                f"“{name}” was made for {there}: its vectors are {shape[-1]} wide, those of “{denoiser.model}” {here}.",
                _CHOOSE,
                detail=f"{there} against {ours}",
            )


def _word(asked: str, file: Path, key: str) -> str:
    """The word as asked for, or the one in the file (diffusers), or the file's name (AUTOMATIC1111)."""
    named = "" if key in ("emb_params", *_BY_ENCODER) else key
    word = asked.strip() or named.strip() or file.stem
    if re.search(r"\s", word) or word.startswith("<|"):
        raise BadRecipe(f"“{word}” cannot stand for a textual inversion.", "Choose a word without spaces.")
    return word


def _load(file: Path, keys: tuple[str, ...]) -> list[Tensor]:
    """(vectors, features) in float32 for each key. Raises `ModelMissing`."""
    try:
        with safe_open(file, "pt", backend="pread") as stream:
            tables = [stream.get_tensor(key).float().reshape(-1, stream.get_slice(key).get_shape()[-1]) for key in keys]
    except (SafetensorError, OSError) as error:
        raise ModelMissing(f"“{file.name}” cannot be read.", "Fetch it again.", str(error)) from None
    if not all(torch.isfinite(table).all() for table in tables):
        raise ModelMissing(f"“{file.name}” is damaged: it holds values that are no numbers.", "Fetch it again.")
    return tables


@contextmanager
def _known(tokenizer: Any, encoder: Any, word: str, vectors: Tensor) -> Iterator[None]:  # Any: transformers' classes
    """One tokenizer and one text encoder that know the word."""
    inner, table, text = tokenizer._tokenizer, encoder.get_input_embeddings(), getattr(encoder, "text_model", encoder)
    kept, rows, end = table.weight, table.num_embeddings, text.eos_token_id
    extended, ids = extend(inner, word, len(vectors))
    weight = kept.new_zeros(max(len(kept), ids[-1] + 1), kept.shape[1])
    with torch.no_grad():
        weight[: len(kept)] = kept
        weight[ids[0] : ids[-1] + 1] = vectors.to(weight)
    try:
        tokenizer._tokenizer = extended
        if end == _HIGHEST:
            text.eos_token_id = tokenizer.eos_token_id
        table.weight, table.num_embeddings = nn.Parameter(weight, requires_grad=kept.requires_grad), len(weight)
        yield
    finally:
        tokenizer._tokenizer, text.eos_token_id = inner, end
        table.weight, table.num_embeddings = kept, rows


def extend(inner: Tokenizer, word: str, count: int) -> tuple[Tokenizer, list[int]]:
    """A copy of a tokenizer that reads `word` as `count` tokens of their own, and their ids.

    The tokens bear names from Unicode's private area, and the word is replaced by them before everything else: a
    tokenizer would take its own added tokens for single ones. A word of letters stands alone and in any case.
    """
    copy = Tokenizer.from_str(inner.to_str())
    first = copy.get_vocab_size(with_added_tokens=True)
    names = [chr(0xF0000 + first + i) for i in range(count)]
    copy.add_tokens([AddedToken(name, normalized=True) for name in names])
    pattern = f"(?i){re.escape(word)}"
    if re.fullmatch(r"\w.*\w|\w", word):
        pattern = rf"(?i)(?<!\w){re.escape(word)}(?!\w)"
    replace = normalizers.Replace(Regex(pattern), "".join(names))
    copy.normalizer = normalizers.Sequence([replace, copy.normalizer] if copy.normalizer else [replace])
    return copy, [first + i for i in range(count)]
