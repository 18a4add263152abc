"""The prompt tool: from a prompt, a seed and a way of decoding to texts that begin with the prompt. transformers' `generate`
does the decoding; the processor's own random numbers are lent and given back, so that nothing else notices."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import torch
from torch import Tensor
from transformers import GenerationConfig

from studio.api import Use

from .models import LanguageModel, Shelf

SHORTEST = 3
"""Tokens that are added at least, where the length allows it: a prompt that could stand alone is continued all the same."""
LONGEST = 20_000
"""Characters of a prompt."""
TRIES = 4
"""Seeds tried for each text asked for, before fewer are handed back: short texts repeat themselves."""

_PAUSE = re.compile(r"[,，.。;；、!！?？]")
_LOOSE_ENDS = " ,，;；、:：-"


class PromptExpander:
    """Continues prompts; keeps the language model between calls."""

    def __init__(self) -> None:
        self._shelf = Shelf()

    def __call__(self, prompt: str, seed: int, count: int, use: Use) -> Sequence[str]:
        """1 ... `count` different texts that begin with the prompt; the prompt alone if nothing comes of it.

        Greedy decoding knows one text, beam search as many as it has beams. Text n of the methods that draw by chance
        is the first text of `seed` + n, repetitions left out. Raises `ModelMissing`.
        """
        start = prompt.rstrip()
        texts: dict[str, None] = {}
        for addition in islice(_additions(self._shelf.model(use), start, seed, use.values), TRIES * count):
            if addition and len(start) + len(addition) <= LONGEST:
                texts[start + addition] = None
            if len(texts) == count:
                break
        return list(texts) or [prompt]


def _additions(model: LanguageModel, start: str, seed: int, values: Mapping[str, object]) -> Iterator[str]:
    """What could follow the start; without end where chance decides."""
    length = min(int(str(values["length"])), model.window // 2)
    ids = model.read(start, model.window - length)
    settings = decoding(model, values, length)
    if not settings.do_sample:
        for row in _generate(model, ids, settings):
            yield _addition(model, ids, row)
        return
    while True:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            rows = _generate(model, ids, settings)
        yield _addition(model, ids, rows[0])
        seed += 1


def decoding(model: LanguageModel, values: Mapping[str, object], length: int) -> GenerationConfig:
    """transformers' settings for a method.

    Sampling draws from softmax(logits / temperature): from all of it, from its k largest probabilities (Fan et al.
    2018), or from the smallest set with at least the probability p (Holtzman et al. 2020).
    """
    beams = int(str(values["beams"]))
    ways: dict[str, dict[str, object]] = {
        "greedy": {"do_sample": False},
        "beam search": {"do_sample": False, "num_beams": beams, "num_return_sequences": beams},
        "temperature": {"top_k": 0, "top_p": 1.0},
        "top-k": {"top_k": values["top_k"], "top_p": 1.0},
        "top-p": {"top_k": 0, "top_p": values["top_p"]},
    }
    way = ways[str(values["method"])]
    if "do_sample" not in way:
        way |= {"do_sample": True, "temperature": values["temperature"]}
    end = list(model.ends)
    return GenerationConfig(
        max_new_tokens=length, min_new_tokens=min(SHORTEST, length), eos_token_id=end, pad_token_id=end[0], **way
    )


@torch.no_grad()
def _generate(model: LanguageModel, ids: Tensor, settings: GenerationConfig) -> Tensor:
    """int64 (texts, tokens): the given ids (1, tokens) and what follows."""
    rows: Tensor = model.network.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings
    )
    return rows


def _addition(model: LanguageModel, ids: Tensor, row: Tensor) -> str:
    """The text behind the given ids. Read together with them: some tokenizers drop a space at the very start."""
    given = ids.shape[1]
    added = row[given:].tolist()
    head, whole = model.write(row[:given].tolist()), model.write(row.tolist())
    text = whole[len(head) :] if whole.startswith(head) else model.write(added)
    return _tidied(text, finished=any(end in added for end in model.ends))


def _tidied(text: str, finished: bool) -> str:
    """The first line, without half a character, half a phrase or a comma at its end."""
    line, newline, _ = text.replace("\ufffd", "").partition("\n")
    if not finished and not newline:
        pauses = [found.start() for found in _PAUSE.finditer(line)]
        space = line.rfind(" ")
        line = line[: pauses[-1]] if pauses and pauses[-1] > 0 else line[:space] if space > 0 else line
    return line.rstrip(_LOOSE_ENDS)
