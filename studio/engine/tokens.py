"""Counts the tokens of a prompt and says where a further portion begins. Light: the `tokenizers` library, no torch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.core.errors import ModelMissing
from studio.engine.clip_words import clip_vocabulary
from studio.engine.intake.library import Library
from studio.engine.models import find_place

_FOLDERS = ("tokenizer", "tokenizer_2")  # SDXL's refiner has the second alone
_SHIPPED = ("", 0)
LIMIT = 75  # CLIP reads 77 tokens; start and end take two


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCount:
    """`tokens` without start and end, read in portions of `limit`; the second begins at character `cut_at`."""

    tokens: int
    limit: int = LIMIT
    cut_at: int | None = None


class TokenCounter:
    """Counts with each model's own tokenizer. State: `_tokenizers`, by tokenizer file and time of change.

    A `library` that was scanned knows where models lie, in whatever sub-folder; else the folders are looked through.
    Not thread-safe by itself: one thread at a time.
    """

    def __init__(self, model_folders: Iterable[Path], library: Library | None = None) -> None:
        self._folders, self._library = tuple(model_folders), library
        self._tokenizers: dict[tuple[str, int], Any] = {}

    def count(self, model_name: str, text: str) -> TokenCount:
        """The tokens of `text` for a model. Raises `ModelMissing` if the model or its tokenizer cannot be read."""
        place = self._place(model_name)
        folder = next((place / part for part in _FOLDERS if (place / part).is_dir()), place / _FOLDERS[0])
        limit = _limit(folder)
        tokenizer = self._shipped() if place.is_file() else self._tokenizer(model_name, folder)
        encoding = tokenizer.encode(text, add_special_tokens=False)
        count = len(encoding.ids)
        cut_at = encoding.offsets[limit][0] if count > limit else None
        return TokenCount(tokens=count, limit=limit, cut_at=cut_at)

    def _place(self, model_name: str) -> Path:
        if self._library is not None and self._library.scanned:
            return self._library.find(model_name).path
        return find_place(model_name, self._folders)

    def _shipped(self) -> Any:
        """CLIP's own, which checkpoints in one file go by."""
        if _SHIPPED not in self._tokenizers:
            self._tokenizers[_SHIPPED] = clip_tokenizer(*clip_vocabulary())
        return self._tokenizers[_SHIPPED]

    def _tokenizer(self, model_name: str, folder: Path) -> Any:
        try:
            file = next(file for file in (folder / "tokenizer.json", folder / "vocab.json") if file.is_file())
            key = (str(file), file.stat().st_mtime_ns)
            if key not in self._tokenizers:
                self._tokenizers[key] = load_tokenizer(folder)
            return self._tokenizers[key]
        except Exception as error:  # the library raises plain Exception for damaged files
            raise ModelMissing(
                f"The tokenizer of the model “{model_name}” cannot be read.", "Fetch the model again.", repr(error)
            ) from error


def load_tokenizer(folder: Path) -> Any:
    """A `tokenizers.Tokenizer` from tokenizer.json, or CLIP's BPE from vocab.json and merges.txt."""
    from tokenizers import Tokenizer

    if (folder / "tokenizer.json").is_file():
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer
    table = json.loads((folder / "vocab.json").read_text("utf-8"))
    lines = [line.split() for line in (folder / "merges.txt").read_text("utf-8").splitlines()]
    return clip_tokenizer(table, [(line[0], line[1]) for line in lines if len(line) == 2 and line[0] != "#version:"])


def clip_tokenizer(table: dict[str, int], pairs: Sequence[tuple[str, str]]) -> Any:
    """CLIP's byte-pair encoding (Radford et al. 2021): lower case, words without spaces, the last piece ends in </w>."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(
        models.BPE(
            vocab=table,
            merges=list(pairs),
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            unk_token="<|endoftext|>",
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])  # typed into a prompt they count as one
    return tokenizer


# CLIP's words: contractions, runs of letters, single digits, runs of other signs.
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def _limit(folder: Path) -> int:
    """Tokens that are read, without start and end, as the tokenizer's config has it."""
    try:
        longest = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))["model_max_length"]
    except (OSError, ValueError, KeyError, TypeError):
        return LIMIT
    return longest - 2 if isinstance(longest, int) and 2 < longest <= 4096 else LIMIT
