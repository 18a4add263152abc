"""What adapters add is checked when it is new or changed, and not again at each step."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from studio.api import StepContext, UNetResiduals
from studio.engine.diffusion.adapters import PluginResiduals, ResidualShapes

SHAPES = ResidualShapes(down=((4, 8, 8),), mid=(4, 8, 8), inner=((4, 8, 8), (4, 4, 4)))


class _Counted:
    """The shapes, counting how often an answer is checked."""

    def __init__(self) -> None:
        self.checks = 0

    def checked(self, *arguments: Any) -> UNetResiduals:
        self.checks += 1
        return SHAPES.checked(*arguments)


def step(branches: int = 2) -> StepContext:
    latents = torch.zeros(branches, 4, 8, 8)
    return StepContext(
        index=0, count=9, timestep=torch.tensor(5), model_input=latents, text=torch.zeros(branches, 7, 4)
    )


def test_the_same_tensors_are_checked_once_and_changed_ones_again() -> None:
    inner = [torch.ones(1, 4, 8, 8), torch.ones(1, 4, 4, 4)]
    shapes = _Counted()
    attached: Any = SimpleNamespace(
        guest=SimpleNamespace(asked=None), guests=SimpleNamespace(calling=lambda *_: nullcontext())
    )
    residuals = PluginResiduals(attached, lambda _step: UNetResiduals(inner=tuple(inner)), shapes)  # type: ignore[arg-type]
    first = residuals(step())
    assert first is not None
    assert residuals(step()) is first
    assert shapes.checks == 1
    assert residuals(step(branches=1)) is not None
    assert shapes.checks == 2
    inner[0] = torch.ones(1, 4, 8, 8)  # equal, but another one
    assert residuals(step()) is not None
    assert shapes.checks == 3
    inner[1].fill_(float("nan"))  # the same one, changed in its place
    with pytest.raises(Exception, match="NaN"):
        residuals(step())
    assert shapes.checks == 4
    inner[1] = torch.ones(1, 4, 4, 4)
    with torch.inference_mode():
        inner[0] = torch.ones(1, 4, 8, 8)  # has no count of its changes
    for checks in (5, 6):
        assert residuals(step()) is not None
        assert shapes.checks == checks
