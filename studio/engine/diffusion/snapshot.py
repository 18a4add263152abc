"""Whether models are as they were: parts, hooks, attention processors and the bits of all weights; torch's settings.

Knows no plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from studio.engine.diffusion.reading import ALIGNMENT

_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_SETTINGS: tuple[tuple[Callable[[], Any], Callable[[Any], Any]], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_num_threads, torch.set_num_threads),  # sums are split among threads: the last bits follow
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
)


@contextmanager
def settings_kept() -> Iterator[None]:
    """Puts back what foreign code may change for the whole library, and so for pictures that do not use it."""
    before = [get() for get, _ in _SETTINGS]
    try:
        yield
    finally:
        for (get, put), value in zip(_SETTINGS, before, strict=True):
            if get() != value:
                put(value)


class Snapshot:
    """What some models consist of now. Costs one pass over their weights (0.2 ns a number on one core)."""

    def __init__(self, models: Sequence[nn.Module], tokenizers: Sequence[Any]) -> None:
        self._models, self._tokenizers = tuple(models), tuple(tokenizers)
        self._modules, self._weights, self._words = self._look()
        self._sums = checksums([tensor for _, tensor, _ in self._weights])

    def changes(self) -> str:
        """In a few words what is not as it was, "" if all is, to the bit."""
        modules, weights, words = self._look()
        if not _same(modules, self._modules):
            return "layers, hooks or attention processors"
        if not _same(weights, self._weights):
            return "weights were replaced"
        if not torch.equal(checksums([tensor for _, tensor, _ in weights]), self._sums):
            return "numbers in the weights"
        return "" if words == self._words else "words of the tokenizer"

    def _look(self) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]], list[tuple[int, int]]]:
        modules = [_shape_of(name, module) for model in self._models for name, module in model.named_modules()]
        weights = [
            (name, tensor, _look_of(tensor))
            for model in self._models
            for name, tensor in (*model.named_parameters(), *model.named_buffers())
        ]
        words = [(len(tokenizer), tokenizer.model_max_length) for tokenizer in self._tokenizers]
        return modules, weights, words


def _look_of(tensor: Tensor) -> tuple[Any, ...]:
    """All of a weight but its numbers. Not where it lies, only how aligned: kernels choose their order of summation by
    that. The studio itself moves weights, when a VAE must decode in 32 bits or parts take turns on the device."""
    return tensor.dtype, tensor.device, tensor.data_ptr() % ALIGNMENT, tensor.requires_grad


def checksums(tensors: Sequence[Tensor]) -> Tensor:
    """One 64-bit number for each tensor: the sum of its bits, read as whole numbers."""
    if not tensors:
        return torch.zeros(0, dtype=torch.int64)
    return torch.stack([_checksum(tensor.detach()) for tensor in tensors])  # one tensor: devices are asked once


def _checksum(tensor: Tensor) -> Tensor:
    if tensor.is_contiguous() and tensor.nbytes % 8 == 0 and tensor.data_ptr() % 8 == 0:
        return tensor.view(-1).view(torch.int64).sum()
    return torch.hash_tensor(tensor).view(torch.int64)


def _shape_of(name: str, module: nn.Module) -> tuple[Any, ...]:
    own = vars(module)
    hooks = tuple(sum(map(_foreign, (own.get(hook) or {}).values())) for hook in _HOOKS)
    return name, module, type(module), hooks, own.get("forward"), own.get("processor"), module.training


def _foreign(hook: Any) -> bool:
    """Whether a hook is not one of those by which transformers captures hidden states, from the first call on for good."""
    return getattr(hook, "__module__", None) != "transformers.utils.output_capturing"


def _same(left: Sequence[tuple[Any, ...]], right: Sequence[tuple[Any, ...]]) -> bool:
    """Item by item the same objects; plain values are compared, as tensors and modules must not be."""
    return len(left) == len(right) and all(
        a is b or (isinstance(a, str | int | bool | tuple) and a == b)
        for one, other in zip(left, right, strict=True)
        for a, b in zip(one, other, strict=True)
    )
