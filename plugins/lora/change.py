"""What a LoRA does to one weight, in float32, and the stack of such changes on each layer. Knows tensors, not files.

A weight is changed in place, so that the layer keeps its parameter; a copy of the original is kept aside, once for
however many changes, and its bits are put back. Nothing is ever subtracted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """W' = W + strength * scale * B A (Hu et al. 2021, eq. 3), with scale = alpha / r.

    `down` is A (r, in, ...), `up` is B (out, r, ...); `mid` (r, r, height, width) lies between them in LoCon's Tucker
    form. `magnitude` m makes it DoRA (Liu et al. 2024, eq. 5): W' = m V / |V| with V = W + strength * scale * B A and
    the norm of each output's weights, or of each input's where `by_input`. Any number format, any device.
    """

    down: Tensor
    up: Tensor
    scale: float
    mid: Tensor | None = None
    magnitude: Tensor | None = None
    by_input: bool = False

    def apply(self, weight: Tensor, strength: float) -> Tensor:
        """The changed weight, float32, of the same shape and on the same device as `weight`."""
        changed = weight.float() + strength * self.scale * self.product(weight)
        return changed if self.magnitude is None else self._decomposed(changed, self.magnitude)

    def product(self, weight: Tensor) -> Tensor:
        """B A in the shape of `weight`, float32."""
        down, up = (part.to(weight.device, torch.float32).flatten(1) for part in (self.down, self.up))
        if self.mid is None:
            product: Tensor = up @ down
            return product.reshape(weight.shape)
        mid = self.mid.to(weight.device, torch.float32)
        product = torch.einsum("oi,ijhw,jc->ochw", up, mid, down)
        return product.reshape(weight.shape)

    def _decomposed(self, changed: Tensor, magnitude: Tensor) -> Tensor:
        rows = changed.transpose(0, 1) if self.by_input else changed
        shape = (-1, *(1,) * (changed.ndim - 1))
        norm = torch.linalg.vector_norm(rows.flatten(1), dim=1).clamp_min(1e-12)
        factor = (magnitude.to(changed.device, torch.float32).flatten() / norm).reshape(shape)
        scaled: Tensor = changed * (factor.transpose(0, 1) if self.by_input else factor)
        return scaled


@dataclass(slots=True, eq=False)
class Applied:
    """One change on one layer, at a strength. Compared by identity: the same LoRA may lie there twice."""

    layer: Any  # nn.Linear, nn.Conv2d or diffusers' own
    change: Change
    strength: float


@dataclass(slots=True)
class _Stack:
    original: Tensor
    changes: list[Applied] = field(default_factory=list)


_STACKS: WeakKeyDictionary[Any, _Stack] = WeakKeyDictionary()  # by layer; lives as long as something is changed


@contextmanager
def applied(changes: Sequence[Applied]) -> Iterator[None]:
    """The changes in place within the block, on top of those that are there, in order.

    Changes may be taken back in any order: what remains is computed anew from the kept original.
    """
    with ExitStack() as undo:
        for change in changes:
            stack = _STACKS.get(change.layer) or _Stack(change.layer.weight.detach().clone())
            stack.changes.append(change)
            _STACKS[change.layer] = stack
            undo.callback(_take_back, change)  # each is called, even where another one fails
            _write(change.layer, stack)
        yield


def _take_back(change: Applied) -> None:
    stack = _STACKS[change.layer]
    stack.changes = [other for other in stack.changes if other is not change]
    if not stack.changes:
        del _STACKS[change.layer]
    _write(change.layer, stack)


@torch.no_grad()
def _write(layer: Any, stack: _Stack) -> None:
    """Gives the layer its original with all changes of the stack, rounded once; or the original's own bits."""
    weight = stack.original
    for change in stack.changes:
        weight = change.change.apply(weight, change.strength)
    layer.weight.data.copy_(weight)
