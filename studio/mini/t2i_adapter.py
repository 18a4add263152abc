"""Stage 4a: a T2I-Adapter for line drawings on the frozen UNet (Mou et al. 2023).

Objective: the UNet's own v-loss, given the scene's outline, at uniform timesteps.
"""

from __future__ import annotations

import numpy as np
import torch
from diffusers import T2IAdapter, UNet2DConditionModel
from torch import Tensor, nn

from studio.mini.controlnet import CAPTION_DROPOUT, PROGRESS, scale_to_unit, sketches
from studio.mini.text_to_image import DiffusionBatches
from studio.mini.training import Figures, freeze


@torch.no_grad()
def warm_adapter(adapter: T2IAdapter, maps: Tensor) -> T2IAdapter:
    """Scales the first convolution to unit spread on outlines `maps` (batch, 3, px, px); returns its argument.

    Its 3072 inputs are nearly all black: with default weights the features are too faint to teach anything.
    """
    network = adapter.adapter
    scale_to_unit(network.conv_in, network.unshuffle(maps))
    return adapter


class AdapterStage:
    """Trains a T2I-Adapter; the UNet only passes gradients."""

    name = "t2i_adapter"

    def __init__(
        self,
        adapter: T2IAdapter,
        unet: UNet2DConditionModel,
        batches: DiffusionBatches,
        batch: int = 16,
    ) -> None:
        self.unet, self.batches, self.batch = unet, batches, batch
        freeze([unet])
        network = adapter.to(batches.compute.device).to(memory_format=batches.compute.layout)
        self.network: nn.Module = network.train()

    def loss(self, rng: np.random.Generator, progress: float) -> tuple[Tensor, Figures]:
        """One batch's v-loss with the adapter's features added to the UNet's encoder."""
        batch = self.batches.draw(rng, self.batch, PROGRESS, CAPTION_DROPOUT, early=True)
        sketch = sketches(self.batches, batch.rows)
        with self.batches.compute.precision():
            features = self.network(sketch)
            predicted = self.unet(
                batch.noisy, batch.timesteps, batch.states, down_intrablock_additional_residuals=list(features)
            ).sample
        return batch.loss(predicted)
