"""The two networks of Uni-ControlNet (Zhao et al. 2023, arXiv 2305.16322), and Studio Mini's eye for its global one.

Knows torch and diffusers' building blocks; no files, no studio. Names of weights: the published ones where the design
is the paper's own (feature extractor, feature denormalisation, global adapter), diffusers' for the UNet's encoder.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from diffusers.models.attention import FeedForward
from diffusers.models.controlnets.controlnet import ControlNetModel
from torch import Tensor, nn
from torch.nn import functional as F

Moments = tuple[Tensor, Tensor]  # scale and shift, (batch, channels, cells, cells) each


@dataclass(frozen=True, slots=True)
class LocalDesign:
    """Sizes of a local adapter. `conditions`: what the stacked maps are, three channels each.

    `before`: widths of the extractor's part above the UNet's grids, one for each halving of the picture and the first;
    `inject`: channels of the features for each level of the UNet.
    """

    conditions: tuple[str, ...]
    before: tuple[int, ...] = (32, 64, 128)
    inject: tuple[int, ...] = (192, 256, 384, 512)

    @property
    def channels(self) -> int:
        """Of the stacked maps: 21 for the paper's seven conditions."""
        return 3 * len(self.conditions)


class FeatureExtractor(nn.Module):
    """Section 3.2, figure 3: stacked maps to one feature for each level of the UNet, each through a zero convolution."""

    def __init__(self, design: LocalDesign) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(design.channels, design.before[0], 3, padding=1), nn.SiLU()]
        for width, wider in itertools.pairwise(design.before):
            layers += [nn.Conv2d(width, wider, 3, padding=1, stride=2), nn.SiLU()]
            layers += [nn.Conv2d(wider, wider, 3, padding=1), nn.SiLU()]
        self.pre_extractor = nn.Sequential(*layers)
        widths = (design.before[-1], *design.inject)
        self.extractors = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, wider, 3, padding=1, stride=2), nn.SiLU())
            for width, wider in itertools.pairwise(widths)
        )
        self.zero_convs = nn.ModuleList(_zero(nn.Conv2d(width, width, 3, padding=1)) for width in design.inject)

    def forward(self, maps: Tensor) -> list[Tensor]:
        """(batch, 3 x conditions, height, width) in 0 ... 1 to (batch, inject[i], cells, cells), finest first."""
        hidden, given = self.pre_extractor(maps), []
        for extractor, zero_conv in zip(self.extractors, self.zero_convs, strict=True):
            hidden = extractor(hidden)
            given.append(zero_conv(hidden))
        return given


class FeatureDenormalisation(nn.Module):
    """Eq. 6 and 7: FDN(Z, c) = norm(Z) (1 + conv_gamma(c)) + conv_beta(c), in the place of a residual block's norm.

    gamma and beta depend on the maps alone: `read` computes them once, `forward` is then as cheap as any norm.
    """

    def __init__(self, norm: nn.GroupNorm, inject: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm.num_groups, norm.num_channels, eps=norm.eps, affine=False)
        self.conv_gamma = nn.Conv2d(inject, norm.num_channels, 3, padding=1)
        self.conv_beta = nn.Conv2d(inject, norm.num_channels, 3, padding=1)
        self._scale: Tensor | None = None
        self._shift: Tensor | None = None

    def read(self, feature: Tensor) -> Moments:
        """What a local feature (batch, inject, cells, cells) scales and shifts by."""
        return 1 + self.conv_gamma(feature), self.conv_beta(feature)

    def take(self, moments: Moments | None) -> None:
        """Scale and shift by these in the calls to come; None: forget them."""
        self._scale, self._shift = moments or (None, None)

    def forward(self, hidden: Tensor) -> Tensor:
        """(batch, channels, cells, cells) to the same."""
        if self._scale is None or self._shift is None:
            raise RuntimeError("no maps were given")
        denormalised: Tensor = self.norm(hidden) * self._scale + self._shift
        return denormalised


class LocalAdapter(nn.Module):
    """A copy of the UNet's encoder whose first residual block of each level is denormalised by the maps' features.

    Its skips and middle go through zero convolutions to the UNet, as a ControlNet's do. `encoder`: a ControlNetModel
    of the UNet's own sizes (`encoder_of`), of which everything but its hint network is used.
    """

    def __init__(self, design: LocalDesign, encoder: Any) -> None:  # Any: ControlNetModel is not typed
        super().__init__()
        self.design = design
        self.feature_extractor = FeatureExtractor(design)
        self.conv_in, self.time_proj, self.time_embedding = encoder.conv_in, encoder.time_proj, encoder.time_embedding
        self.down_blocks, self.mid_block = encoder.down_blocks, encoder.mid_block
        self.zero_convs, self.mid_zero_conv = encoder.controlnet_down_blocks, encoder.controlnet_mid_block
        self._denormalised: list[list[FeatureDenormalisation]] = []
        for block, inject in zip(self.down_blocks, design.inject, strict=True):
            first = block.resnets[0]
            first.norm1 = FeatureDenormalisation(first.norm1, inject)
            first.norm2 = FeatureDenormalisation(first.norm2, inject)
            self._denormalised.append([first.norm1, first.norm2])

    def condition(self, maps: Tensor | None) -> None:
        """Read the stacked maps (batch or 1, 3 x conditions, height, width) once; None: forget them."""
        self.take(None if maps is None else self.read(maps))

    def read(self, maps: Tensor) -> tuple[Moments, ...]:
        """What stacked maps do, for `take`."""
        pairs = zip(self._denormalised, self.feature_extractor(maps), strict=True)
        return tuple(place.read(feature) for places, feature in pairs for place in places)

    def take(self, moments: tuple[Moments, ...] | None) -> None:
        """Go on with maps that were read before; None: forget them."""
        places = [place for pair in self._denormalised for place in pair]
        for place, given in zip(places, moments or [None] * len(places), strict=True):
            place.take(given)

    def forward(self, latents: Tensor, timestep: Tensor, text: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        """Residuals for the UNet's skips and for its middle, after `condition`.

        `latents` (batch, channels, cells, cells), `timestep` scalar or (batch,), `text` (batch, tokens, features).
        """
        times = self.time_proj(timestep.reshape(-1).expand(latents.shape[0])).to(latents.dtype)
        embedding = self.time_embedding(times)
        hidden = self.conv_in(latents)
        skips = [hidden]
        for block in self.down_blocks:
            attends = {"encoder_hidden_states": text} if getattr(block, "has_cross_attention", False) else {}
            hidden, more = block(hidden_states=hidden, temb=embedding, **attends)
            skips += more
        hidden = self.mid_block(hidden, embedding, encoder_hidden_states=text)
        down = tuple(zero_conv(skip) for zero_conv, skip in zip(self.zero_convs, skips, strict=True))
        return down, self.mid_zero_conv(hidden)


def encoder_of(unet: Any, weights: bool = False) -> Any:
    """A ControlNetModel of a UNet's sizes: with its weights, or on the meta device and without any."""
    if weights:
        return ControlNetModel.from_unet(unet)
    with torch.device("meta"):
        return ControlNetModel.from_unet(unet, load_weights_from_unet=False)


def start_from(unet: Any, design: LocalDesign) -> LocalAdapter:
    """A local adapter to train: the UNet's own encoder, the denormalisations so that they begin as its own norms."""
    norms = [(b.resnets[0].norm1, b.resnets[0].norm2) for b in unet.down_blocks]
    adapter = LocalAdapter(design, encoder_of(unet, weights=True))
    with torch.no_grad():
        for pair, places in zip(norms, adapter._denormalised, strict=True):
            for norm, place in zip(pair, places, strict=True):
                cast(Tensor, place.conv_gamma.bias).copy_(norm.weight - 1)
                cast(Tensor, place.conv_beta.bias).copy_(norm.bias)
    return adapter


class GlobalAdapter(nn.Module):
    """Section 3.3: a picture's embedding to a few tokens that are appended to the text's.

    Two gated feed-forward layers, each after a LayerNorm: published with 768 -> 1536 -> 3072 = 4 tokens of 768, inner
    widths 3072 and 6144.
    """

    def __init__(self, width: int, between: int, tokens: int, inner: tuple[int, int]) -> None:
        super().__init__()
        self.width, self.tokens = width, tokens
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(between)
        self.ff1 = FeedForward(width, dim_out=between, inner_dim=inner[0])
        self.ff2 = FeedForward(between, dim_out=tokens * width, inner_dim=inner[1])

    def forward(self, embedding: Tensor) -> Tensor:
        """(batch, width) to (batch, tokens, width)."""
        flat: Tensor = self.ff2(self.norm2(self.ff1(self.norm1(embedding))))
        return flat.reshape(-1, self.tokens, self.width)


class PictureEncoder(nn.Module):
    """Studio Mini's eye, in CLIP's place: a picture at 64 px to an embedding that knows its colours and things."""

    def __init__(self, width: int, widths: Sequence[int] = (16, 32, 64, 96, 128)) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, stride=2) for before, after in itertools.pairwise((3, *widths))
        )
        self.out = nn.Linear(widths[-1], width)

    def forward(self, pictures: Tensor) -> Tensor:
        """(batch, 3, 64, 64) in -1 ... 1 to (batch, width)."""
        hidden = pictures
        for layer in self.layers:
            hidden = F.silu(layer(hidden))
        embedding: Tensor = self.out(hidden.mean(dim=(2, 3)))
        return embedding


def _zero(layer: nn.Conv2d) -> nn.Conv2d:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(cast(Tensor, layer.bias))
    return layer
