"""Checkpoints in one .safetensors file with the original key names, through diffusers' own converters, offline.

What a file does not say of itself - configs, tokenizer - ships in resources/configs, written from published facts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from studio.core.errors import ModelMissing
from studio.core.weights import WeightHeader, read_weight_header
from studio.engine import checkpoints
from studio.engine.checkpoints import base_of, controlnet_base, prediction_of
from studio.engine.clip_words import clip_vocabulary
from studio.engine.diffusion.parts import (
    Parts,
    Poll,
    clip_class,
    controlnet_class,
    ready,
    text_encoder,
    unet_class,
    vae_class,
)
from studio.engine.diffusion.prompts import Tower

_TOWERS = (("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2"))


def load_file(name: str, file: Path, dtype: torch.dtype, poll: Poll) -> Parts:
    """All parts of a checkpoint. Raises `ModelMissing` for files that are none, or of a family the loop cannot use."""
    header = read_weight_header(file)
    base = base_of(header)
    if not base:
        raise ModelMissing(
            f"“{file.name}” is no checkpoint of Stable Diffusion 1.x, 2.x or XL.", "Choose another model."
        )
    configs = checkpoints.CONFIGS / base
    poll()
    tensors = _tensors(file)
    towers = []
    for part, tokenizer in _TOWERS:
        if (configs / part / "config.json").is_file():
            poll()
            model = _text_model(configs, part, tensors, dtype)
            towers.append(Tower(clip_tokenizer(_config(configs / f"{tokenizer}.json")), model))
    poll()
    unet = _single(unet_class(), configs, "unet", tensors, dtype)
    poll()
    vae = _single(vae_class(), configs, "vae", tensors, dtype)
    index = _config(configs / "model_index.json")
    return Parts(
        unet=unet,
        vae=vae,
        text=text_encoder(towers, unet, bool(index.get("force_zeros_for_empty_prompt", False))),
        scheduler_config=_scheduler(configs, base, file.stem, header),
    )


def load_controlnet_file(name: str, file: Path, dtype: torch.dtype) -> Any:
    """A ControlNet in one file, with original or diffusers' key names. Raises `ModelMissing`."""
    base = controlnet_base(read_weight_header(file))
    if not base:
        raise ModelMissing(f"“{file.name}” is no ControlNet the studio can use.", "Choose another one.")
    return _single(controlnet_class(), checkpoints.CONFIGS / base, "controlnet", _tensors(file), dtype)


def load_vae_file(file: Path, dtype: torch.dtype) -> Any:
    """The VAE in a file: one of its own, or that of a checkpoint. Raises `ModelMissing`."""
    header = read_weight_header(file)
    base = base_of(header) or ("sdxl" if "xl" in file.stem.lower() else "sd1")
    return _single(vae_class(), checkpoints.CONFIGS / base, "vae", _tensors(file), dtype)


def clip_tokenizer(options: dict[str, Any]) -> Any:
    """A fresh tokenizer of CLIP: 77 tokens, padded as `options` say."""
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    vocabulary, merges = clip_vocabulary()
    return CLIPTokenizer(vocab=dict(vocabulary), merges=list(merges), **options)


def _tensors(file: Path) -> dict[str, Any]:
    from safetensors.torch import load_file as load_safetensors

    tensors: dict[str, Any] = load_safetensors(file)
    return tensors


def _single(model_class: Any, configs: Path, part: str, tensors: dict[str, Any], dtype: torch.dtype) -> Any:
    return ready(
        model_class.from_single_file(
            dict(tensors), config=str(configs), subfolder=part, dtype=dtype, local_files_only=True
        )
    )


def _text_model(configs: Path, part: str, tensors: dict[str, Any], dtype: torch.dtype) -> Any:
    from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm

    projection = _config(configs / part / "config.json").get("architectures") == ["CLIPTextModelWithProjection"]
    return ready(
        create_diffusers_clip_model_from_ldm(
            clip_class(projection),
            dict(tensors),
            subfolder=part,
            config=str(configs),
            torch_dtype=dtype,
            local_files_only=True,
        )
    )


def _scheduler(configs: Path, base: str, stem: str, header: WeightHeader) -> dict[str, Any]:
    """The family's noise levels, with what the file says of its prediction."""
    config = _config(configs / "scheduler" / "scheduler_config.json")
    prediction, zero_snr = prediction_of(base, stem, header)
    config["prediction_type"] = prediction
    if zero_snr:
        config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return config


def _config(file: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return config
