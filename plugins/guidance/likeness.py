"""Two CLIPs behind one face: Mini's small one, and any local folder of transformers' CLIPModel.

Knows pictures and texts as unit vectors; nothing of steps or guides.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from studio.api import Denoiser, ModelMissing, Use, read_weight_header

from .networks import ImageTower


@dataclass(frozen=True, slots=True)
class Likeness:
    """A CLIP: `see` takes pictures (n, 3, px, px) in -1 ... 1, `read` one text; both give unit vectors (n, joint)."""

    px: int
    see: Callable[[Tensor], Tensor]
    read: Callable[[str], Tensor]

    def look(self, pictures: Tensor) -> Tensor:
        """Unit vectors of pictures (n, 3, height, width) of any size, made (px, px)."""
        if pictures.shape[2:] != (self.px, self.px):
            pictures = F.interpolate(pictures, (self.px, self.px), mode="bicubic", antialias=True, align_corners=False)
        return self.see(pictures)


def clip_folder(denoiser: Denoiser, use: Use) -> Path:
    """Where the CLIP for this model lies: Mini's beside Mini's other parts, any other model's in the plugin's data."""
    return denoiser.model_folder if denoiser.family == "mini" else use.data / "clip"


def weights_of(folder: Path, denoiser: Denoiser) -> Path:
    """The file in such a folder that decides what the CLIP sees."""
    return folder / "clip" / "model.safetensors" if denoiser.family == "mini" else folder / "model.safetensors"


def load(folder: Path, denoiser: Denoiser) -> Likeness:
    """The CLIP in the folder that `clip_folder` named. Raises `ModelMissing`."""
    return (load_mini if denoiser.family == "mini" else load_own)(folder, denoiser.device)


def load_mini(model: Path, device: Any = "cpu") -> Likeness:  # Any: a torch device or its name
    """Mini's picture tower and text tower. Raises `ModelMissing` where one is missing or they do not fit together."""
    from transformers import CLIPTextModel, CLIPTokenizer

    file, words = model / "clip" / "model.safetensors", model / "text_encoder" / "model.safetensors"
    header = read_weight_header(file)
    read_weight_header(words)
    if header.metadata.get("text_encoder") != hashlib.sha256(words.read_bytes()).hexdigest():
        raise ModelMissing(
            "Mini's CLIP was trained beside another text encoder than the one that is here.",
            "Restore both files of resources/mini, or train the stage “clip” again.",
        )
    tower = ImageTower.of(load_file(file, backend="pread")).to(device)
    text = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32).to(device).eval()
    tokenizer = CLIPTokenizer.from_pretrained(model / "tokenizer")

    @torch.no_grad()
    def read(sentence: str) -> Tensor:
        ids = tokenizer(sentence, truncation=True, return_tensors="pt").input_ids.to(device)
        return tower.read(text(ids).last_hidden_state[:, -1])

    return Likeness(64, tower, read)


def load_own(folder: Path, device: Any = "cpu") -> Likeness:  # Any: a torch device or its name
    """A folder of transformers' CLIPModel with safetensors. Raises `ModelMissing` where it is not one."""
    _check_folder(folder)
    from transformers import CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True, local_files_only=True)
    model = model.to(device).eval().requires_grad_(False)
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    mean, deviation = (values.to(device) for values in _normalisation(folder))

    def see(pictures: Tensor) -> Tensor:
        seen = model.get_image_features(pixel_values=(pictures / 2 + 0.5 - mean) / deviation)
        return F.normalize(seen.pooler_output, dim=1)

    @torch.no_grad()
    def read(sentence: str) -> Tensor:
        tokens = tokenizer(sentence, truncation=True, return_tensors="pt").to(device)
        return F.normalize(model.get_text_features(**tokens).pooler_output, dim=1)

    return Likeness(int(model.config.vision_config.image_size), see, read)


def _check_folder(folder: Path) -> None:
    try:
        kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        kind = None
    if kind != "clip":
        raise ModelMissing(
            "CLIP guidance needs a CLIP model for every base model but Studio Mini, and there is none yet.",
            f"Put the folder of a CLIP model (config.json, tokenizer, model.safetensors) at {folder}.",
        )
    read_weight_header(folder / "model.safetensors")


def _normalisation(folder: Path) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each colour, (3, 1, 1): the folder's own, or OpenAI's."""
    values: dict[str, Any] = {}  # Any: JSON values
    file = folder / "preprocessor_config.json"
    if file.exists():
        values = json.loads(file.read_text("utf-8"))
    mean = values.get("image_mean", (0.48145466, 0.4578275, 0.40821073))
    deviation = values.get("image_std", (0.26862954, 0.26130258, 0.27577711))
    return torch.tensor(mean).view(3, 1, 1), torch.tensor(deviation).view(3, 1, 1)
