"""Studio Mini's eye for reference pictures: the picture tower of its own small CLIP.

Knows torch and pictures as tensors; no files, no studio. studio/mini makes Mini's adapter behind exactly this class,
loaded from this file by its path.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

PX = 64
"""Side of the pictures that the tower was trained on."""
_CELLS = 4  # along a side of the tower's last grid


class _Layer(nn.Module):
    """3 x 3 convolution, group norm, SiLU."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, stride=stride, padding=1)
        self.norm = nn.GroupNorm(8, after)

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(cast(Tensor, self.norm(self.conv(x))))


class Eye(nn.Module):
    """The tower up to the features from which kinds, colours and the rest were read in its training.

    Names of weights as in Mini's clip/model.safetensors. `features`: how many numbers a picture becomes.
    """

    def __init__(self, widths: tuple[int, ...], features: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths[:-1]), widths, strict=True):
            layers += [_Layer(before, after, 2), _Layer(after, after)]
        self.layers = nn.Sequential(*layers)
        self.middle = nn.Linear(widths[-1] * _CELLS * _CELLS, features)
        self.features = features

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, features) of pictures (batch, 3, 64, 64) in -1 ... 1."""
        return F.silu(cast(Tensor, self.middle(self.layers(pictures).flatten(1))))

    @classmethod
    def of(cls, weights: dict[str, Tensor]) -> Eye:
        """The tower that these weights belong to, in float32, frozen. Raises KeyError or RuntimeError otherwise."""
        layers = sorted(int(name.split(".")[1]) for name in weights if name.endswith("conv.weight"))
        widths = tuple(weights[f"layers.{n}.conv.weight"].shape[0] for n in layers[::2])
        eye = cls(widths, weights["middle.weight"].shape[0])
        eye.load_state_dict({name: weights[name].float() for name in eye.state_dict()})
        return eye.eval().requires_grad_(False)
