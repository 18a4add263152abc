"""The parts of a model from a folder in diffusers' layout, as plain model classes, never as a pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from studio.core.errors import ModelMissing
from studio.engine.diffusion.prompts import TextEncoder, Tower
from studio.engine.models import INDEX, component_weights

ALIGNMENT = 64  # bytes
_STEM = "diffusion_pytorch_model"
Poll = Callable[[], None]  # called between parts; may raise to stop the loading


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a base model consists of, on the CPU, ready for inference."""

    unet: Any  # diffusers' and transformers' classes are not typed
    vae: Any
    text: TextEncoder
    scheduler_config: dict[str, Any]


def load_folder(name: str, folder: Path, dtype: torch.dtype, poll: Poll) -> Parts:
    """All parts of the model in a folder. Raises `ModelMissing` for kinds that the loop cannot use."""
    _check_kind(name, folder)
    towers = []
    for part, tokenizer in (("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2")):
        if (folder / part / "config.json").is_file():
            poll()
            towers.append(
                Tower(load_tokenizer(folder / tokenizer), load_part(_text_class(folder, part), folder, part, dtype))
            )
    poll()
    unet = load_part(unet_class(), folder, "unet", dtype)
    poll()
    vae = load_part(vae_class(), folder, "vae", dtype)
    return Parts(
        unet=unet,
        vae=vae,
        text=text_encoder(towers, unet, bool(_read(folder / INDEX).get("force_zeros_for_empty_prompt", False))),
        scheduler_config=json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8")),
    )


def text_encoder(towers: list[Tower], unet: Any, zeros_for_empty: bool) -> TextEncoder:
    """The towers joined as the UNet was trained with them."""
    xl = unet.config.addition_embed_type == "text_time"
    return TextEncoder(towers, xl=xl, zeros_for_empty=xl and zeros_for_empty)


def load_vae(folder: Path, dtype: torch.dtype) -> Any:
    """The VAE whose config.json and weights lie in `folder`."""
    return load_part(vae_class(), folder.parent, folder.name, dtype)


def load_controlnet(folder: Path, dtype: torch.dtype) -> Any:
    """The ControlNet whose config.json and weights lie in `folder`."""
    return load_part(controlnet_class(), folder.parent, folder.name, dtype)


def unet_class() -> Any:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    return UNet2DConditionModel


def vae_class() -> Any:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    return AutoencoderKL


def controlnet_class() -> Any:
    from diffusers.models.controlnets.controlnet import ControlNetModel

    return ControlNetModel


def clip_class(projection: bool) -> Any:
    """CLIP's text model, with or without the projection of its pooled vector."""
    from transformers.models.clip import modeling_clip

    return modeling_clip.CLIPTextModelWithProjection if projection else modeling_clip.CLIPTextModel


def load_tokenizer(folder: Path) -> Any:
    """CLIP's tokenizer from a folder with vocab.json and merges.txt."""
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)


def load_part(model_class: Any, folder: Path, part: str, dtype: torch.dtype) -> Any:
    """One part in `dtype`, ready for inference, in memory of its own."""
    file = component_weights(folder.name, folder / part, "model" if part.startswith("text") else _STEM)[0]
    variant = "fp16" if ".fp16" in file.suffixes or ".fp16-" in file.name else None
    return ready(
        model_class.from_pretrained(
            str(folder), subfolder=part, variant=variant, dtype=dtype, use_safetensors=True, local_files_only=True
        )
    )


def ready(model: Any) -> Any:
    """The model for inference, without gradients, in memory of its own."""
    for parameter in model.parameters():
        parameter.data = own_copy(parameter.data)
    return model.eval().requires_grad_(False)


def own_copy(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers outside the mapped file, which would kill the process if it were cut short under it.

    The copy begins at a multiple of 64 bytes: matrix kernels choose their order of summation by alignment, and in a
    mapped file that depends on the length of its header. So a model gives the same bits from a folder and from a file.
    """
    if tensor.device.type != "cpu" or tensor.numel() == 0:
        return tensor
    plain = tensor.contiguous()
    room = torch.empty(plain.nbytes + ALIGNMENT, dtype=torch.uint8)
    shift = -room.data_ptr() % ALIGNMENT
    copy = room[shift : shift + plain.nbytes].view(plain.dtype).view(plain.shape)
    return copy.copy_(plain)


def _text_class(folder: Path, part: str) -> Any:
    return clip_class(_read(folder / part / "config.json").get("architectures") == ["CLIPTextModelWithProjection"])


def _check_kind(name: str, folder: Path) -> None:
    """Raise `ModelMissing` unless the model is built like SD 1.x, 2.x or XL."""
    unet = _read(folder / "unet" / "config.json").get("_class_name")
    texts = [
        _read(file).get("architectures")
        for part in ("text_encoder", "text_encoder_2")
        if (file := folder / part / "config.json").is_file()
    ]
    known = (["CLIPTextModel"], ["CLIPTextModelWithProjection"])
    if unet != "UNet2DConditionModel" or not texts or any(text not in known for text in texts):
        raise ModelMissing(
            f"The model “{name}” is not a Stable Diffusion 1.x, 2.x or XL model.", "Choose another model."
        )


def _read(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}
