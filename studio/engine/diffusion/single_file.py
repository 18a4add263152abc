"""Checkpoints in one .safetensors file with the original key names, through diffusers' own converters, offline.

What a file does not say of itself - configs, tokenizer - ships in resources/configs, written from published facts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from studio.core.errors import ModelMissing
from studio.core.model_files import Traits
from studio.core.weights import WeightHeader, read_weight_header
from studio.engine import checkpoints
from studio.engine.checkpoints import base_of, controlnet_base, prediction_of
from studio.engine.clip_words import clip_vocabulary
from studio.engine.diffusion.memory import is_lack
from studio.engine.diffusion.parts import (
    Parts,
    clip_class,
    controlnet_class,
    ready,
    text_encoder,
    unet_class,
    vae_class,
)
from studio.engine.diffusion.prompts import Tower
from studio.engine.diffusion.reading import Poll, read_tensors

_UNET, _VAE, _TEXT = "model.diffusion_model.", "first_stage_model.", ("cond_stage_model.", "conditioner.")
_SHUFFLE = "shuffle"  # in a ControlNet's file name: it pools what it sees, which no tensor shows (Mikubill's rule)
_TOWERS = (("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2"))


def _go_on() -> None:
    """Nobody wants to stop the loading."""


def load_file(name: str, file: Path, dtype: torch.dtype, poll: Poll, traits: Traits | None = None) -> Parts:
    """All parts of a checkpoint; `traits` tell more of it than its header may.

    Raises `ModelMissing` for files that are none, or of a family the loop cannot use.
    """
    header = read_weight_header(file)
    base = base_of(header)
    if not base:
        raise ModelMissing(
            f"“{file.name}” is no checkpoint of Stable Diffusion 1.x, 2.x or XL.", "Choose another model."
        )
    configs = checkpoints.CONFIGS / base
    with _in_words(file):
        return _load(file, configs, dtype, poll, _scheduler(configs, base, file.stem, header, traits))


def _load(file: Path, configs: Path, dtype: torch.dtype, poll: Poll, scheduler: dict[str, Any]) -> Parts:
    """Part by part, so that no more than one part is here twice where a converter copies."""
    towers = []
    for part, tokenizer in _TOWERS:
        if (configs / part / "config.json").is_file():
            model = _text_model(configs, part, read_tensors(file, dtype, poll, _is_text), dtype)
            towers.append(Tower(clip_tokenizer(_config(configs / f"{tokenizer}.json")), model))
    unet = _single(unet_class(), configs, "unet", read_tensors(file, dtype, poll, _is_unet), dtype)
    vae = _single(vae_class(), configs, "vae", read_tensors(file, dtype, poll, _is_vae), dtype)
    index = _config(configs / "model_index.json")
    return Parts(
        unet=unet,
        vae=vae,
        text=text_encoder(towers, unet, bool(index.get("force_zeros_for_empty_prompt", False))),
        scheduler_config=scheduler,
    )


def load_controlnet_file(file: Path, dtype: torch.dtype, poll: Poll = _go_on) -> Any:
    """A ControlNet in one file, with original or diffusers' key names. Raises `ModelMissing`."""
    from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint

    base = controlnet_base(read_weight_header(file))
    if not base:
        raise ModelMissing(f"“{file.name}” is no ControlNet the studio can use.", "Choose another one.")
    with _in_words(file):
        tensors = read_tensors(file, dtype, poll)
        config = _config(checkpoints.CONFIGS / base / "controlnet" / "config.json")
        converted = dict(convert_controlnet_checkpoint(tensors, config))
        for number, place in (("linear_1", 0), ("linear_2", 2)):  # SDXL's; diffusers' converter leaves them out
            for kind in ("weight", "bias"):
                for prefix in ("", "control_model."):
                    if (key := f"{prefix}label_emb.0.{place}.{kind}") in tensors:
                        converted[f"add_embedding.{number}.{kind}"] = tensors[key]
        network = _single(controlnet_class(), checkpoints.CONFIGS / base, "controlnet", converted, dtype)
        if _SHUFFLE in file.name.lower():
            network.register_to_config(global_pool_conditions=True)
        return network


def load_vae_file(file: Path, dtype: torch.dtype, family: str, poll: Poll = _go_on) -> Any:
    """The VAE in a file, its own or that of a checkpoint, for a model of this family. Raises `ModelMissing`."""
    base = family if (checkpoints.CONFIGS / family).is_dir() else "sd1"
    with _in_words(file):
        whole = any(name.startswith(_VAE) for name in read_weight_header(file).shapes)
        tensors = read_tensors(file, dtype, poll, _is_vae if whole else lambda _name: True)
        return _single(vae_class(), checkpoints.CONFIGS / base, "vae", tensors, dtype)


def clip_tokenizer(options: dict[str, Any]) -> Any:
    """A fresh tokenizer of CLIP: 77 tokens, padded as `options` say."""
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    vocabulary, merges = clip_vocabulary()
    return CLIPTokenizer(vocab=dict(vocabulary), merges=list(merges), **options)


@contextmanager
def _in_words(file: Path) -> Iterator[None]:
    """Shapes and names that diffusers' converters did not expect, said in a sentence."""
    try:
        yield
    except (ValueError, KeyError, AttributeError, IndexError, RuntimeError) as error:
        if is_lack(error):
            raise
        raise ModelMissing(
            f"“{file.name}” is built unlike the models it looks like, and cannot be loaded.",
            "Choose another file.",
            repr(error),
        ) from error


def _is_unet(name: str) -> bool:
    return name.startswith(_UNET)


def _is_vae(name: str) -> bool:
    return name.startswith(_VAE)


def _is_text(name: str) -> bool:
    return name.startswith(_TEXT)


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


def _scheduler(configs: Path, base: str, stem: str, header: WeightHeader, traits: Traits | None) -> dict[str, Any]:
    """The family's noise levels, with what the file, or the artist, says of its prediction."""
    config = _config(configs / "scheduler" / "scheduler_config.json")
    prediction, zero_snr = prediction_of(base, stem, header)
    if traits is not None:
        prediction = str(traits.prediction) or prediction
        zero_snr = zero_snr if traits.zero_snr is None else traits.zero_snr
    config["prediction_type"] = prediction
    if zero_snr:
        config |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return config


def _config(file: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return config
