"""Writes trained parts to resources/mini in diffusers' layout: fp16 safetensors, stock-loadable, renamed into place.

A reader sees the old or the new file of each part, never half of one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Protocol

import diffusers
import torch

CARD = "README.md"
DIGESTS_START, DIGESTS_END = "<!-- digests -->", "<!-- /digests -->"

MODEL_INDEX: dict[str, Any] = {  # Any: JSON values
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": diffusers.__version__,
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


class Saveable(Protocol):
    """Anything with diffusers' or transformers' `save_pretrained`."""

    def save_pretrained(self, folder: str) -> Any: ...  # Any: differs between the libraries, unused


def keep_part(part: Saveable, folder: Path) -> None:
    """Saves one part as it is (fp32) to `folder`, file by file into place."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        part.save_pretrained(work)
        _forget_origin(Path(work) / "config.json")
        move_files(Path(work), folder)


def export_part(part: torch.nn.Module, folder: Path) -> None:
    """Saves a half-precision copy of a network to `folder`; the network itself stays as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {name: value.detach().clone() for name, value in part.state_dict().items()}
    try:
        keep_part(part.half(), folder)  # type: ignore[arg-type]  # every network here has save_pretrained
    finally:
        part.float()
        part.load_state_dict(kept)


def write_index(folder: Path) -> None:
    """model_index.json: which class each part is of."""
    write_text(folder / "model_index.json", json.dumps(MODEL_INDEX, indent=2) + "\n")


def write_text(file: Path, text: str) -> None:
    """Replaces a text file in one step."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, file)


def move_files(source: Path, target: Path) -> None:
    """Moves every file of `source` over its namesake in `target`."""
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, place)
        os.chmod(place, 0o644)


def copy_folder(source: Path, target: Path) -> None:
    """Copies the files of a folder into place, one rename each."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as work:
        copy = Path(work) / "copy"
        shutil.copytree(source, copy)
        move_files(copy, target)


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of the model but its card, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CARD)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def update_card(folder: Path) -> None:
    """Writes the table of digests between its two marks in the model card."""
    card = folder / CARD
    text = card.read_text(encoding="utf-8") if card.exists() else f"# Studio Mini\n\n{DIGESTS_START}\n{DIGESTS_END}\n"
    head, rest = text.split(DIGESTS_START, 1)
    tail = rest.split(DIGESTS_END, 1)[1]
    rows = [f"| {name} | {(folder / name).stat().st_size} | `{digest}` |" for name, digest in digests(folder).items()]
    table = "\n".join(["| file | bytes | SHA-256 |", "|---|---|---|", *rows])
    write_text(card, f"{head}{DIGESTS_START}\n{table}\n{DIGESTS_END}{tail}")


def _forget_origin(config: Path) -> None:
    """Drops the path a part was loaded from: it says something about this machine and nothing about the model."""
    if not config.exists():
        return
    values = json.loads(config.read_text(encoding="utf-8"))
    if values.pop("_name_or_path", None) is not None:
        config.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
