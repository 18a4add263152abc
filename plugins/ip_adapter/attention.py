"""Reference pictures in the UNet's cross-attentions: diffusers' own processor over keys and values computed once.

Knows tensors and the UNet; no files, no encoders.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
from torch import Tensor, nn

_PLACEHOLDER = (1, 1, 1, 1)  # batch, pictures, tokens, features: what the tokens would be, were they still needed


@dataclass(slots=True, eq=False)
class Reference:
    """One reference picture (Ye et al. 2023, eq. 5: Attention(Q, K, V) + weight * Attention(Q, K', V')).

    `keys`, `values`: K' and V' (branches, tokens, width) for each cross-attention in its order; `weights` one for
    each; `mask` (1, 1, height, width) in 0 ... 1 at the picture's size or None. `acts`: whether at this step.
    State: `grids`, the mask on the grids that were asked for, by their number of cells.
    """

    keys: Sequence[Tensor]
    values: Sequence[Tensor]
    weights: Sequence[float]
    mask: Tensor | None = None
    acts: bool = True
    grids: dict[int, Tensor] = field(default_factory=dict)

    def on_grid(self, cells: int) -> Tensor | None:
        """The mask where an attention sees so many cells: the picture's grid, halved with rounding up.

        diffusers guesses the grid's sides from their ratio, which fails where rounding has changed it.
        """
        if self.mask is None or cells in self.grids:
            return self.grids.get(cells)
        height, width = self.mask.shape[2:]
        while height * width > cells:
            height, width = (height + 1) // 2, (width + 1) // 2
        self.grids[cells] = nn.functional.interpolate(self.mask, size=(height, width), mode="bicubic")
        return self.grids[cells]


class Attention:
    """In the place of a cross-attention's processor while reference pictures are there. State: `references`, in order."""

    def __init__(self, number: int, original: Any) -> None:  # Any: processors share no type
        self._number, self.original = number, original
        self.references: list[Reference] = []
        self._made: tuple[tuple[Reference, ...], IPAdapterAttnProcessor2_0] | None = None

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """The attention's answer: the original's where no reference acts, so that nothing is computed for those."""
        acting = tuple(one for one in self.references if one.acts and one.weights[self._number] != 0)
        if not acting:
            answer: Tensor = self.original(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
            return answer
        if self._made is None or self._made[0] != acting:
            self._made = acting, self._processor(acting)
        processor, batch, cells = self._made[1], hidden_states.shape[0], hidden_states.shape[1]
        for given in (*processor.to_k_ip, *processor.to_v_ip):
            given.batch = batch
        masks = [one.on_grid(cells) for one in acting]
        placeholders = [hidden_states.new_empty(_PLACEHOLDER)] * len(acting)
        told: Tensor = processor(
            attn,
            hidden_states,
            (encoder_hidden_states, placeholders),
            attention_mask,
            temb,
            ip_adapter_masks=masks if any(mask is not None for mask in masks) else None,
        )
        return told

    def _processor(self, acting: tuple[Reference, ...]) -> IPAdapterAttnProcessor2_0:
        processor = IPAdapterAttnProcessor2_0(0, 0, num_tokens=())
        processor.scale = [one.weights[self._number] for one in acting]
        processor.to_k_ip = nn.ModuleList(_Given(one.keys[self._number]) for one in acting)
        processor.to_v_ip = nn.ModuleList(_Given(one.values[self._number]) for one in acting)
        return processor


class _Given(nn.Module):
    """Stands for the linear layer whose answer is known: the tokens never change. State: `batch`, rows to answer."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__()
        self._answer, self.batch = answer, len(answer)

    def forward(self, _tokens: Tensor) -> Tensor:
        """One row for each branch; for a single branch (a guide looks again), that with the prompt, which is the last."""
        if self.batch == len(self._answer):
            return self._answer
        return self._answer[-1:].expand(self.batch, -1, -1)


def cross_attentions(unet: Any) -> list[Any]:
    """Every cross-attention in the order in which files number them: that of diffusers' `attn_processors`."""
    modules = dict(unet.named_modules())
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    return [modules[name] for name in names if name.endswith("attn2")]


def cross_attention_names(unet: Any) -> list[str]:
    """Their names: "down_blocks.2.attentions.1.transformer_blocks.0.attn2" and the like."""
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    return [name for name in names if name.endswith("attn2")]


@contextmanager
def joined(unet: Any, reference: Reference) -> Iterator[None]:
    """The reference in every cross-attention within the block, behind those that are there already.

    The first puts processors of ours in the place of the originals, the last to leave puts those back.
    """
    with ExitStack() as undo:
        for number, attention in enumerate(cross_attentions(unet)):
            if not isinstance(attention.processor, Attention):
                attention.set_processor(Attention(number, attention.processor))
            attention.processor.references.append(reference)
            undo.callback(_leave, attention, reference)
        yield


def _leave(attention: Any, reference: Reference) -> None:
    ours = attention.processor
    ours.references = [other for other in ours.references if other is not reference]
    ours._made = None
    if not ours.references:
        attention.set_processor(ours.original)


@torch.no_grad()
def projected(tokens: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """`to_k_ip` or `to_v_ip` of each cross-attention on the picture's tokens (branches, tokens, features)."""
    return tuple(nn.functional.linear(tokens, weight) for weight in weights)
