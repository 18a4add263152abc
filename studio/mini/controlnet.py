"""Stage 4b: a ControlNet for line drawings on the frozen UNet (Zhang et al. 2023).

Objective: the UNet's own v-loss, given the scene's outline; captions are dropped three times in ten, so that the lines
must carry what the words do not say. The hint network's last convolution starts small instead of at zero: with zeros
there and in the zero convolutions nothing moves for thousands of steps.
"""

from __future__ import annotations

import numpy as np
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn

from studio.mini.data import hints
from studio.mini.text_to_image import Batch, DiffusionBatches
from studio.mini.training import Figures, freeze

CAPTION_DROPOUT = 0.3
PROGRESS = 1.0
"""Control networks train on a finished UNet: the whole curriculum from the first step."""


def warm_hint(controlnet: ControlNetModel) -> ControlNetModel:
    """Replaces the zero start of the hint network's last convolution by a small random one; returns its argument."""
    last = controlnet.controlnet_cond_embedding.conv_out
    nn.init.kaiming_normal_(last.weight, nonlinearity="linear")
    with torch.no_grad():
        last.weight.mul_(0.3)
    return controlnet


def sketches(batches: DiffusionBatches, batch: Batch) -> Tensor:
    """The outlines of a batch's scenes, (batch, 3, px, px) in 0..1 on the training device."""
    maps = hints(batches.store.outlines[batch.rows]).to(batches.compute.device)
    return maps.contiguous(memory_format=torch.channels_last)


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
        self.network: nn.Module = controlnet.to(batches.compute.device).train()

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """One batch's v-loss with the ControlNet's residuals added to the UNet."""
        batch = self.batches.draw(rng, self.batch, PROGRESS, CAPTION_DROPOUT)
        sketch = sketches(self.batches, batch)
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
