"""CLIP's vocabulary (Radford et al. 2021) for checkpoints that bring no tokenizer, from its published list of merges."""

from __future__ import annotations

import gzip
from functools import cache

from studio.engine.checkpoints import CONFIGS

_MERGES = 49152 - 256 - 2  # of 49,408 words: 256 bytes, the same at a word's end, merges, start, end

Merges = tuple[tuple[str, str], ...]


@cache
def clip_vocabulary() -> tuple[dict[str, int], Merges]:
    """Word to number, and the merges in their order. Not to be changed: it is shared."""
    lines = gzip.decompress((CONFIGS / "clip_merges.txt.gz").read_bytes()).decode("utf-8").splitlines()
    merges = tuple((left, right) for left, right in (line.split() for line in lines[1 : 1 + _MERGES]))
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    signs = [chr(byte) for byte in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    words = [*signs, *(sign + "</w>" for sign in signs), *map("".join, merges), "<|startoftext|>", "<|endoftext|>"]
    return {word: number for number, word in enumerate(words)}, merges
