"""CLIP's opinion of picture and prompt: Mini's small CLIP for Mini's pictures, the artist's own for all others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from studio.api import BadRecipe, ModelMissing, Recipe, Use, read_weight_header

Compare = Callable[[Image.Image, str], float]
MINI_PX = 64


class ClipScorer:
    """Cosine of a picture's and a text's vector (Radford et al. 2021, section 3.1.2). Keeps the last CLIP it used."""

    def __init__(self) -> None:
        self._kept: tuple[tuple[Path, int, int], Compare] | None = None

    def __call__(self, picture: Image.Image, recipe: Recipe, use: Use) -> float:
        """-1 ... 1. Raises `BadRecipe` without a text, `ModelMissing` without a CLIP for this model's pictures."""
        text = str(use.values.get("text", "")).strip() or recipe.prompt.strip()
        if not text:
            raise BadRecipe("There is no prompt to compare the picture with.", "Write one, or give the scorer a text.")
        compare = self._compare(*_clip_of(recipe.model.name, use), use)
        with torch.no_grad():
            return compare(picture, text)

    def _compare(self, folder: Path, mini: bool, use: Use) -> Compare:
        load = mini_clip if mini else own_clip
        file = folder / "clip" / "model.safetensors" if mini else folder / "model.safetensors"
        if not file.is_file():
            return load(folder)  # says what is missing
        key = (file, (status := file.stat()).st_size, status.st_mtime_ns)
        if self._kept is None or self._kept[0] != key:
            self._kept = (key, load(folder))
        use.reads(file)
        return self._kept[1]


def _clip_of(model: str, use: Use) -> tuple[Path, bool]:
    """Where the CLIP for a model's pictures lies, and whether it is Mini's: models distilled from Mini share it."""
    shipped = use.folder.parents[1] / "resources"
    mini = model == "mini" or (shipped / model / "companions.json").is_file()
    return (shipped / "mini", True) if mini else (use.data / "clip", False)


def mini_clip(model: Path) -> Compare:
    """Mini's picture tower (clip/) and text tower (text_encoder/) in the model's folder. Raises `ModelMissing`."""
    from transformers import CLIPTextModel, CLIPTokenizer

    file, words = model / "clip" / "model.safetensors", model / "text_encoder" / "model.safetensors"
    header = read_weight_header(file)
    read_weight_header(words)
    if header.metadata.get("text_encoder") != hashlib.sha256(words.read_bytes()).hexdigest():
        raise ModelMissing(
            "Mini's CLIP was trained beside another text encoder than the one that is here.",
            "Restore both files of resources/mini, or train the stage “clip” again.",
        )
    weights = {name: value.float() for name, value in load_file(file, backend="pread").items()}
    tower = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32).eval()
    tokenizer = CLIPTokenizer.from_pretrained(model / "tokenizer")

    def compare(picture: Image.Image, text: str) -> float:
        small = picture.convert("RGB").resize((MINI_PX, MINI_PX), Image.Resampling.BOX)
        state = tower(tokenizer(text, truncation=True, return_tensors="pt").input_ids).last_hidden_state[:, -1]
        return float(F.cosine_similarity(look(weights, _unit(small)), state @ weights["text.weight"].T))

    return compare


def look(weights: dict[str, Tensor], pictures: Tensor) -> Tensor:
    """Vectors (batch, joint) of pictures (batch, 3, 64, 64) in -1 ... 1: the tower that studio/mini/clip.py trains.

    Pairs of 3 x 3 convolutions, each with group norm (8 groups) and SiLU, the first of a pair with stride 2; then two
    linear layers.
    """
    x = pictures
    for number in range(sum(name.endswith(".conv.weight") for name in weights)):
        name = f"layers.{number}"
        x = F.conv2d(x, weights[f"{name}.conv.weight"], weights[f"{name}.conv.bias"], 2 - number % 2, padding=1)
        x = F.silu(F.group_norm(x, 8, weights[f"{name}.norm.weight"], weights[f"{name}.norm.bias"]))
    x = F.silu(F.linear(x.flatten(1), weights["middle.weight"], weights["middle.bias"]))
    return x @ weights["picture.weight"].T


def own_clip(folder: Path) -> Compare:
    """A folder of transformers' CLIPModel with safetensors. Raises `ModelMissing` where it is not one."""
    _check_folder(folder)
    from transformers import CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True, local_files_only=True).eval()
    tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    side = int(model.config.vision_config.image_size)
    mean, deviation = _normalisation(folder)

    def compare(picture: Image.Image, text: str) -> float:
        small = picture.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
        seen = model.get_image_features(pixel_values=(_unit(small) / 2 + 0.5 - mean) / deviation).pooler_output
        read = model.get_text_features(**tokenizer(text, truncation=True, return_tensors="pt")).pooler_output
        return float(F.cosine_similarity(seen, read))

    return compare


def _check_folder(folder: Path) -> None:
    try:
        kind = json.loads((folder / "config.json").read_text("utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        kind = None
    if kind != "clip":
        raise ModelMissing(
            "Ranking needs a CLIP model for every base model but Studio Mini, and there is none yet.",
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


def _unit(picture: Image.Image) -> Tensor:
    """(1, 3, height, width) in -1 ... 1."""
    width, height = picture.size
    values = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return values.view(1, height, width, 3).permute(0, 3, 1, 2).float() / 127.5 - 1
