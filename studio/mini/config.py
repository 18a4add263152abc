"""Architectures of Studio Mini's parts and the one place where device and precision are chosen.

The VAE downsamples 16x into 16 channels, so that 256 px are 16 x 16 x 16 latents: processors without bf16 units do
about 100 GFLOP/s, a fifth of what the prototype had, and a UNet on a 16 x 16 grid costs a quarter of one on 32 x 32.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import AutoencoderKL, ControlNetModel, DDIMScheduler, T2IAdapter, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextConfig, CLIPTextModel

PROJECT = Path(__file__).resolve().parents[2]
STATE_FOLDER = PROJECT / ".mini"
MODEL_FOLDER = PROJECT / "resources" / "mini"
STAGES = (
    "vae", "text", "latents_small", "unet_small", "latents", "unet", "t2i_adapter", "controlnet", "scorer",
    "tiny_decoder", "few_step", "style_loras", "classifier", "clip", "uni_controlnet", "ip_adapter", "expander",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Architecture:
    """Sizes of all networks. `image_px` must be `latent_px * 16`; widths are channels per resolution level."""

    image_px: int = 256
    latent_channels: int = 16
    vae_widths: tuple[int, ...] = (16, 24, 48, 96, 128)
    unet_widths: tuple[int, ...] = (96, 128, 192)
    unet_groups: int = 16
    heads: int = 4
    text_width: int = 192
    text_layers: int = 3
    hint_widths: tuple[int, ...] = (8, 16, 32, 64, 96)
    max_tokens: int = 77

    @property
    def downsampling(self) -> int:
        """Image pixels per latent cell and direction."""
        return int(2 ** (len(self.vae_widths) - 1))

    @property
    def latent_px(self) -> int:
        """Latent cells per direction."""
        return self.image_px // self.downsampling


MINI = Architecture()
TINY = Architecture(
    image_px=64, vae_widths=(8, 8, 8, 8, 8), unet_widths=(16, 16, 16), unet_groups=8, heads=2, text_width=16,
    text_layers=1, hint_widths=(4, 4, 8, 8, 8),
)  # fmt: skip


Network = TypeVar("Network", UNet2DConditionModel, ControlNetModel)


@dataclass(frozen=True, slots=True)
class Compute:
    """Where the networks run and with which precision."""

    device: torch.device
    autocast: bool

    def precision(self) -> contextlib.AbstractContextManager[object]:
        """bf16 autocast with fp32 weights where the device has 16-bit units; nothing elsewhere."""
        if self.autocast:
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    @property
    def layout(self) -> torch.memory_format:
        """The faster memory layout of a whole UNet: on a processor in bf16, group norms undo channels-last."""
        plain = self.autocast and self.device.type == "cpu"
        return torch.contiguous_format if plain else torch.channels_last

    def prepare(self, unet: Network) -> Network:
        """Moves a UNet or a ControlNet here as it trains fastest; returns its argument.

        On a processor attention is written out as two matrix products: the backward pass of torch's fused one takes
        a fifth of a step on 64 cells, the products a twentieth (45 against 37 pictures a second and core).
        """
        if self.device.type == "cpu":
            unet.set_attn_processor(AttnProcessor())
        return unet.to(self.device).to(memory_format=self.layout)


def choose_compute(device: str = "auto") -> Compute:
    """`auto` takes CUDA with bf16 when there is one, else the processor: in bf16 if it has the units, else in fp32.

    `cpu` is always fp32. Plain bf16 on a processor without bf16 units is a hundred times slower than fp32.
    """
    auto = device == "auto"
    name = ("cuda" if torch.cuda.is_available() else "cpu") if auto else device
    return Compute(torch.device(name), name.startswith("cuda") or (auto and torch.cpu._is_avx512_bf16_supported()))


def make_vae(arch: Architecture) -> AutoencoderKL:
    """AutoencoderKL (Rombach et al. 2022, section 3.1) without attention: every layer is a convolution.

    Two norm groups only: with eight, the 16 channels at full resolution are normalised in pairs, a flat picture's
    colour is all but erased, and training sticks in a grey minimum (seen: 15 dB after 900 steps).
    """
    levels = len(arch.vae_widths)
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=arch.vae_widths,
        layers_per_block=1,
        latent_channels=arch.latent_channels,
        norm_num_groups=2,
        sample_size=arch.image_px,
        scaling_factor=1.0,
        force_upcast=False,
        mid_block_add_attention=False,
    ).to(memory_format=torch.channels_last)


def make_text_encoder(arch: Architecture, vocabulary: int) -> CLIPTextModel:
    """CLIP's text tower; the last two token ids are start and end, the end token also pads."""
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=arch.text_width,
        intermediate_size=4 * arch.text_width,
        projection_dim=arch.text_width,
        num_hidden_layers=arch.text_layers,
        num_attention_heads=arch.heads,
        max_position_embeddings=arch.max_tokens,
        hidden_act="quick_gelu",
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    )
    return CLIPTextModel(config)


def make_unet(arch: Architecture) -> UNet2DConditionModel:
    """Conditional UNet; attention on the middle grid and in the middle block only.

    On the finest grid it would cost most and see least; on the coarsest the middle block has it already, and leaving
    it out there makes a call a quarter cheaper.

    `attention_head_dim` is the number of heads: diffusers kept an old misnomer for old configs.
    """
    return UNet2DConditionModel(
        sample_size=arch.latent_px,
        in_channels=arch.latent_channels,
        out_channels=arch.latent_channels,
        block_out_channels=arch.unet_widths,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=arch.text_width,
        attention_head_dim=arch.heads,
        norm_num_groups=arch.unet_groups,
    ).to(memory_format=torch.channels_last)


def make_controlnet(unet: UNet2DConditionModel, arch: Architecture) -> ControlNetModel:
    """ControlNet (Zhang et al. 2023) whose hint network has one level more than usual, to downsample 16x."""
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=arch.hint_widths, conditioning_channels=3)
    return net.to(memory_format=torch.channels_last)


def make_t2i_adapter(arch: Architecture) -> T2IAdapter:
    """T2I-Adapter (Mou et al. 2023) whose feature shapes fit `make_unet`.

    The UNet's first block has no attention, and diffusers adds a feature to such a block after its downsampler, so
    the grids wanted are latent/2, latent/2, latent/4, latent/4: the XL layout with twice the usual first reduction.
    """
    first, second, third = arch.unet_widths
    return T2IAdapter(
        in_channels=3,
        channels=[first, second, third, third],
        num_res_blocks=1,
        downscale_factor=2 * arch.downsampling,
        adapter_type="full_adapter_xl",
    ).to(memory_format=torch.channels_last)


def make_scheduler() -> DDIMScheduler:
    """Stable Diffusion's scaled-linear schedule, v-prediction, zero terminal SNR (Lin et al. 2023), trailing steps.

    Zero terminal SNR because flat art lives from plain grounds and nights: with the original schedule the last noise
    level still shows the mean brightness, and a network learns to keep it grey.
    """
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
