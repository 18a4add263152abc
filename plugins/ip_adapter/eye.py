"""Studio Mini's eye for reference pictures: the picture tower of its own small CLIP, read cell by cell.

Knows torch and pictures as tensors; no files, no studio. studio/mini trains Mini's adapter behind exactly this class,
loaded from this file by its path.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PX = 64
"""Side of the pictures that the tower was trained on."""
CELLS = 4
"""Cells along a side: the tower's last grid."""


class _Layer(nn.Module):
    """3 x 3 convolution, group norm, SiLU."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, stride=stride, padding=1)
        self.norm = nn.GroupNorm(8, after)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(cast(Tensor, self.norm(self.conv(x))))


class Eye(nn.Module):
    """The tower (names of weights as in Mini's clip/model.safetensors) as a source of what "plus" adapters read.

    A vision transformer gives its patches' hidden states. Here each cell of a 4 x 4 grid has the features of the
    tower's last three depths, averaged over the cell, and the unit vector of the whole picture behind them.
    """

    def __init__(self, widths: tuple[int, ...], hidden: int, joint: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths[:-1]), widths, strict=True):
            layers += [_Layer(before, after, 2), _Layer(after, after)]
        self.layers = nn.Sequential(*layers)
        self.middle = nn.Linear(widths[-1] * CELLS * CELLS, hidden)
        self.picture = nn.Linear(hidden, joint, bias=False)
        self.features = sum(widths[-3:]) + joint

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, 16, features) of pictures (batch, 3, 64, 64) in -1 ... 1."""
        depths = []
        hidden = pictures
        for number, layer in enumerate(self.layers):
            hidden = layer(hidden)
            if number % 2:
                depths.append(hidden)
        whole = F.normalize(self.picture(F.silu(self.middle(hidden.flatten(1)))), dim=1)
        cells = [F.adaptive_avg_pool2d(depth, CELLS).flatten(2).transpose(1, 2) for depth in depths[-3:]]
        spread = whole.shape[1] ** 0.5  # so that the numbers of a unit vector are about as large as the others
        return torch.cat([*cells, spread * whole[:, None].expand(-1, CELLS * CELLS, -1)], dim=2)

    @classmethod
    def of(cls, weights: dict[str, Tensor]) -> Eye:
        """The tower that these weights belong to, in float32, frozen. Raises KeyError or RuntimeError otherwise."""
        layers = sorted(int(name.split(".")[1]) for name in weights if name.endswith("conv.weight"))
        widths = tuple(weights[f"layers.{n}.conv.weight"].shape[0] for n in layers[::2])
        joint, hidden = weights["picture.weight"].shape
        eye = cls(widths, hidden, joint)
        eye.load_state_dict({name: weights[name].float() for name in eye.state_dict()})
        return eye.eval().requires_grad_(False)
