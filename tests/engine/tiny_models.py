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
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

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
EULER = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"} | SD1
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


def build_sdxl(folder: Path) -> Path:
    """SDXL's shape: two text towers, told sizes and a pooled prompt, attention in the deeper blocks, one ControlNet."""
    unet = _unet(out_channels=4, cross_attention_dim=32, **_xl(times=6))
    texts = {"text_encoder": _text("quick_gelu"), "text_encoder_2": _text("gelu", projection=16)}
    return _save(folder, unet, texts, EULER, controlnet=True, vae=_vae(scaling_factor=0.13025, force_upcast=True))


def build_refiner(folder: Path) -> Path:
    """The shape of SDXL's refiner: the second text tower alone, told a measure of beauty."""
    unet = _unet(out_channels=4, **_xl(times=5))
    texts = {"text_encoder_2": _text("gelu", projection=16)}
    return _save(folder, unet, texts, EULER, controlnet=False, vae=_vae(scaling_factor=0.13025, force_upcast=True))


def _xl(times: int) -> dict[str, Any]:
    return {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (2, 4),
        "transformer_layers_per_block": (1, 2),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 8 * times + 16,
    }


def _unet(**options: Any) -> Any:
    torch.manual_seed(1)
    plain = {"cross_attention_dim": 16} | _ATTENTION_FIRST
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=4,
        **(plain | options),
    )


def _vae(**options: Any) -> Any:
    torch.manual_seed(2)
    return AutoencoderKL(
        block_out_channels=(8, 8, 16, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
        **options,
    )


def _text(act: str, projection: int | None = None) -> Any:
    """A text tower; with a `projection` of its pooled vector it is one of OpenCLIP's."""
    torch.manual_seed(3)
    tower_class = CLIPTextModel if projection is None else CLIPTextModelWithProjection
    return tower_class(
        CLIPTextConfig(
            vocab_size=len(_vocabulary()),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            hidden_act=act,
            projection_dim=projection or 512,
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


def _save(folder: Path, unet: Any, texts: Any, scheduler: dict[str, Any], controlnet: bool, vae: Any = None) -> Path:
    texts = texts if isinstance(texts, dict) else {"text_encoder": texts}
    unet.save_pretrained(folder / "unet")
    (vae or _vae()).save_pretrained(folder / "vae")
    if controlnet:
        _controlnet(unet).save_pretrained(folder / "controlnet")
    index = {
        "_class_name": f"StableDiffusion{'XL' if 'text_encoder_2' in texts else ''}Pipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", scheduler["_class_name"]],
    }
    for part, text in texts.items():
        tokenizer = part.replace("text_encoder", "tokenizer")
        text.save_pretrained(folder / part)
        _save_tokenizer(folder / tokenizer, pad="<|endoftext|>" if part == "text_encoder" else "!")
        index |= {part: ["transformers", type(text).__name__], tokenizer: ["transformers", "CLIPTokenizer"]}
    if "text_encoder_2" in texts:
        lacks = {} if "text_encoder" in texts else {"text_encoder": [None, None], "tokenizer": [None, None]}
        index |= lacks | {"force_zeros_for_empty_prompt": not lacks, "requires_aesthetics_score": bool(lacks)}
    else:
        nothing = [None, None]
        index |= {"safety_checker": nothing, "feature_extractor": nothing, "requires_safety_checker": False}
    _write(folder / "scheduler" / "scheduler_config.json", scheduler)
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


def _save_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> None:
    _write(folder / "vocab.json", _vocabulary())
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(_MERGES) + "\n", encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    special |= {"pad_token": pad, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"}
    _write(folder / "tokenizer_config.json", special)


def _write(file: Path, value: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value), encoding="utf-8")
