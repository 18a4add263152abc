"""The mode of a control layer: what of its residuals reaches which guess (Mikubill's extension; diffusers' guess mode)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor

from studio.api import StepContext, UNetResiduals
from studio.core.choices import ControlMode
from studio.core.recipe import ControlUse

SOFTEST, SOFTEST_INNER = 0.1, 0.25
"""How much is left of the outermost residual: ControlNet's (0.825^12 there, 10^-1 in diffusers), T2I-Adapter's."""


def idle_mode(use: ControlUse, branches: int, gives_residuals: bool) -> str:
    """Why a layer's mode does not do what it is for, in a sentence; "" if it does."""
    if use.mode is not ControlMode.BALANCED and not gives_residuals:
        return f"The mode of {use.kind} changes nothing: this layer acts by other means."
    if use.mode.one_sided and branches == 1:
        return f"{use.kind} does not lead: without guidance nothing makes it stronger."
    return ""


def pooled_mode(use: ControlUse, pools: bool) -> str:
    """Why a mode changes nothing where the network pools what it sees, in a sentence; "" if it does, or is none."""
    if not pools or use.mode is ControlMode.BALANCED:
        return ""
    return (
        f"The mode of {use.kind} changes nothing: its network steers the guess with the prompt only, in all its layers."
    )


def with_prompt_only(step: StepContext) -> StepContext:
    """The step as the guess with the prompt sees it, alone: the last of its branches."""
    added = None if step.added is None else {name: values[-1:] for name, values in step.added.items()}
    return replace(step, model_input=step.model_input[-1:], text=step.text[-1:], added=added)


def beside_nothing(tensors: Iterable[Tensor], branches: int) -> tuple[Tensor, ...]:
    """(branches, ...) of (1, ...) each: the last branch's, zeros for the others."""
    if branches == 1:
        return tuple(tensors)
    return tuple(torch.cat([part.new_zeros((branches - 1, *part.shape[1:])), part]) for part in tensors)


def moderated(given: UNetResiduals, mode: ControlMode, branches: int) -> UNetResiduals:
    """What is left of residuals in a mode; those of a batch of one count for all `branches`."""
    if mode.soft:
        given = softened(given)
    if mode.one_sided and branches > 1:
        given = UNetResiduals(
            down=beside_nothing((part[-1:] for part in given.down), branches),
            mid=None if given.mid is None else beside_nothing((given.mid[-1:],), branches)[0],
            inner=beside_nothing((part[-1:] for part in given.inner), branches),
        )
    return given


def softened(given: UNetResiduals) -> UNetResiduals:
    """Each layer times its share, evenly in the logarithm from the outermost to the innermost, which stays whole.

    As `ControlNetModel.forward` does with `guess_mode`: the skip connections and the middle are one row.
    """
    shares = torch.logspace(math.log10(SOFTEST), 0, len(given.down) + 1).tolist()
    inner = torch.logspace(math.log10(SOFTEST_INNER), 0, len(given.inner)).tolist()
    return UNetResiduals(
        down=tuple(part * share for part, share in zip(given.down, shares[:-1], strict=True)),
        mid=given.mid,
        inner=tuple(part * share for part, share in zip(given.inner, inner, strict=True)),
    )
