"""Stage 4b: a ControlNet for line drawings on the frozen UNet (Zhang et al. 2023).

Objective: the UNet's own v-loss, given the scene's outline; captions are dropped three times in ten, so that the lines
must carry what the words do not say. The hint network starts with weights scaled to the data (`warm_hint`), the zero
convolutions at zero. Each sketch is read once for two noisy pictures of its scene: the hint network, which works at the
picture's full side, is two fifths of a step.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn
from torch.nn import functional as F

from studio.mini.data import hints
from studio.mini.text_to_image import DiffusionBatches
from studio.mini.training import Figures, freeze

CAPTION_DROPOUT = 0.3
DRAWS = 2
"""Noisy pictures of each sketch in a batch."""
PROGRESS = 1.0
"""Control networks train on a finished UNet: the whole curriculum from the first step."""


STRENGTH = 1.2
"""A finished ControlNet's residuals are multiplied by it: on 24 scenes the table does not use, edge F1 rises from 0.612
to 0.619 (1.3 from 0.599 to 0.610, 1.6 to 0.605, before the last training). The mean square alone prefers caution."""


@torch.no_grad()
def strengthen(controlnet: ControlNetModel, factor: float = STRENGTH) -> ControlNetModel:
    """Multiplies what a ControlNet adds to the UNet, at weight 1, by `factor`. Returns its argument."""
    for layer in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block):
        for values in layer.parameters():
            values.mul_(factor)
    return controlnet


@torch.no_grad()
def warm_hint(controlnet: ControlNetModel, maps: Tensor) -> ControlNetModel:
    """Scales the hint network so that every layer's output on `maps` has unit spread (LSUV, Mishkin & Matas 2016).

    `maps`: (batch, 3, px, px) outlines. With default weights nine layers shrink sparse lines to a thousandth, the last
    one starts at zero, and the hint stays invisible for thousands of steps. The layers at full and half the side keep
    these weights: their backward pass would cost more than the UNet's. Returns its argument.
    """
    network = controlnet.controlnet_cond_embedding
    nn.init.kaiming_normal_(network.conv_out.weight, nonlinearity="linear")
    hidden = scale_to_unit(network.conv_in, maps)
    for block in network.blocks:
        hidden = scale_to_unit(block, F.silu(hidden))
    scale_to_unit(network.conv_out, F.silu(hidden))
    for layer in (network.conv_in, *network.blocks[:3]):
        layer.requires_grad_(False)
    return controlnet


@torch.no_grad()
def scale_to_unit(layer: nn.Module, inputs: Tensor) -> Tensor:
    """Divides a convolution's weights by its output's standard deviation on `inputs`; returns the new output."""
    convolution = cast(nn.Conv2d, layer)
    nn.init.zeros_(cast(Tensor, convolution.bias))
    convolution.weight.div_(convolution(inputs).std().clamp_min(1e-6))
    outputs: Tensor = convolution(inputs)
    return outputs


def sketches(batches: DiffusionBatches, rows: npt.NDArray[np.int64]) -> Tensor:
    """The outlines of those scenes, (rows, 3, px, px) in 0..1 on the training device."""
    maps = hints(batches.store.outlines[rows]).to(batches.compute.device)
    return maps.contiguous(memory_format=batches.compute.layout)


class ControlNetStage:
    """Trains a ControlNet; the UNet only passes gradients."""

    name = "controlnet"

    def __init__(
        self,
        controlnet: ControlNetModel,
        unet: UNet2DConditionModel,
        batches: DiffusionBatches,
        batch: int = 16,
    ) -> None:
        self.unet, self.batches, self.batch = unet, batches, batch
        freeze([unet])
        self.network: nn.Module = batches.compute.prepare(controlnet).train()
        controlnet.controlnet_cond_embedding.register_forward_hook(lambda _, __, hint: hint.repeat(DRAWS, 1, 1, 1))

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """One batch's v-loss with the ControlNet's residuals added to the UNet."""
        batch = self.batches.draw(rng, self.batch // DRAWS, PROGRESS, CAPTION_DROPOUT, early=True, draws=DRAWS)
        sketch = sketches(self.batches, batch.rows[: self.batch // DRAWS])
        with self.batches.compute.precision():
            down, middle = self.network(
                batch.noisy, batch.timesteps, batch.states, controlnet_cond=sketch, return_dict=False
            )
            predicted = self.unet(
                batch.noisy,
                batch.timesteps,
                batch.states,
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle,
            ).sample
        return batch.loss(predicted)
