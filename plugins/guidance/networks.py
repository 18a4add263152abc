"""The two small networks trained for Studio Mini: a classifier of noisy latents, and the picture tower of a small CLIP.

Knows tensors only; studio/mini trains exactly these classes, loaded from this file by its path.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KINDS = (
    "house", "sailboat", "tree", "flower", "vase", "cat", "bird", "fish", "balloon", "mushroom", "heart",
    "star", "apple", "cup", "car", "umbrella", "sun", "moon", "cloud", "butterfly", "kite", "rocket",
    "snowman", "duck", "cactus", "lamp", "book", "lighthouse", "rabbit", "teapot", "turtle", "whale",
)  # fmt: skip
"""What Mini can draw, in the order of the classifier's outputs."""


def timestep_features(timesteps: Tensor, width: int) -> Tensor:
    """Sinusoids of timesteps (batch,) of 0 ... 999 as (batch, width): Vaswani et al. 2017, as in DDPM."""
    steps = torch.arange(width // 2, dtype=torch.float32, device=timesteps.device)
    angles = timesteps.float()[:, None] * torch.exp(-math.log(10_000.0) * steps / (width // 2))
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class Layer(nn.Module):
    """3 x 3 convolution, group norm, SiLU; with `features` above 0 a scale and shift (Perez et al. 2018, FiLM)."""

    def __init__(self, before: int, after: int, stride: int = 1, features: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, 3, stride=stride, padding=1)
        self.norm = nn.GroupNorm(8, after)
        self.film = nn.Linear(features, 2 * after) if features else None

    def forward(self, x: Tensor, features: Tensor | None = None) -> Tensor:
        """(batch, before, h, w) to (batch, after, h / stride, w / stride)."""
        x = self.norm(self.conv(x))
        if self.film is not None:
            scale, shift = self.film(features)[:, :, None, None].chunk(2, dim=1)
            x = x * (1 + scale) + shift
        return F.silu(x)


class NoisyClassifier(nn.Module):
    """p(kind | x_t) of Dhariwal & Nichol 2021, section 4, for Mini's latents: half a million weights."""

    def __init__(
        self, channels: int = 16, widths: tuple[int, ...] = (64, 96, 112), features: int = 64, classes: int = len(KINDS)
    ) -> None:
        super().__init__()
        self.features = features
        self.time = nn.Sequential(nn.Linear(features, features), nn.SiLU(), nn.Linear(features, features), nn.SiLU())
        layers = [Layer(channels, widths[0], 1, features), Layer(widths[0], widths[0], 1, features)]
        for before, after in itertools.pairwise(widths):
            layers += [Layer(before, after, 2, features), Layer(after, after, 1, features)]
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(widths[-1], classes)

    def forward(self, noisy: Tensor, timesteps: Tensor) -> Tensor:
        """Logits (batch, classes) of x_t (batch, channels, h, w), x_t = alpha x_0 + sigma eps, at timesteps (batch,)."""
        features = self.time(timestep_features(timesteps, self.features))
        x = noisy
        for layer in self.layers:
            x = layer(x, features)
        return cast(Tensor, self.head(x.mean(dim=(2, 3))))

    @classmethod
    def of(cls, weights: dict[str, Tensor]) -> NoisyClassifier:
        """The network that these weights belong to, in float32, frozen. Raises KeyError or RuntimeError otherwise."""
        layers = sorted(int(name.split(".")[1]) for name in weights if name.endswith("conv.weight"))
        widths = tuple(weights[f"layers.{n}.conv.weight"].shape[0] for n in layers[1::2])
        classes, channels = weights["head.weight"].shape[0], weights["layers.0.conv.weight"].shape[1]
        return _filled(cls(channels, widths, weights["time.0.weight"].shape[0], classes), weights)


class ImageTower(nn.Module):
    """Pictures (64 px) and texts in one space: a convolutional tower, and a projection of the text tower's end state."""

    def __init__(
        self, widths: tuple[int, ...] = (24, 48, 96, 128), hidden: int = 256, text: int = 192, joint: int = 128
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths[:-1]), widths, strict=True):
            layers += [Layer(before, after, 2), Layer(after, after)]
        self.layers = nn.Sequential(*layers)
        self.middle = nn.Linear(widths[-1] * 16, hidden)
        self.picture = nn.Linear(hidden, joint, bias=False)
        self.text = nn.Linear(text, joint, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def look(self, pictures: Tensor) -> Tensor:
        """Features (batch, hidden) of pictures (batch, 3, 64, 64) in -1 ... 1."""
        return F.silu(cast(Tensor, self.middle(self.layers(pictures).flatten(1))))

    def forward(self, pictures: Tensor) -> Tensor:
        """Unit vectors (batch, joint) of pictures (batch, 3, 64, 64) in -1 ... 1."""
        return F.normalize(self.picture(self.look(pictures)), dim=1)

    def read(self, states: Tensor) -> Tensor:
        """Unit vectors (batch, joint) of the text tower's end-of-text states (batch, text)."""
        return F.normalize(self.text(states), dim=1)

    @classmethod
    def of(cls, weights: dict[str, Tensor]) -> ImageTower:
        """The network that these weights belong to, in float32, frozen. Raises KeyError or RuntimeError otherwise."""
        layers = sorted(int(name.split(".")[1]) for name in weights if name.endswith("conv.weight"))
        widths = tuple(weights[f"layers.{n}.conv.weight"].shape[0] for n in layers[::2])
        joint, text = weights["text.weight"].shape
        return _filled(cls(widths, weights["middle.weight"].shape[0], text, joint), weights)


def _filled(network: Any, weights: dict[str, Tensor]) -> Any:  # Any: either network
    network.load_state_dict({name: value.float() for name, value in weights.items()})
    return network.eval().requires_grad_(False)
