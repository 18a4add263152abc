"""Writes a model twice, as a folder in diffusers' layout and as one file with the original key names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

from studio.engine.clip_words import clip_vocabulary
from tests.engine import original_layout


def write(configs: Path, folder: Path, file: Path, base: str) -> None:
    """The model that `configs` describe with random weights, and its ControlNet, in both layouts."""
    torch.manual_seed(sum(map(ord, base)))
    unet = UNet2DConditionModel.from_config(_read(configs / "unet" / "config.json"))
    vae = AutoencoderKL.from_config(_read(configs / "vae" / "config.json"))
    texts = {part: _text(configs / part) for part in ("text_encoder", "text_encoder_2") if (configs / part).is_dir()}
    for name, module in {"unet": unet, "vae": vae, **texts}.items():
        module.save_pretrained(folder / name)
    scheduler = _read(configs / "scheduler" / "scheduler_config.json")["_class_name"]
    index: dict[str, Any] = _read(configs / "model_index.json") | {
        "_class_name": f"StableDiffusion{'XL' if 'text_encoder_2' in texts else ''}Pipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", scheduler],
    }
    for part in texts:
        tokenizer = part.replace("text_encoder", "tokenizer")
        _write_tokenizer(folder / tokenizer, _read(configs / f"{tokenizer}.json"))
        index |= {part: ["transformers", type(texts[part]).__name__], tokenizer: ["transformers", "CLIPTokenizer"]}
    if "text_encoder" not in texts:
        index["text_encoder"] = [None, None]
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    shutil.copytree(configs / "scheduler", folder / "scheduler")
    save_file(original_layout.checkpoint(unet, vae, texts, base), file)
    if (configs / "controlnet").is_dir():
        net = ControlNetModel.from_config(_read(configs / "controlnet" / "config.json"))
        for module in (*net.controlnet_down_blocks, net.controlnet_mid_block, net.controlnet_cond_embedding.conv_out):
            torch.nn.init.normal_(module.weight, std=0.3)
        net.save_pretrained(folder / "controlnet")
        plain = {key: value.contiguous() for key, value in original_layout.controlnet_keys(net).items()}
        save_file(plain, file.with_name(f"{file.stem}.controlnet.safetensors"))


def on_meta(configs: Path) -> dict[str, Any]:
    """The parts that `configs` describe, with shapes and no weights."""
    with torch.device("meta"):
        parts = {
            "unet": UNet2DConditionModel.from_config(_read(configs / "unet" / "config.json")),
            "vae": AutoencoderKL.from_config(_read(configs / "vae" / "config.json")),
        }
        texts = [part for part in ("text_encoder", "text_encoder_2") if (configs / part).is_dir()]
        return parts | {part: _text(configs / part) for part in texts}


def check_conversion(made: dict[str, Any], configs: Path, base: str) -> None:
    """A checkpoint in the original layout, of these shapes, becomes exactly the parts again."""
    from diffusers.loaders import single_file_utils as converters

    texts = {part: model for part, model in made.items() if part.startswith("text")}
    tensors = original_layout.checkpoint(made["unet"], made["vae"], texts, base)
    unet = converters.convert_ldm_unet_checkpoint(dict(tensors), _read(configs / "unet" / "config.json"))
    vae = converters.convert_ldm_vae_checkpoint(dict(tensors), _read(configs / "vae" / "config.json"))
    for back, part in ((unet, made["unet"]), (vae, made["vae"])):
        shapes = {name: tuple(tensor.shape) for name, tensor in part.state_dict().items()}
        assert {name: tuple(tensor.shape) for name, tensor in back.items()} == shapes


def _text(configs: Path) -> Any:
    config = _read(configs / "config.json")
    projects = config["architectures"] == ["CLIPTextModelWithProjection"]
    return (CLIPTextModelWithProjection if projects else CLIPTextModel)(CLIPTextConfig(**config))


def _write_tokenizer(folder: Path, options: dict[str, Any]) -> None:
    vocabulary, merges = clip_vocabulary()
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = "\n".join(" ".join(pair) for pair in merges)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{lines}\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps(options | {"tokenizer_class": "CLIPTokenizer"}), encoding="utf-8"
    )


def _read(file: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return config
