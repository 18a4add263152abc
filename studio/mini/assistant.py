"""A second process that lends a training run the processor time nobody else wants: half-asynchronous gradients.

It shares the network's weights in memory (Niu et al. 2011, Hogwild), computes gradients of batches of its own at the
lowest priority, and lays them down when they are ready; the trainer averages them into its next step. They may be a
few steps old. A run with an assistant is not repeatable number by number.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

OWN_SEEDS = 1 << 40
"""Step numbers of the assistant's batches begin here, so that it never draws the trainer's."""


class Assistant:
    """Forks on construction (call it before the first backward, with one thread per process: POSIX only).

    `one_batch(number)` computes the loss of the batch with that number and leaves the gradients in `weights`.
    """

    def __init__(
        self, network: nn.Module, weights: list[nn.Parameter], step: int, one_batch: Callable[[int], None]
    ) -> None:
        for parameter in network.parameters():
            parameter.data.share_memory_()  # type: ignore[no-untyped-call]  # torch's own annotation is missing
        self.weights = weights
        self.gradients: list[Tensor] = [torch.zeros_like(weight) for weight in weights]
        for tensor in (*self.gradients, ready := torch.zeros(1, dtype=torch.int64)):
            tensor.share_memory_()  # type: ignore[no-untyped-call]
        self.ready = ready
        self.taken = 0
        parent = os.getpid()
        self.process = os.fork()
        if self.process == 0:
            try:
                self._work(parent, step, one_batch)
            finally:
                os._exit(0)

    def _work(self, parent: int, step: int, one_batch: Callable[[int], None]) -> None:
        others = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
        if others:
            os.sched_setaffinity(0, others)
        os.setpriority(os.PRIO_PROCESS, 0, 12)
        number = OWN_SEEDS + step
        while os.getppid() == parent:
            if int(self.ready[0]):
                time.sleep(0.005)
                continue
            one_batch(number)
            number += 1
            for gradient, weight in zip(self.gradients, self.weights, strict=True):
                if weight.grad is not None:
                    gradient.copy_(weight.grad)
            self.ready[0] = 1

    @torch.no_grad()
    def add(self) -> bool:
        """Averages what lies ready into the weights' gradients; says whether there was anything."""
        if not int(self.ready[0]):
            return False
        own = [_gradient(weight) for weight in self.weights]
        torch._foreach_lerp_(own, self.gradients, 0.5)
        self.ready[0] = 0
        self.taken += 1
        return True

    def end(self) -> None:
        """Ends the second process."""
        os.kill(self.process, 15)
        os.waitpid(self.process, 0)


def _gradient(weight: nn.Parameter) -> Tensor:
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    return weight.grad
