"""Looking at the steps without making a graphics card wait: one step later, while it works on the next one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import torch
from torch import Tensor

from studio.engine.diffusion.denoise import AfterStep, StepResult


class Done(Protocol):
    """A mark in the device's queue of work, as torch.cuda.Event."""

    def record(self) -> None: ...
    def synchronize(self) -> None: ...


class Behind:
    """Lets `look` see each step once it is computed, when the next one waits in the device's queue already.

    So the device never stands still, the host is at most one step ahead (progress tells the truth, a cancel comes
    within two steps), and whatever `look` copies to the host waits for nothing: it runs beside the pictures' stream.
    The last step is seen at once. `look` must leave the latents alone. State: the step not yet seen.
    """

    def __init__(
        self, look: AfterStep, mark: Callable[[], Done], beside: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._look, self._mark, self._beside = look, mark, beside
        self._unseen: tuple[StepResult, Done] | None = None

    def __call__(self, result: StepResult) -> Tensor:
        done = self._mark()
        done.record()
        before, self._unseen = self._unseen, (result, done)
        if before is not None:
            self._see(*before)
        if result.context.index == result.context.count - 1:
            self._see(*self._unseen)
            self._unseen = None
        return result.latents

    def _see(self, result: StepResult, done: Done) -> None:
        done.synchronize()
        with self._beside():
            self._look(result)


def looking(look: AfterStep, device: torch.device) -> AfterStep:
    """`look` as it is, or one step behind where the device works by itself (CUDA)."""
    if device.type != "cuda":
        return look
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return Behind(look, torch.cuda.Event, lambda: torch.cuda.stream(stream))
