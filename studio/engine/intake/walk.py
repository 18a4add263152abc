"""Walks model folders of any program's layout and finds what may be a model. Reads names only."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from studio.core.errors import StudioError
from studio.engine.intake.pipelines import INDEX, component_stem

DEPTH_MAX, ENTRIES_MAX = 10, 200_000
WEIGHTS = (".safetensors", ".sft")
OTHERS = (".ckpt", ".pt", ".pth", ".bin", ".gguf", ".pt2", ".pkl")
_SKIP = {"__pycache__", "node_modules", "venv", "blobs", "refs", "site-packages", "outputs", "onnx", "openvino"}
_PLAIN = {"pytorch_lora_weights", "diffusion_pytorch_model", "diffusion_pytorch_model.fp16", "adapter_model", "model"}
_HUB = re.compile(r"models--(?:[^/\\]+--)?(?P<name>[^/\\]+)")
_KEYS = (  # of ComfyUI's extra_model_paths.yaml
    "checkpoints", "unet", "diffusion_models", "clip", "text_encoders", "clip_vision", "controlnet", "embeddings", "loras",
    "style_models", "vae", "vae_approx", "upscale_models", "ipadapter", "t2i_adapter",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something to be looked into: a file, a pipeline's folder (`stem` ""), or one part's folder."""

    path: Path
    name: str
    is_folder: bool
    stem: str
    names: frozenset[str]  # of the folder it lies in, or of itself if it is one


def find_candidates(folder: Path, stop: Callable[[], bool] = lambda: False) -> Iterator[Candidate]:
    """All candidates below a folder, in the order of their names. Linked folders are followed, each real one once."""
    seen: set[tuple[int, int]] = set()
    count = 0
    waiting = [(folder, 0)]
    while waiting and not stop():
        here, depth = waiting.pop()
        try:
            status = here.stat()
            entries = sorted(os.scandir(here), key=lambda entry: entry.name.casefold())
        except OSError:
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        count += len(entries)
        if count > ENTRIES_MAX:
            return
        names = frozenset(entry.name for entry in entries)
        stem = "" if INDEX in names else component_stem(here, names)
        if (INDEX in names or stem) and here != folder:
            yield Candidate(here, _folder_name(here), True, stem, names)
            continue
        below = []
        for entry in entries:
            if entry.name.startswith(".") or not _is_dir(entry):
                if (found := _file(entry, names, folder)) is not None:
                    yield found
            elif depth < DEPTH_MAX and entry.name.casefold() not in _SKIP:
                below.append((Path(entry.path), depth + 1))
        waiting += reversed(below)


def _is_dir(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _file(entry: os.DirEntry[str], names: frozenset[str], root: Path) -> Candidate | None:
    """A weight file; one that is called as all are on the hub has the name of its folder."""
    base, dot, end = entry.name.rpartition(".")
    if not base or entry.name.startswith(".") or f"{dot}{end}".casefold() not in (*WEIGHTS, *OTHERS):
        return None
    path = Path(entry.path)
    plain = base.casefold() in _PLAIN and path.parent != root
    return Candidate(path, _folder_name(path.parent) if plain else base, False, "", names)


def _folder_name(folder: Path) -> str:
    """The name of a model's folder; in the hub's cache, where it is a commit, that of the repository."""
    if folder.parent.name == "snapshots" and (hub := _HUB.fullmatch(folder.parent.parent.name)):
        return hub["name"]
    if (hub := _HUB.fullmatch(folder.name)) is not None:
        return hub["name"]
    return folder.name


def comfy_folders(file: Path) -> tuple[Path, ...]:
    """The folders that a ComfyUI extra_model_paths.yaml names and that are there. Raises `StudioError`."""
    import yaml  # type: ignore[import-untyped]  # comes with the hub's client, without annotations

    try:
        if file.stat().st_size > 1_000_000:
            raise ValueError("too large")
        sections = yaml.safe_load(file.read_text("utf-8"))
        if not isinstance(sections, dict):
            raise ValueError("not a table")
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise StudioError(f"“{file.name}” cannot be read as ComfyUI's list of folders.", "", str(error)) from None
    found: dict[Path, None] = {}
    for section in sections.values():
        if not isinstance(section, dict):
            continue
        base = Path(os.path.expandvars(str(section.get("base_path", "")))).expanduser()
        base = base if base.is_absolute() else file.parent / base
        for key, lines in section.items():
            if key in _KEYS and isinstance(lines, str):
                places = (base / line.strip() for line in lines.splitlines() if line.strip())
                found.update(dict.fromkeys(place.resolve() for place in places if place.is_dir()))
    return _outermost(tuple(found))


def _outermost(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    return tuple(one for one in folders if not any(other != one and one.is_relative_to(other) for other in folders))
