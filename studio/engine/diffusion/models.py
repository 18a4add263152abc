"""The model pool: loads a model's parts as plain model classes (never as a pipeline) and keeps the last one used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from studio.core.errors import ModelMissing
from studio.engine.diffusion.devices import Device
from studio.engine.diffusion.previews import LatentToRGB, load_preview
from studio.engine.diffusion.prompts import TextEncoder
from studio.engine.models import (
    CONTROLNET,
    WEIGHTS,
    check_safetensors,
    companions_of,
    component_weights,
    find_model,
    fingerprint,
)

MINI_CHANNELS = 16  # of Studio Mini's latents; Stable Diffusion has 4
Poll = Callable[[], None]  # called between parts; may raise to stop the loading
_Key = tuple[Path, tuple[tuple[str, int, int], ...], torch.dtype]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A loaded base model, on its device and in its number format. Parts are diffusers' and transformers' own classes."""

    name: str
    folder: Path
    key: _Key
    digest: str  # SHA-256 over the weight files
    unet: Any
    vae: Any
    text: TextEncoder
    scheduler_config: dict[str, Any]
    to_rgb: LatentToRGB | None
    dtype: torch.dtype
    device: torch.device
    controlnets: dict[str, Any] = field(default_factory=dict)  # filled by the pool at first use

    @property
    def latent_channels(self) -> int:
        return int(self.unet.config.in_channels)

    @property
    def vae_factor(self) -> int:
        """Pixels per latent position along one side."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))

    @property
    def family(self) -> str:
        """ "mini", "sd1", "sd2" or "sdxl": what an adapter must have been made for. Told by the UNet's widths."""
        if self.latent_channels == MINI_CHANNELS:
            return "mini"
        return {1024: "sd2", 2048: "sdxl"}.get(self.unet.config.cross_attention_dim, "sd1")

    @property
    def learns_variance(self) -> bool:
        return bool(self.unet.config.out_channels == 2 * self.unet.config.in_channels)


class ModelPool:
    """Loads models by name and keeps the last. State: `_kept` and `_digests` (by path, size and time of change)."""

    def __init__(self, folders: tuple[Path, ...], device: Device) -> None:
        self._folders, self._device = folders, device
        self._kept: Model | None = None
        self._digests: dict[tuple[str, int, int], bytes] = {}

    def get(self, name: str, exact: bool, poll: Poll) -> Model:
        """The model of this name, in float32 if `exact`. Raises `ModelMissing`."""
        dtype = torch.float32 if exact else self._device.dtype
        folder = find_model(name, self._folders)
        key = (folder, fingerprint(folder), dtype)
        if self._kept is None or self._kept.key != key:
            self.clear()  # before loading: two models may not fit
            self._kept = self._load(name, folder, key, poll)
        return self._kept

    def controlnet(self, model: Model) -> Any:
        """The ControlNetModel that lies beside a model, in its `controlnet` folder. Raises `ModelMissing`."""
        if CONTROLNET not in model.controlnets:
            folder = companions_of(model.folder) / CONTROLNET
            if not (folder / "config.json").is_file():
                raise ModelMissing(
                    f"The model “{model.name}” has no ControlNet, so a control layer cannot steer it.",
                    "Switch the control layers off, or choose a model with a controlnet folder.",
                )
            for file in component_weights(model.name, folder, "diffusion_pytorch_model"):
                check_safetensors(model.name, file)
            from diffusers.models.controlnets.controlnet import ControlNetModel

            loaded = _load_part(ControlNetModel, folder.parent, CONTROLNET, model.dtype)
            model.controlnets[CONTROLNET] = loaded.to(model.device)
        return model.controlnets[CONTROLNET]

    def clear(self) -> None:
        """Let go of everything loaded."""
        self._kept = None

    def _load(self, name: str, folder: Path, key: _Key, poll: Poll) -> Model:
        _check_kind(name, folder)
        parts = {}
        for part, load in _LOADERS.items():
            poll()
            parts[part] = load(folder, key[2]).to(self._device.torch_device)
        unet, vae = parts["unet"], parts["vae"]
        _check_fit(name, unet, vae)
        return Model(
            name=name,
            folder=folder,
            key=key,
            digest=self._digest(name, folder),
            unet=unet,
            vae=vae,
            text=TextEncoder(_load_tokenizer(folder), parts["text_encoder"]),
            scheduler_config=json.loads((folder / "scheduler" / "scheduler_config.json").read_text("utf-8")),
            to_rgb=load_preview(folder, int(unet.config.in_channels)),
            dtype=key[2],
            device=self._device.torch_device,
        )

    def _digest(self, name: str, folder: Path) -> str:
        """SHA-256 over the digests of unet, vae and text encoder files, each read once while it does not change."""
        total = hashlib.sha256()
        for part, stem in WEIGHTS.items():
            for file in component_weights(name, folder / part, stem):
                status = file.stat()
                place = (str(file), status.st_size, status.st_mtime_ns)
                if place not in self._digests:
                    with file.open("rb") as stream:
                        self._digests[place] = hashlib.file_digest(stream, "sha256").digest()
                total.update(self._digests[place])
        return total.hexdigest()


def _load_unet(folder: Path, dtype: torch.dtype) -> Any:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    return _load_part(UNet2DConditionModel, folder, "unet", dtype)


def _load_vae(folder: Path, dtype: torch.dtype) -> Any:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    return _load_part(AutoencoderKL, folder, "vae", dtype)


def _load_text_encoder(folder: Path, dtype: torch.dtype) -> Any:
    from transformers.models.clip.modeling_clip import CLIPTextModel

    return _load_part(CLIPTextModel, folder, "text_encoder", dtype)


_LOADERS: dict[str, Callable[[Path, torch.dtype], Any]] = {
    "text_encoder": _load_text_encoder,
    "unet": _load_unet,
    "vae": _load_vae,
}


def _load_tokenizer(folder: Path) -> Any:
    from transformers.models.clip.tokenization_clip import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(str(folder), subfolder="tokenizer", local_files_only=True)


def _load_part(model_class: Any, folder: Path, part: str, dtype: torch.dtype) -> Any:
    """One part in `dtype`, ready for inference, in memory of its own."""
    stem = WEIGHTS.get(part, "diffusion_pytorch_model")
    file = component_weights(folder.name, folder / part, stem)[0]
    variant = "fp16" if ".fp16" in file.suffixes or ".fp16-" in file.name else None
    loaded = model_class.from_pretrained(
        str(folder), subfolder=part, variant=variant, dtype=dtype, use_safetensors=True, local_files_only=True
    )
    for parameter in loaded.parameters():
        parameter.data = _own_copy(parameter.data)
    return loaded.eval().requires_grad_(False)


def _own_copy(tensor: torch.Tensor) -> torch.Tensor:
    """The same numbers outside the mapped file, which would kill the process if it were cut short under it.

    The copy stands at the same address modulo 64: matrix kernels choose their order of summation by alignment, so a
    plain `clone` gives other last bits than the stock pipelines, which compute in the mapped file.
    """
    if tensor.device.type != "cpu" or not tensor.is_contiguous():
        return tensor
    room = torch.empty(tensor.nbytes + 64, dtype=torch.uint8)
    shift = (tensor.data_ptr() - room.data_ptr()) % 64
    if shift % tensor.element_size():
        return tensor
    copy = room[shift : shift + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
    return copy.copy_(tensor)


def _check_kind(name: str, folder: Path) -> None:
    """Raise `ModelMissing` unless the model is built like SD 1.x or 2.x."""
    unet_class, text_class = (
        _config(folder / part).get(key) for part, key in (("unet", "_class_name"), ("text_encoder", "architectures"))
    )
    two_encoders = (folder / "text_encoder_2").exists()
    if unet_class != "UNet2DConditionModel" or text_class != ["CLIPTextModel"] or two_encoders:
        raise ModelMissing(f"The model “{name}” is not a Stable Diffusion 1.x or 2.x model.", "Choose another model.")


def _check_fit(name: str, unet: Any, vae: Any) -> None:
    """Raise `ModelMissing` for UNets that need more inputs than a prompt (inpainting, upscaling)."""
    if unet.config.in_channels != vae.config.latent_channels:
        raise ModelMissing(f"The model “{name}” is not made for text to image (inpainting?).", "Choose another model.")


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}
