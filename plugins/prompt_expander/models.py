"""Finds and loads causal language models: the one in mini/, or a folder that the artist put into the data folder.

Local files and safetensors only; no code that lies beside a model is ever run.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from studio.api import ModelMissing, Use

SHIPPED = "mini"
WINDOW = 1024
"""Tokens in view of a model that does not say how many it has."""

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A tokenizer and a network in float32 on the processor.

    `ends`: token ids that end a text, at least one; `first`: the id that stands before every text, if there is one;
    `window`: tokens in view.
    """

    tokenizer: Any  # transformers is not annotated
    network: Any
    ends: tuple[int, ...]
    first: int | None
    window: int

    def read(self, text: str, longest: int) -> Tensor:
        """int64 (1, 1 ... longest): the ids of a text; of one that is too long, its end."""
        ids: list[int] = self.tokenizer(text, verbose=False).input_ids
        if not ids:
            ids = [self.ends[0] if self.first is None else self.first]
        if len(ids) > longest:
            lead = ids[:1] if ids[0] == self.first else []
            ids = lead + ids[len(ids) - longest + len(lead) :]
        return torch.tensor([ids])

    def write(self, ids: list[int]) -> str:
        """The text of ids, without special tokens and otherwise to the letter."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


class Shelf:
    """Keeps the model that was used last; looks whether its files have changed."""

    def __init__(self) -> None:
        self._stamp: Stamp = ()
        self._model: LanguageModel | None = None

    def model(self, use: Use) -> LanguageModel:
        """The model asked for. Raises `ModelMissing` in words: no such folder, not complete, not a language model."""
        folder = find_folder(use)
        stamp = _stamp(folder)
        if self._model is None or stamp != self._stamp:
            self._model = None  # two large models need not fit side by side
            self._model = load(folder)
            self._stamp = stamp
        for file in sorted(folder.glob("*.safetensors")):
            use.reads(file)
        return self._model


def find_folder(use: Use) -> Path:
    """Where the model lies. Raises `ModelMissing` if there is no such folder, and names those that are there."""
    name = str(use.values.get("model", "")).strip()
    if not name:
        return use.folder / SHIPPED
    place = use.data / name
    if name in (".", "..") or any(sign in name for sign in "/\\:\0") or not place.is_dir():
        there = sorted(folder.name for folder in use.data.iterdir() if folder.is_dir()) if use.data.is_dir() else []
        raise ModelMissing(
            f"There is no language model “{name}” in the prompt expander's data folder.",
            f"There: {', '.join(there) or 'nothing yet'}. Put its folder there, or leave the name empty.",
            str(use.data),
        )
    return place


def load(folder: Path) -> LanguageModel:
    """Load a folder in transformers' layout. Raises `ModelMissing`."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    _check_files(folder)
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
        network, report = AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **local
        )
        if report["missing_keys"]:
            raise ValueError(f"no weights for {', '.join(sorted(report['missing_keys'])[:5])}")
        return _ready(tokenizer, network.eval())
    except Exception as error:  # any file may be damaged in any way
        raise ModelMissing(
            f"The language model in “{folder.name}” cannot be used.",
            "It has to be a causal language model in transformers' layout with a tokenizer and complete weights.",
            f"{folder}\n{type(error).__name__}: {error}"[:2000],
        ) from error


def _check_files(folder: Path) -> None:
    missing = [] if (folder / "config.json").is_file() else ["config.json"]
    if not any(folder.glob("*.safetensors")):
        missing.append("weights as .safetensors")
    if missing:
        raise ModelMissing(
            f"The language model in “{folder.name}” is not complete: {' and '.join(missing)} missing.",
            "Weights in other formats (.bin, .pt) are not opened, since they can run code.",
            str(folder),
        )


def _ready(tokenizer: Any, network: Any) -> LanguageModel:
    from transformers import GenerationConfig

    said = network.generation_config.eos_token_id
    ends = said if isinstance(said, list) else [tokenizer.eos_token_id if said is None else said]
    ends = [end for end in ends if isinstance(end, int)]
    if not ends:
        raise ValueError("the model does not say which token ends a text")
    network.generation_config = GenerationConfig()  # how to decode is what the artist chose, and nothing else
    window = int(getattr(network.config, "max_position_embeddings", WINDOW))
    return LanguageModel(tokenizer, network, tuple(ends), tokenizer.bos_token_id, window)


def _stamp(folder: Path) -> Stamp:
    """Name, size and time of every file, so that a model that was exchanged is read anew."""
    files = sorted(file for file in folder.glob("*") if file.is_file()) if folder.is_dir() else []
    stats = [(file, file.stat()) for file in files]
    return ((str(folder), 0, 0), *((file.name, stat.st_size, stat.st_mtime_ns) for file, stat in stats))
