"""Prompts to CLIP text embeddings, as the stock pipelines encode them, kept while the model stays."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

_KEPT = 64


class TextEncoder:
    """Encodes prompts with one model's tokenizer and CLIP text model (Radford et al. 2021), each text once.

    State: `_kept`, the embeddings of the last texts; it lives and dies with the model. While adapters are attached it
    is neither asked nor filled (`fresh`), as they may change the text model or the tokenizer: so no key can go stale.
    """

    def __init__(self, tokenizer: Any, text_model: Any) -> None:
        self.tokenizer, self.text_model = tokenizer, text_model
        self._kept: OrderedDict[str, Tensor] = OrderedDict()

    @torch.no_grad()
    def encode(self, text: str) -> Tensor:
        """Embedding (1, tokens, features) of a text; what goes past the model's 77 tokens is cut off."""
        known = self._kept.get(text)
        if known is None:
            known = self._encode(text)
            self._kept[text] = known
        self._kept.move_to_end(text)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return known

    @torch.no_grad()
    def branches(self, prompt: str, negative_prompt: str, count: int, fresh: bool = False) -> Tensor:
        """Embeddings for the loop (count, tokens, features): the negative prompt first when there are two."""
        encode = self._encode if fresh else self.encode
        conditional = encode(prompt)
        return conditional if count == 1 else torch.cat([encode(negative_prompt), conditional])

    def _encode(self, text: str) -> Tensor:
        tokens = self.tokenizer(
            [text],
            padding="max_length",
            max_length=self.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        device = self.text_model.device
        masked = getattr(self.text_model.config, "use_attention_mask", False)
        mask = tokens.attention_mask.to(device) if masked else None
        states: Tensor = self.text_model(tokens.input_ids.to(device), attention_mask=mask)[0]
        return states.to(self.text_model.dtype)


def guidance_embedding(scale: float, features: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The guidance scale as a sinusoidal embedding (1, features), for UNets distilled with it (Meng et al. 2023)."""
    half = features // 2
    step = torch.log(torch.tensor(10000.0)) / (half - 1)
    angles = (torch.tensor([scale - 1.0]) * 1000.0)[:, None] * torch.exp(torch.arange(half) * -step)[None, :]
    embedding = torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)
    return torch.nn.functional.pad(embedding, (0, features % 2)).to(device=device, dtype=dtype)
