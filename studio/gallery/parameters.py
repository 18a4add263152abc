"""The text other programs read: an A1111-style `parameters` line. Written only; knows no files."""

from __future__ import annotations

import json
import re

from studio.core.choices import ControlKind, ResizeMode, Spacing, Tiling
from studio.core.picture import MadeWith
from studio.core.recipe import ControlUse, Recipe
from studio.core.schedulers import scheduler_name

_RESIZE = {
    ResizeMode.CROP: "Crop and Resize",
    ResizeMode.PAD: "Resize and Fill",
    ResizeMode.STRETCH: "Just Resize",
}
_MODULE: dict[str, str] = {ControlKind.SCRIBBLE: "none", ControlKind.CANNY: "canny"}


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
        "Module": "invert" if use.invert and use.kind is ControlKind.SCRIBBLE else _MODULE.get(str(use.kind), "none"),
        "Model": f"{model} {use.kind}",
        "Weight": f"{use.weight:g}",
        "Resize Mode": _RESIZE[use.resize],
        "Threshold A": str(use.low) if use.kind is ControlKind.CANNY else "",
        "Threshold B": str(use.high) if use.kind is ControlKind.CANNY else "",
        "Guidance Start": f"{use.start:g}",
        "Guidance End": f"{use.end:g}",
    }
    return ", ".join(f"{key}: {value}" for key, value in fields.items() if value)


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if any(c in value for c in ',:\n"') else value
