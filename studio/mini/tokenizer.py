"""The byte-level BPE tokenizer in CLIP's format, learnt from our own captions (Sennrich et al. 2016).

English and Chinese share one vocabulary: 256 bytes, the same bytes ending a word, merges, then start and end token.
Merges never cross the border of a Chinese character. CLIP's splitting takes a whole Chinese phrase for one word, and
frequent neighbours ("one" with its measure word and half a colour) would become tokens no new phrase is made of.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from transformers import CLIPTokenizer

from studio.mini.data import LANGUAGES, scene_number
from studio.mini.drawings import FIXED_PROMPTS, caption

START, END = "<|startoftext|>", "<|endoftext|>"
Pair = tuple[str, str]


def sample_captions(count: int) -> list[str]:
    """Captions of both languages and all levels, plus the fixed prompts."""
    rng = np.random.default_rng(11)
    texts = [caption(scene_number(i, i % 3), rng, LANGUAGES[i // 3 % 2]) for i in range(count)]
    return texts + [text for pair in FIXED_PROMPTS for text in pair]


def train_tokenizer(captions: Iterable[str], folder: Path, merges: int = 1000, max_tokens: int = 77) -> CLIPTokenizer:
    """Learns merges from captions, writes the four files of a CLIP tokenizer to `folder` and loads them."""
    folder.mkdir(parents=True, exist_ok=True)
    alphabet = _alphabet()
    learnt = learn_merges(_words(captions, alphabet), merges)
    tokens = [*alphabet, *(symbol + "</w>" for symbol in alphabet), *(a + b for a, b in learnt), START, END]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    _write(folder, vocabulary, learnt)
    tokenizer = _from_parts(vocabulary, learnt, max_tokens)
    tokenizer.save_pretrained(folder)
    _write(folder, vocabulary, learnt)
    return tokenizer


def learn_merges(words: Counter[str], count: int) -> list[Pair]:
    """The `count` most frequent pairs, one after the other; ties go to the pair that sorts first.

    `words` maps byte-symbol words to their frequency. Stops early when no pair occurs twice.
    """
    counted: Counter[tuple[str, ...]] = Counter()
    for word, number in words.items():
        for unit in _units([*word[:-1], word[-1] + "</w>"]):
            counted[unit] += number
    pieces = [(list(unit), number) for unit, number in counted.items()]
    merges: list[Pair] = []
    while len(merges) < count:
        pairs: Counter[Pair] = Counter()
        for symbols, number in pieces:
            for pair in pairwise(symbols):
                pairs[pair] += number
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        if pairs[best] < 2:
            break
        merges.append(best)
        pieces = [(_merged(symbols, best), number) for symbols, number in pieces]
    return merges


def _units(symbols: list[str]) -> list[tuple[str, ...]]:
    """Splits a word's byte symbols before every leading UTF-8 byte above ASCII; English words stay whole."""
    leading = set(_alphabet()[0xC0:])
    units: list[list[str]] = [[]]
    for symbol in symbols:
        if symbol[0] in leading and units[-1]:
            units.append([])
        units[-1].append(symbol)
    return [tuple(unit) for unit in units]


def _merged(symbols: list[str], pair: Pair) -> list[str]:
    if pair[0] not in symbols:
        return symbols
    result: list[str] = []
    for symbol in symbols:
        # A symbol merged just now cannot equal pair[0]: it is longer, so one pass is exact.
        if result and symbol == pair[1] and result[-1] == pair[0]:
            result[-1] = pair[0] + pair[1]
        else:
            result.append(symbol)
    return result


@cache
def _alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes: a printable byte is itself, the others follow from U+0100 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    stand_in = {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}
    return [stand_in[byte] for byte in range(256)]


def _words(captions: Iterable[str], alphabet: list[str]) -> Counter[str]:
    """Word frequencies as CLIP's own splitting sees them, which a tokenizer without merges tells us."""
    tokens = [*alphabet, *(symbol + "</w>" for symbol in alphabet), START, END]
    bare = _from_parts({token: number for number, token in enumerate(tokens)}, [], 77)
    backend = bare.backend_tokenizer
    words: Counter[str] = Counter()
    for text in captions:
        words.update(word for word, _ in backend.pre_tokenizer.pre_tokenize_str(backend.normalizer.normalize_str(text)))
    return words


def _from_parts(vocabulary: dict[str, int], merges: list[Pair], max_tokens: int) -> CLIPTokenizer:
    return CLIPTokenizer(
        vocab=vocabulary, merges=merges, model_max_length=max_tokens, pad_token=END, unk_token=END
    )  # fmt: skip


def _write(folder: Path, vocabulary: dict[str, int], merges: list[Pair]) -> None:
    """vocab.json and merges.txt beside tokenizer.json: programs that read the older CLIP format want them."""
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
