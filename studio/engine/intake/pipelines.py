"""Folders in diffusers' layout: a whole model (model_index.json) or one part (config.json beside its weights).

Only the names written in these files are read; no code that a folder brings or asks for is ever imported.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.core.errors import ModelMissing
from studio.core.model_files import Family, Kind, Prediction, Traits
from studio.core.weights import read_weight_header
from studio.engine.intake.families import BY_CONTEXT, fast_in_words
from studio.engine.intake.keys import main_dtype
from studio.engine.intake.kinds import recognise
from studio.engine.models import component_weights, weight_files

INDEX, CONFIG = "model_index.json", "config.json"
_JSON_MAX = 2_000_000
_LIBRARIES = (
    None, "diffusers", "transformers", "stable_diffusion", "stable_diffusion_xl", "latent_consistency_models", "controlnet", "t2i_adapter",
)  # fmt: skip
_PIPELINES = ("StableDiffusion", "LatentConsistencyModel")
_CHANNELS = {9: "inpaint", 8: "edit", 5: "depth"}
_CODE = "It asks for program code of its own ({what}), which the studio never runs."
_FEW_STEP = {"LCMScheduler": "lcm", "TCDScheduler": "tcd"}
_STEMS = ("diffusion_pytorch_model", "model")


def is_pipeline(folder: Path) -> bool:
    """Whether a folder is a whole model."""
    return (folder / INDEX).is_file()


def component_stem(folder: Path, names: frozenset[str]) -> str:
    """The stem of the weights if a folder is one part of a model, else "". `names` are those inside it."""
    if CONFIG not in names:
        return ""
    ends = (".safetensors", ".fp16.safetensors", ".bin", ".safetensors.index.json")
    whole = (*_STEMS, "pytorch_model")
    return next((stem for stem in whole if any(f"{stem}{end}" in names for end in ends)), "")


def read_pipeline(name: str, folder: Path) -> tuple[Traits, tuple[Path, ...]]:
    """What a whole model is, and its weight files. What is wrong with it stands in `problem`."""
    index = _json(folder / INDEX)
    wished = next(filter(None, (_own_code(_json(file)) for file in _configs(folder))), "")
    wished = _own_code(index) or _own_parts(index) or wished
    if wished:
        return Traits(kind=Kind.CHECKPOINT, layout="folder", problem=_CODE.replace("{what}", wished)), ()
    pipeline = str(index.get("_class_name", ""))
    if not pipeline.startswith(_PIPELINES) or "3" in pipeline:
        said = pipeline[:80] or "something without a name"
        problem = f"It is {said}; the studio draws with Stable Diffusion 1.x, 2.x and SDXL."
        return Traits(layout="folder", problem=problem), ()
    traits = _from_configs(folder, name)
    try:
        files = weight_files(name, folder)
        unet = [file for file in files if file.parent.name == "unet"]
        headers = {file: read_weight_header(file) for file in files}
    except ModelMissing as error:
        return replace(traits, problem=error.headline), ()
    return replace(traits, dtype=main_dtype(headers[unet[0]]) if unet else ""), files


def read_component(name: str, folder: Path, stem: str) -> tuple[Traits, tuple[Path, ...]]:
    """What a folder with one part is, told by its weights; and its weight files."""
    wished = _own_code(_json(folder / CONFIG))
    if wished:
        return Traits(layout="folder", problem=_CODE.replace("{what}", wished)), ()
    try:
        files = component_weights(name, folder, "model" if stem == "pytorch_model" else stem)
        headers = [read_weight_header(file) for file in files]
    except ModelMissing as error:
        return Traits(layout="folder", problem=error.headline), ()
    whole = headers[0]
    for header in headers[1:]:
        whole.shapes.update(header.shapes)
        whole.dtypes.update(header.dtypes)
    found = replace(recognise(whole, name), layout="folder")
    if found.kind is Kind.CONTROLNET and _json(folder / CONFIG).get("cross_attention_dim") == _MINI:
        found = replace(found, family=Family.MINI, problem="")
    return found, files


_MINI = 192  # what Studio Mini's cross-attention reads


def _from_configs(folder: Path, name: str) -> Traits:
    unet, schedule = _json(folder / "unet" / CONFIG), _json(folder / "scheduler" / "scheduler_config.json")
    context, channels = unet.get("cross_attention_dim"), unet.get("in_channels")
    family, problem = Family.UNKNOWN, ""
    if channels == 16 and context == _MINI:
        family = Family.MINI
    elif unet.get("addition_embed_type") == "text_time":
        family = Family.REFINER if unet.get("projection_class_embeddings_input_dim") == 2560 else Family.SDXL
    elif isinstance(context, int):
        family = BY_CONTEXT.get(context, Family.UNKNOWN)
    if unet.get("_class_name") not in ("UNet2DConditionModel", None):
        problem = f"Its UNet is a {str(unet.get('_class_name'))[:60]}, which the studio does not know."
    elif unet.get("class_embed_type") is not None or channels == 7:
        problem = "It needs more than a prompt (unCLIP, or a model that enlarges), which the studio does not do."
    variant = _CHANNELS.get(channels, "") if isinstance(channels, int) else ""
    variant = variant or _FEW_STEP.get(str(schedule.get("_class_name")), "")
    variant = variant or ("lcm" if unet.get("time_cond_proj_dim") else "") or fast_in_words(name)
    predicted = str(schedule.get("prediction_type", "epsilon" if schedule else ""))
    return Traits(
        kind=Kind.CHECKPOINT,
        family=family,
        layout="folder",
        variant=variant,
        in_channels=channels if isinstance(channels, int) else 0,
        prediction=Prediction(predicted) if predicted in set(Prediction) else Prediction.UNKNOWN,
        zero_snr=bool(schedule.get("rescale_betas_zero_snr")) if schedule else None,
        problem=problem,
    )


def _own_code(config: dict[str, Any]) -> str:
    """What a config names that would have to be imported from the folder or the hub, or ""."""
    for key in ("auto_map", "custom_pipeline"):
        if config.get(key):
            return key
    name = config.get("_class_name")
    if name is not None and not isinstance(name, str):
        return "_class_name"
    return ""


def _own_parts(index: dict[str, Any]) -> str:
    """The first part of a whole model that comes from a library of its own, or "". In the config of one part a pair
    of names is nothing of the kind: a small UNet lists two kinds of blocks."""
    for part, entry in index.items():
        named = isinstance(entry, list) and len(entry) == 2 and not part.startswith("_")
        if named and isinstance(entry[1], str) and entry[0] not in _LIBRARIES:
            return f"{part} from {str(entry[0])[:60]}"
    return ""


def _configs(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*/{CONFIG}"))


def _json(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > _JSON_MAX:
            return {}
        fields = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
