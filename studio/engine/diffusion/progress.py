"""Telling how far a job is, and noticing that it shall stop: between steps, and within long ones."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from studio.core.pixels import Pixels
from studio.engine.protocol import OnProgress, Progress, RenderCancelled, Undecoded

POLL_SECONDS = 0.1  # how often a long step asks whether to go on


class Reporter:
    """Tells one job's progress. Every method raises `RenderCancelled` once the listener has said stop."""

    def __init__(self, steps: int, on_progress: OnProgress) -> None:
        self._steps, self._on_progress = steps, on_progress
        self._step, self._phase = 0, ""
        self._began: float | None = None
        self._told = 0.0

    def phase(self, phase: str) -> None:
        """What happens now, before the first step or after the last."""
        self._phase = phase
        self._tell()

    def decoding(self, kept: Undecoded) -> None:
        """The loop is over; whoever listens may keep what it ended with."""
        self._phase = "decoding"
        self._tell(undecoded=kept)

    def begin(self) -> None:
        """The first step begins: the clock of its/s starts."""
        self._phase, self._began = "", time.monotonic()

    def step_done(self, calls: int, of: int, preview: Pixels | None) -> None:
        """`calls` of `of` denoiser calls are done; some solvers need more calls than steps."""
        self._step = max(1, calls * self._steps // of)
        self._tell(preview)

    def poll(self) -> None:
        """Ask whether to go on, if that was not asked lately. Cheap enough to be called from every block of a model."""
        if time.monotonic() - self._told >= POLL_SECONDS:
            self._tell()

    def _tell(self, preview: Pixels | None = None, undecoded: Undecoded | None = None) -> None:
        now = time.monotonic()
        self._told = now
        seconds = 0.0 if self._began is None else now - self._began
        progress = Progress(
            step=self._step,
            steps=self._steps,
            seconds=seconds,
            phase=self._phase,
            preview=preview,
            undecoded=undecoded,
        )
        if not self._on_progress(progress):
            raise RenderCancelled


@contextmanager
def interruptible(models: Sequence[Any], report: Reporter) -> Iterator[None]:
    """While this lasts, the blocks of these models ask `report` whether to go on, so that a long step can be left."""
    handles = [
        block.register_forward_pre_hook(lambda _module, _inputs: report.poll())
        for model in models
        for block in _blocks(model)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _blocks(model: Any) -> list[Any]:
    lists = [getattr(model, name, ()) for name in ("down_blocks", "up_blocks")]
    mid = getattr(model, "mid_block", None)
    return [block for blocks in lists for block in blocks] + ([] if mid is None else [mid])
