"""The text other programs read: an A1111-style `parameters` line. Written only; knows no files."""

from __future__ import annotations

import json
import re

from studio.core.choices import ControlKind, ControlMode, Detector, ResizeMode, Spacing, Tiling
from studio.core.detectors import detector_of
from studio.core.picture import MadeWith
from studio.core.recipe import ControlUse, Recipe
from studio.core.schedulers import scheduler_name

_RESIZE = {
    ResizeMode.CROP: "Crop and Resize",
    ResizeMode.PAD: "Resize and Fill",
    ResizeMode.STRETCH: "Just Resize",
}
_MODE = {  # that program has no unbalanced one; both others of its modes are soft
    ControlMode.BALANCED: "Balanced",
    ControlMode.MORE_PROMPT: "My prompt is more important",
    ControlMode.MORE_CONTROL: "ControlNet is more important",
    ControlMode.UNBALANCED: "ControlNet is more important",
}
_MODULE = {  # by the names of that program's ControlNet extension
    Detector.CANNY: "canny", Detector.HED: "softedge_hed", Detector.PIDINET: "softedge_pidinet", Detector.TEED: "softedge_teed",
    Detector.LINEART: "lineart_realistic", Detector.LINEART_COARSE: "lineart_coarse", Detector.LINEART_STANDARD: "lineart_standard",
    Detector.LINEART_ANIME: "lineart_anime", Detector.MLSD: "mlsd", Detector.MIDAS: "depth_midas",
    Detector.DEPTH_ANYTHING: "depth_anything_v2", Detector.NORMAL_BAE: "normal_bae", Detector.OPENPOSE: "openpose",
    Detector.OPENPOSE_FULL: "openpose_full", Detector.UPERNET: "seg_ufade20k", Detector.SHUFFLE: "shuffle",
    Detector.DOWNSAMPLE: "tile_resample",
}  # fmt: skip


def parameters_text(recipe: Recipe, made_with: MadeWith) -> str:
    """Prompt, "Negative prompt:" and one line of "Key: value", as create_infotext of stable-diffusion-webui has it."""
    lines = [recipe.prompt]
    if recipe.negative_prompt:
        lines.append(f"Negative prompt: {recipe.negative_prompt}")
    fields = {
        "Steps": str(recipe.steps),
        "Sampler": scheduler_name(recipe.scheduler, Spacing.NORMAL),
        "Schedule type": "" if recipe.spacing is Spacing.NORMAL else recipe.spacing.value.capitalize(),
        "CFG scale": f"{recipe.guidance_scale:g}",
        "Seed": str(recipe.seed),
        "Size": str(recipe.size),
        "Model": model_name(recipe),
        "Tiling": "True" if recipe.tiling is Tiling.BOTH else "",
        "Version": _version(made_with.studio),
    }
    fields.update({f"ControlNet {i}": _control(use, model_name(recipe)) for i, use in enumerate(recipe.controls)})
    lines.append(", ".join(f"{key}: {_quoted(value)}" for key, value in fields.items() if value))
    return "\n".join(lines)


def model_name(recipe: Recipe) -> str:
    """The model's name without any folder: no path of this machine leaves in a picture."""
    return re.split(r"[/\\]", recipe.model.name.rstrip("/\\ "))[-1] or "unknown"


def _version(studio: str) -> str:
    return studio if studio.startswith("Diffusion Studio") else f"Diffusion Studio {studio}"


def _control(use: ControlUse, model: str) -> str:
    fields = {
        "Module": _module(use),
        "Model": use.net.name if use.net is not None else f"{model} {use.kind}",
        "Weight": f"{use.weight:g}",
        "Resize Mode": _RESIZE[use.resize],
        "Threshold A": str(use.low) if use.kind is ControlKind.CANNY else "",
        "Threshold B": str(use.high) if use.kind is ControlKind.CANNY else "",
        "Guidance Start": f"{use.start:g}",
        "Guidance End": f"{use.end:g}",
        "Control Mode": _MODE[use.mode] if use.mode is not ControlMode.BALANCED else "",
    }
    return ", ".join(f"{key}: {value}" for key, value in fields.items() if value)


def _module(use: ControlUse) -> str:
    if not isinstance(use.kind, ControlKind):
        return "none"
    detector = detector_of(use.kind, use.detector)
    if detector in (Detector.HED, Detector.PIDINET) and use.kind is ControlKind.SCRIBBLE:
        return f"scribble_{detector}"
    drawn = detector is Detector.NONE and use.kind is ControlKind.SCRIBBLE
    return "invert" if use.invert and drawn else _MODULE.get(detector, "none")


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(c in value for c in ',:\n"') else value
