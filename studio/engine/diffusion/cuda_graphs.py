"""Recording a compiled call as a CUDA graph: hundreds of kernels started by one command (Nguyen et al. 2021, PyTorch)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from studio.engine.diffusion.memory import is_lack

WARM_UP = 3
_log = logging.getLogger(__name__)


class Recorded:
    """Plays a recorded call again with other numbers in tensors of the same kinds. Keeps its memory on the device.

    It is recorded with zeros, so that a playback that did not take the new numbers would be found out at once.
    """

    def __init__(self, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        leaves, structure = pytree.tree_flatten((args, kwargs))
        self._held = [torch.zeros_like(leaf) if isinstance(leaf, Tensor) else leaf for leaf in leaves]

        def once() -> Any:
            own_args, own_kwargs = pytree.tree_unflatten(list(self._held), structure)
            return call(*own_args, **own_kwargs)

        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                once()
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):  # other threads may use the device
            self._answer = once()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for held, given in zip(self._held, pytree.tree_leaves((args, kwargs)), strict=True):
            if isinstance(held, Tensor):
                held.copy_(given)
        self._graph.replay()
        return pytree.tree_map_only(Tensor, torch.clone, self._answer)  # the next playback writes over its own


def recorded(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recorded | None:
    """The call as a CUDA graph; None where there is no CUDA or it cannot be recorded."""
    tensors = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    if not tensors or any(tensor.device.type != "cuda" for tensor in tensors):
        return None
    try:
        return Recorded(call, args, kwargs)
    except RuntimeError as error:
        if is_lack(error):
            raise
        _log.warning("The compiled model is not recorded: %s", str(error).strip().splitlines()[:1])
        return None
