"""The parts of a model from a folder in diffusers' layout, as plain model classes, never as a pipeline."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from studio.core.errors import ModelMissing
from studio.engine.diffusion.prompts import TextEncoder, Tower
from studio.engine.diffusion.reading import ALIGNMENT, read_tensors, room_for
from studio.engine.diffusion.reading import Poll as Poll
from studio.engine.models import INDEX, component_weights

_STEM = "diffusion_pytorch_model"


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
            model = load_part(_text_class(folder, part), folder, part, dtype, poll)
            towers.append(Tower(load_tokenizer(folder / tokenizer), model))
    unet = load_part(unet_class(), folder, "unet", dtype, poll)
    vae = load_part(vae_class(), folder, "vae", dtype, poll)
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


def load_part(model_class: Any, folder: Path, part: str, dtype: torch.dtype, poll: Poll = lambda: None) -> Any:
    """One part in `dtype`, ready for inference, in memory of its own. Raises `ModelMissing`."""
    text = part.startswith("text")
    tensors: dict[str, torch.Tensor] = {}
    for file in component_weights(folder.name, folder / part, "model" if text else _STEM):
        tensors |= read_tensors(file, dtype, poll)
    return ready((_text_model if text else _network)(model_class, folder, part, tensors, dtype))


def _text_model(model_class: Any, folder: Path, part: str, tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> Any:
    config = model_class.config_class.from_pretrained(str(folder / part), local_files_only=True)
    model, told = model_class.from_pretrained(
        None, config=config, state_dict=tensors, dtype=dtype, output_loading_info=True
    )
    _check_whole(folder, part, told["missing_keys"])
    return model


def _network(model_class: Any, folder: Path, part: str, tensors: dict[str, torch.Tensor], dtype: torch.dtype) -> Any:
    """A network of diffusers', whose `from_pretrained` takes files only, and maps or doubles them."""
    from accelerate import init_empty_weights  # type: ignore[import-untyped]  # comes without annotations

    with init_empty_weights():
        model = model_class.from_config(model_class.load_config(str(folder / part), local_files_only=True))
    model._fix_state_dict_keys_on_load(tensors)  # names of attention layers from before diffusers 0.12
    try:
        told = model.load_state_dict(tensors, strict=False, assign=True)
    except RuntimeError as error:  # shapes
        raise _unlike(folder, part, str(error)) from None
    _check_whole(folder, part, told.missing_keys)
    return model.to(dtype)


def _check_whole(folder: Path, part: str, missing: Collection[str]) -> None:
    """Raise `ModelMissing` where weights lack: random ones in their place would paint noise."""
    if missing:
        raise _unlike(folder, part, f"{len(missing)} weights are not there: {', '.join(sorted(missing)[:5])}")


def _unlike(folder: Path, part: str, why: str) -> ModelMissing:
    return ModelMissing(
        f"The {part} of the model “{folder.name}” does not fit its own config.json.", "Fetch the model again.", why
    )


def ready(model: Any) -> Any:
    """The model for inference, without gradients, in memory of its own."""
    for parameter in model.parameters():
        parameter.data = own_copy(parameter.data)
    return model.eval().requires_grad_(False)


def own_copy(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers, contiguous, at a multiple of 64 bytes; the tensor itself where it is so already.

    Matrix kernels choose their order of summation by alignment. So a model gives the same bits from a folder and from
    a file, whatever a converter cut out of what.
    """
    if tensor.device.type != "cpu" or tensor.numel() == 0:
        return tensor
    if tensor.is_contiguous() and tensor.data_ptr() % ALIGNMENT == 0:
        return tensor
    return room_for(tensor.shape, tensor.dtype).copy_(tensor)


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
