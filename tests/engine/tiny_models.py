"""Tiny models with random weights in the layouts of real ones, built in code. Knows torch and diffusers, no studio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

SD1 = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "clip_sample": False,
}
SD2 = SD1 | {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
_ATTENTION_FIRST = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}


def build_sd1(folder: Path, *, learned_variance: bool = False, controlnet: bool = True) -> Path:
    """SD 1.x's shape: epsilon, four latent channels, VAE factor 8, one ControlNet."""
    channels = 8 if learned_variance else 4
    unet = _unet(out_channels=channels, attention_head_dim=2, act_fn="silu")
    scheduler = {"_class_name": "PNDMScheduler", "skip_prk_steps": True} | SD1
    if learned_variance:
        scheduler = {"_class_name": "DDPMScheduler", "variance_type": "learned_range"} | SD1
    return _save(folder, unet, _text("quick_gelu"), scheduler, controlnet)


def build_sd2(folder: Path) -> Path:
    """SD 2.x's shape: v-prediction with zero terminal SNR, linear projections, heads by level, another text tower."""
    unet = _unet(out_channels=4, attention_head_dim=(2, 4), use_linear_projection=True)
    return _save(folder, unet, _text("gelu"), {"_class_name": "DDIMScheduler"} | SD2, controlnet=True)


def _unet(**options: Any) -> Any:
    torch.manual_seed(1)
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        cross_attention_dim=16,
        norm_num_groups=4,
        **(_ATTENTION_FIRST | options),
    )


def _vae() -> Any:
    torch.manual_seed(2)
    return AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
    )


def _text(act: str) -> Any:
    torch.manual_seed(3)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(_vocabulary()),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            hidden_act=act,
            bos_token_id=len(_vocabulary()) - 2,
            eos_token_id=len(_vocabulary()) - 1,
            pad_token_id=len(_vocabulary()) - 1,
        )
    )


def _controlnet(unet: Any) -> Any:
    """Taken from the UNet; its zero convolutions get random weights, so that it has an effect."""
    torch.manual_seed(4)
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8, 8, 16))
    for module in (*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out):
        torch.nn.init.normal_(module.weight, std=0.3)
    return net


def _save(folder: Path, unet: Any, text: Any, scheduler: dict[str, Any], controlnet: bool) -> Path:
    unet.save_pretrained(folder / "unet")
    _vae().save_pretrained(folder / "vae")
    text.save_pretrained(folder / "text_encoder")
    if controlnet:
        _controlnet(unet).save_pretrained(folder / "controlnet")
    _save_tokenizer(folder / "tokenizer")
    _write(folder / "scheduler" / "scheduler_config.json", scheduler)
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "scheduler": ["diffusers", scheduler["_class_name"]],
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
    }
    _write(folder / "model_index.json", index)
    return folder


def _bytes_to_signs() -> list[str]:
    """GPT-2's printable signs for the 256 byte values."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    signs = dict(zip(printable, map(chr, printable), strict=True))
    signs |= {b: chr(256 + i) for i, b in enumerate(others)}
    return [signs[b] for b in range(256)]


_MERGES = ["h o", "ho u", "hou s", "hous e</w>", "r e", "re d</w>", "c a", "ca t</w>"]


def _vocabulary() -> dict[str, int]:
    signs = _bytes_to_signs()
    words = [*signs, *(sign + "</w>" for sign in signs), *(merge.replace(" ", "") for merge in _MERGES)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return {word: i for i, word in enumerate(words)}


def _save_tokenizer(folder: Path) -> None:
    _write(folder / "vocab.json", _vocabulary())
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(_MERGES) + "\n", encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    special |= {"pad_token": "<|endoftext|>", "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    _write(folder / "tokenizer_config.json", special)


def _write(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")
