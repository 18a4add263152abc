"""Uni-ControlNet written once more from the paper (arXiv 2305.16322), in plain torch over published tensor names.

Nothing here knows the plugin, diffusers or latent diffusion's code: formulae on a dictionary of tensors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Shape:
    """Sizes of a UNet and of the local adapter beside it. `attends`: which levels have cross-attention."""

    widths: tuple[int, ...]
    layers: int
    attends: tuple[bool, ...]
    latents: int
    text: int
    heads: int
    groups: int
    maps: int = 21
    before: tuple[int, ...] = (32, 64, 128)
    inject: tuple[int, ...] = (192, 256, 384, 512)


SD15 = Shape((320, 640, 1280, 1280), 2, (True, True, True, False), 4, 768, 8, 32)
TINY = Shape((16, 32), 1, (True, False), 4, 16, 2, 4, maps=21, before=(4, 8, 8), inject=(6, 10))


def published_shapes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published local adapter, without its prefix."""
    found: dict[str, tuple[int, ...]] = {}

    def layer(name: str, *sizes: int) -> None:
        found[f"{name}.weight"], found[f"{name}.bias"] = sizes, sizes[:1]

    first, time = shape.widths[0], 4 * shape.widths[0]
    layer("time_embed.0", time, first)
    layer("time_embed.2", time, time)
    extractor = "feature_extractor.pre_extractor"
    layer(f"{extractor}.0", shape.before[0], shape.maps, 3, 3)
    for i in range(len(shape.before) - 1):
        layer(f"{extractor}.{4 * i + 2}", shape.before[i + 1], shape.before[i], 3, 3)
        layer(f"{extractor}.{4 * i + 4}", shape.before[i + 1], shape.before[i + 1], 3, 3)
    for i, width in enumerate(shape.inject):
        layer(f"feature_extractor.extractors.{i}.0", width, (shape.before[-1], *shape.inject)[i], 3, 3)
        layer(f"feature_extractor.zero_convs.{i}", width, width, 3, 3)
    layer("input_blocks.0.0", first, shape.latents, 3, 3)
    layer("zero_convs.0.0", first, first, 1, 1)

    def resnet(name: str, before: int, after: int, inject: int | None) -> None:
        for norm, index, width in (("norm_in", 0, before), ("norm_out", 0, after)):
            if inject is None:
                layer(f"{name}.{'in_layers' if norm == 'norm_in' else 'out_layers'}.{index}", width)
            else:
                layer(f"{name}.{norm}.conv_gamma", width, inject, 3, 3)
                layer(f"{name}.{norm}.conv_beta", width, inject, 3, 3)
        layer(f"{name}.in_layers.2", after, before, 3, 3)
        layer(f"{name}.emb_layers.1", after, time)
        layer(f"{name}.out_layers.3", after, after, 3, 3)
        if before != after:
            layer(f"{name}.skip_connection", after, before, 1, 1)

    def transformer(name: str, width: int) -> None:
        layer(f"{name}.norm", width)
        layer(f"{name}.proj_in", width, width, 1, 1)
        layer(f"{name}.proj_out", width, width, 1, 1)
        block = f"{name}.transformer_blocks.0"
        for attention, source in (("attn1", width), ("attn2", shape.text)):
            found[f"{block}.{attention}.to_q.weight"] = (width, width)
            found[f"{block}.{attention}.to_k.weight"] = found[f"{block}.{attention}.to_v.weight"] = (width, source)
            layer(f"{block}.{attention}.to_out.0", width, width)
        for i in (1, 2, 3):
            layer(f"{block}.norm{i}", width)
        layer(f"{block}.ff.net.0.proj", 8 * width, width)
        layer(f"{block}.ff.net.2", width, 4 * width)

    number, before = 1, first
    for level, width in enumerate(shape.widths):
        for row in range(shape.layers):
            resnet(f"input_blocks.{number}.0", before, width, None if row else shape.inject[level])
            if shape.attends[level]:
                transformer(f"input_blocks.{number}.1", width)
            layer(f"zero_convs.{number}.0", width, width, 1, 1)
            number, before = number + 1, width
        if level < len(shape.widths) - 1:
            layer(f"input_blocks.{number}.0.op", width, width, 3, 3)
            layer(f"zero_convs.{number}.0", width, width, 1, 1)
            number += 1
    resnet("middle_block.0", before, before, None)
    transformer("middle_block.1", before)
    resnet("middle_block.2", before, before, None)
    layer("middle_block_out.0", before, before, 1, 1)
    return found


def random_weights(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> Weights:
    """Random numbers that keep a signal's size, biases and zero convolutions too; the maps speak up."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(size, generator=generator)
        * (0.2 if len(size) == 1 else math.prod(size[1:]) ** -0.5)
        * (2.5 if "feature_extractor" in name else 1)
        for name, size in shapes.items()
    }


def conv(w: Weights, name: str, x: Tensor, stride: int = 1) -> Tensor:
    kernel = w[f"{name}.weight"]
    return F.conv2d(x, kernel, w[f"{name}.bias"], stride=stride, padding=kernel.shape[-1] // 2)


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return F.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def layer_norm(w: Weights, name: str, x: Tensor) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], w[f"{name}.weight"], w[f"{name}.bias"])


def local_features(w: Weights, shape: Shape, maps: Tensor) -> list[Tensor]:
    """Section 3.2: the stacked maps, folded down to the UNet's grids, each feature through a zero convolution."""
    name = "feature_extractor.pre_extractor"
    hidden = F.silu(conv(w, f"{name}.0", maps))
    for i in range(len(shape.before) - 1):
        hidden = F.silu(conv(w, f"{name}.{4 * i + 2}", hidden, stride=2))
        hidden = F.silu(conv(w, f"{name}.{4 * i + 4}", hidden))
    given = []
    for i in range(len(shape.inject)):
        hidden = F.silu(conv(w, f"feature_extractor.extractors.{i}.0", hidden, stride=2))
        given.append(conv(w, f"feature_extractor.zero_convs.{i}", hidden))
    return given


def fdn(w: Weights, name: str, x: Tensor, feature: Tensor, groups: int) -> Tensor:
    """Eq. 6, 7: norm(Z) (1 + conv_gamma(c)) + conv_beta(c); the norm by its definition."""
    batch, channels, height, width = x.shape
    grouped = x.reshape(batch, groups, -1)
    mean, variance = grouped.mean(-1, keepdim=True), grouped.var(-1, unbiased=False, keepdim=True)
    normed = ((grouped - mean) / (variance + 1e-5).sqrt()).reshape(batch, channels, height, width)
    return normed * (1 + conv(w, f"{name}.conv_gamma", feature)) + conv(w, f"{name}.conv_beta", feature)


def resnet(w: Weights, name: str, x: Tensor, time: Tensor, feature: Tensor | None, groups: int) -> Tensor:
    def norm(place: str, layer: str, hidden: Tensor) -> Tensor:
        if feature is not None:
            return fdn(w, f"{name}.{place}", hidden, feature, groups)
        return F.group_norm(hidden, groups, w[f"{name}.{layer}.weight"], w[f"{name}.{layer}.bias"], 1e-5)

    hidden = conv(w, f"{name}.in_layers.2", F.silu(norm("norm_in", "in_layers.0", x)))
    hidden = hidden + linear(w, f"{name}.emb_layers.1", F.silu(time))[:, :, None, None]
    hidden = conv(w, f"{name}.out_layers.3", F.silu(norm("norm_out", "out_layers.0", hidden)))
    skip = conv(w, f"{name}.skip_connection", x) if f"{name}.skip_connection.weight" in w else x
    return skip + hidden


def attention(w: Weights, name: str, x: Tensor, source: Tensor, heads: int) -> Tensor:
    batch, places, width = x.shape

    def split(values: Tensor) -> Tensor:
        return values.reshape(batch, -1, heads, width // heads).transpose(1, 2)

    q, k, v = (split(linear(w, f"{name}.to_{part}", given)) for part, given in (("q", x), ("k", source), ("v", source)))
    weights = (q @ k.transpose(-1, -2) / math.sqrt(width // heads)).softmax(-1)
    return linear(w, f"{name}.to_out.0", (weights @ v).transpose(1, 2).reshape(batch, places, width))


def transformer(w: Weights, name: str, x: Tensor, text: Tensor, shape: Shape) -> Tensor:
    normed = F.group_norm(x, shape.groups, w[f"{name}.norm.weight"], w[f"{name}.norm.bias"], 1e-6)
    hidden = conv(w, f"{name}.proj_in", normed).flatten(2).transpose(1, 2)
    block = f"{name}.transformer_blocks.0"
    normal = layer_norm(w, f"{block}.norm1", hidden)
    hidden = hidden + attention(w, f"{block}.attn1", normal, normal, shape.heads)
    hidden = hidden + attention(w, f"{block}.attn2", layer_norm(w, f"{block}.norm2", hidden), text, shape.heads)
    hidden = hidden + gated(w, f"{block}.ff", layer_norm(w, f"{block}.norm3", hidden))
    return x + conv(w, f"{name}.proj_out", hidden.transpose(1, 2).reshape(x.shape))


def gated(w: Weights, name: str, x: Tensor) -> Tensor:
    """GEGLU (Shazeer 2020) and a linear layer."""
    value, gate = linear(w, f"{name}.net.0.proj", x).chunk(2, dim=-1)
    return linear(w, f"{name}.net.2", value * 0.5 * gate * (1 + torch.erf(gate / math.sqrt(2))))


def local_adapter(
    w: Weights, shape: Shape, latents: Tensor, timestep: float, text: Tensor, maps: Tensor
) -> list[Tensor]:
    """Residuals for each skip, and for the middle as the last."""
    half = shape.widths[0] // 2
    angles = timestep * torch.exp(-math.log(10000) * torch.arange(half) / half)
    time = torch.cat([angles.cos(), angles.sin()])[None].repeat(latents.shape[0], 1)
    time = linear(w, "time_embed.2", F.silu(linear(w, "time_embed.0", time)))
    features = local_features(w, shape, maps)
    hidden = conv(w, "input_blocks.0.0", latents)
    given, number = [conv(w, "zero_convs.0.0", hidden)], 1
    for level in range(len(shape.widths)):
        for row in range(shape.layers):
            feature = None if row else features[level]
            hidden = resnet(w, f"input_blocks.{number}.0", hidden, time, feature, shape.groups)
            if shape.attends[level]:
                hidden = transformer(w, f"input_blocks.{number}.1", hidden, text, shape)
            given.append(conv(w, f"zero_convs.{number}.0", hidden))
            number += 1
        if level < len(shape.widths) - 1:
            hidden = conv(w, f"input_blocks.{number}.0.op", hidden, stride=2)
            given.append(conv(w, f"zero_convs.{number}.0", hidden))
            number += 1
    hidden = resnet(w, "middle_block.0", hidden, time, None, shape.groups)
    hidden = transformer(w, "middle_block.1", hidden, text, shape)
    hidden = resnet(w, "middle_block.2", hidden, time, None, shape.groups)
    return [*given, conv(w, "middle_block_out.0", hidden)]


def global_shapes(width: int) -> dict[str, tuple[int, ...]]:
    """The published global adapter: width -> 2 width -> 4 width, gated inner layers 4 times as wide as their input."""
    found: dict[str, tuple[int, ...]] = {}
    for i, (before, after, inner) in enumerate(
        ((width, 2 * width, 4 * width), (2 * width, 4 * width, 8 * width)), start=1
    ):
        found |= {f"norm{i}.weight": (before,), f"norm{i}.bias": (before,)}
        found |= {f"ff{i}.net.0.proj.weight": (2 * inner, before), f"ff{i}.net.0.proj.bias": (2 * inner,)}
        found |= {f"ff{i}.net.2.weight": (after, inner), f"ff{i}.net.2.bias": (after,)}
    return found


def global_adapter(w: Weights, embedding: Tensor) -> Tensor:
    """Section 3.3: four tokens from an embedding (batch, width)."""
    hidden = gated(w, "ff1", layer_norm(w, "norm1", embedding))
    flat = gated(w, "ff2", layer_norm(w, "norm2", hidden))
    return flat.reshape(embedding.shape[0], 4, embedding.shape[1])
