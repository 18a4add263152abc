"""Prompts to CLIP text embeddings, as the stock pipelines encode them, kept while the model stays.

A prompt without weights that fits into 77 tokens takes the stock pipelines' very path, to the bit. Longer ones are read
in portions of 75 tokens whose embeddings stand one after the other; weights scale the embeddings of their tokens.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from studio.engine.emphasis import Piece, is_plain, pieces_of

_KEPT = 64


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a prompt tells the UNet: `states` (branches, tokens, features) and, for SDXL, `pooled` (branches, features)."""

    states: Tensor
    pooled: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Tower:
    """A tokenizer and its text model."""

    tokenizer: Any
    model: Any


class TextEncoder:
    """Encodes prompts with one model's CLIP towers (Radford et al. 2021; two of them in SDXL), each text once.

    `xl`: the last layer but one of every tower, side by side, and the last tower's pooled vector (Podell et al. 2023);
    otherwise the last layer of the only tower. `zeros_for_empty`: an empty negative prompt is a vector of zeros.
    State: `_kept`, the embeddings of the last texts; it lives and dies with the model. While adapters are attached it
    is neither asked nor filled (`fresh`), as they may change the text model or the tokenizer: so no key can go stale.
    """

    def __init__(self, towers: Sequence[Tower], *, xl: bool = False, zeros_for_empty: bool = False) -> None:
        self.towers, self._xl, self._zeros_for_empty = tuple(towers), xl, zeros_for_empty
        self._kept: OrderedDict[tuple[str, int, bool], Encoded] = OrderedDict()

    @property
    def tokenizer(self) -> Any:
        """Of the first tower."""
        return self.towers[0].tokenizer

    @property
    def text_model(self) -> Any:
        """Of the first tower."""
        return self.towers[0].model

    @property
    def layers(self) -> int:
        """How many layers may be skipped at most."""
        return min(int(tower.model.config.num_hidden_layers) for tower in self.towers) - (2 if self._xl else 1)

    @torch.no_grad()
    def encode(self, text: str, clip_skip: int = 0, weighted: bool = True, fresh: bool = False) -> Encoded:
        """The embedding of one text. `clip_skip` layers are left out at the end, as diffusers counts them.

        Not `weighted`: brackets are signs like others, and what goes past 77 tokens is cut off.
        """
        if fresh:
            return self._encode(text, clip_skip, weighted)
        key = (text, clip_skip, weighted)
        if key not in self._kept:
            self._kept[key] = self._encode(text, clip_skip, weighted)
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return self._kept[key]

    def reads(self, word: str, text: str, weighted: bool = True) -> bool:
        """Whether the tokens of a word stand in what is read of a text, one after the other."""
        tokenizer = self.tokenizer
        wanted = tokenizer(word, add_special_tokens=False, verbose=False).input_ids
        if weighted:
            pieces = (Piece(text),) if is_plain(text) else pieces_of(text)
            read = [tokenizer(piece.text, add_special_tokens=False, verbose=False).input_ids for piece in pieces]
        else:
            read = [_padded(tokenizer, text).input_ids[0].tolist()]
        return any(ids[i : i + len(wanted)] == wanted for ids in read for i in range(len(ids) - len(wanted) + 1))

    @torch.no_grad()
    def branches(
        self,
        prompt: str,
        negative_prompt: str,
        count: int,
        fresh: bool = False,
        clip_skip: int = 0,
        weighted: bool = True,
    ) -> Encoded:
        """Embeddings for the loop: the negative prompt first when there are two branches.

        As in the stock pipelines, the negative prompt skips no layer.
        """
        positive = self.encode(prompt, clip_skip, weighted, fresh)
        if count == 1:
            return positive
        if self._zeros_for_empty and not negative_prompt:
            negative = _zeros_like(positive)  # all of it, however long
        else:
            negative = self.encode(negative_prompt, 0, weighted, fresh)
        positive, negative = (
            self._as_long(positive, negative, fresh, clip_skip),
            self._as_long(negative, positive, fresh),
        )
        if positive.pooled is None or negative.pooled is None:
            return Encoded(torch.cat([negative.states, positive.states]))
        return Encoded(
            torch.cat([negative.states, positive.states]), torch.cat([negative.pooled, positive.pooled], dim=0)
        )

    def _as_long(self, text: Encoded, other: Encoded, fresh: bool, clip_skip: int = 0) -> Encoded:
        """The text with portions of nothing, of its own layer, at its end, until it is as long as the other one."""
        lacking = other.states.shape[1] - text.states.shape[1]
        if lacking <= 0:
            return text
        empty = self.encode("", clip_skip, True, fresh).states
        return Encoded(torch.cat([text.states, *[empty] * (lacking // empty.shape[1])], dim=1), text.pooled)

    def _encode(self, text: str, clip_skip: int, weighted: bool) -> Encoded:
        parts = [self._tower(tower, text, clip_skip, weighted) for tower in self.towers]
        length = max(part.states.shape[1] for part in parts)  # tokenizers with words of their own may differ
        states = [_lengthened(part.states, length) for part in parts]
        dtype = self.towers[-1].model.dtype
        joined = states[0] if len(states) == 1 else torch.concat(states, dim=-1)
        return Encoded(joined.to(dtype), parts[-1].pooled if self._xl else None)

    def _tower(self, tower: Tower, text: str, clip_skip: int, weighted: bool) -> Encoded:
        if not weighted:
            plain = _padded(tower.tokenizer, text)
            return self._read(tower, plain.input_ids, plain.attention_mask, clip_skip)
        pieces = (Piece(text),) if is_plain(text) else pieces_of(text)
        words = [(tower.tokenizer(p.text, add_special_tokens=False, verbose=False).input_ids, p.weight) for p in pieces]
        room = tower.tokenizer.model_max_length - 2
        if len(pieces) == 1 and pieces[0].weight == 1.0 and len(words[0][0]) <= room:
            tokens = _padded(tower.tokenizer, pieces[0].text)
            return self._read(tower, tokens.input_ids, tokens.attention_mask, clip_skip)
        flat = [(id, weight) for ids, weight in words for id in ids]
        portions = [flat[i : i + room] for i in range(0, len(flat), room)] or [[]]
        read = [self._portion(tower, portion, room, clip_skip) for portion in portions]
        return Encoded(torch.cat([part.states for part in read], dim=1), read[0].pooled)

    def _portion(self, tower: Tower, portion: Sequence[tuple[int, float]], room: int, clip_skip: int) -> Encoded:
        """Up to 75 tokens between start and end. The mean is kept, so that weights shift attention, not contrast."""
        tokenizer, padding = tower.tokenizer, room - len(portion)
        ids = [tokenizer.bos_token_id, *(id for id, _ in portion), tokenizer.eos_token_id]
        mask = [1] * len(ids) + [0] * padding
        ids += [tokenizer.pad_token_id] * padding
        read = self._read(tower, torch.tensor([ids]), torch.tensor([mask]), clip_skip)
        weights = [1.0, *(weight for _, weight in portion)]
        weights += [1.0] * (room + 2 - len(weights))
        if all(weight == 1.0 for weight in weights):
            return read
        states = read.states.float()
        scaled = states * torch.tensor(weights, device=states.device)[None, :, None]
        scaled = scaled * (states.mean() / scaled.mean())
        kept = bool(torch.isfinite(scaled).all())  # a mean of nothing cannot be kept
        return Encoded((scaled if kept else states).to(read.states.dtype), read.pooled)

    def _read(self, tower: Tower, ids: Tensor, mask: Tensor, clip_skip: int) -> Encoded:
        device, model = tower.model.device, tower.model
        if self._xl:
            out = model(ids.to(device), output_hidden_states=True)
            return Encoded(out.hidden_states[-(clip_skip + 2)], out[0] if out[0].ndim == 2 else None)
        attention_mask = mask.to(device) if getattr(model.config, "use_attention_mask", False) else None
        if clip_skip == 0:
            return Encoded(model(ids.to(device), attention_mask=attention_mask)[0])
        out = model(ids.to(device), attention_mask=attention_mask, output_hidden_states=True)
        inner = getattr(model, "text_model", model)
        return Encoded(inner.final_layer_norm(out.hidden_states[-(clip_skip + 1)]))


def _padded(tokenizer: Any, text: str) -> Any:
    return tokenizer(
        [text], padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    )


def _lengthened(states: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(states, (0, 0, 0, length - states.shape[1])) if states.shape[1] < length else states


def _zeros_like(text: Encoded) -> Encoded:
    return Encoded(torch.zeros_like(text.states), None if text.pooled is None else torch.zeros_like(text.pooled))


def guidance_embedding(scale: float, features: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The guidance scale as a sinusoidal embedding (1, features), for UNets distilled with it (Meng et al. 2023)."""
    half = features // 2
    step = torch.log(torch.tensor(10000.0)) / (half - 1)
    angles = (torch.tensor([scale - 1.0]) * 1000.0)[:, None] * torch.exp(torch.arange(half) * -step)[None, :]
    embedding = torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)
    return torch.nn.functional.pad(embedding, (0, features % 2)).to(device=device, dtype=dtype)
