"""Recipes and drafts as JSON text: strict in, stable out, one schema number, one function per migration."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

from studio.core.choices import ControlKind, ControlMode, ResizeMode, Spacing, Tiling
from studio.core.draft import ControlLayer, Draft, Origin, PluginLayer, expand
from studio.core.errors import BadRecipe, NewerRecipe
from studio.core.plugins import is_finite
from studio.core.recipe import ControlUse, FileRef, FreeU, ImageRef, ModelRef, PluginRef, PluginUse, Recipe, Size

# 2 added plugins and raw_prompt, 3 image to image and all of `_USUAL`, 4 `_NEW` and more kinds of control, 5 modes of
# control; what is missing in a text has its default. A text says the least number that has all it says, so that it
# reads also in a studio of then.
SCHEMA = 5
_NEW = ("freeu", "tiling")
TEXT_MAX = 256 * 1024

_USUAL = {"strength": 0.6, "clip_skip": 0, "guidance_rescale": 0.0, "refine_at": 0.8, "weights": True}
_NUMBERS = ("strength", "guidance_rescale", "refine_at")
_NAMED = ("refiner", "vae")  # other models, by name
_FACTORS = ("s1", "s2", "b1", "b2")  # of FreeU

_PLAIN = (
    "prompt",
    "negative_prompt",
    "seed",
    "steps",
    "scheduler",
    "spacing",
    "guidance_scale",
    "width",
    "height",
    "model",
)

Json = dict[str, Any]  # Any: what json gives; every value is checked below before it is used


def to_text(recipe: Recipe) -> str:
    """The recipe as one JSON object. Lone surrogates become U+FFFD and NUL disappears, as PNG text cannot hold them."""
    fields = _recipe_json(recipe)
    return _dump({"studio_recipe": _schema(fields), **fields})


def from_text(text: str) -> Recipe:
    """The recipe in a text made by `to_text`. Raises `BadRecipe` with a sentence for anything else."""
    fields = _load(text, "studio_recipe")
    controls = tuple(_control(item) for item in _list(fields.pop("controls", [])))
    plugins = tuple(_plugin_use(item) for item in _list(fields.pop("plugins", [])))
    recipe: Recipe = _build(Recipe, fields, controls=controls, plugins=plugins)
    return recipe


def understood(text: str) -> Recipe:
    """What can be understood of a recipe that a newer studio wrote: texts, numbers and the model. Raises nothing."""
    try:
        fields = _dict(json.loads(text))
    except (ValueError, RecursionError, BadRecipe):
        fields = {}
    for names in (_PLAIN, _PLAIN[:3], ()):
        try:
            plain = {name: fields[name] for name in names if name in fields}
            return from_text(_dump({"studio_recipe": SCHEMA, "prompt": "", "seed": 0, **plain}))
        except (BadRecipe, ValueError, TypeError):
            continue
    return Recipe(prompt="", seed=0)


def draft_to_text(draft: Draft) -> str:
    """The panels' contents as one JSON object, for the next start."""
    fields = _shared_json(draft)
    fields["controls"] = [{"enabled": layer.enabled, **_control_json(layer.use)} for layer in draft.controls]
    fields["plugins"] = [{"enabled": layer.enabled, **_plugin_use_json(layer.use)} for layer in draft.plugins]
    if draft.origin is not None:
        fields["origin"] = {"picture": draft.origin.picture, "recipe": draft.origin.recipe}
    if draft.sources:
        fields["sources"] = dict(draft.sources)
    return _dump({"studio_draft": _schema(fields), **fields, "count": draft.count})


def draft_from_text(text: str) -> Draft:
    """The draft in a text made by `draft_to_text`. Raises `BadRecipe`."""
    fields = _load(text, "studio_draft")
    layers = [(_enabled(item), _control(item)) for item in _list(fields.pop("controls", []))]
    controls = tuple(ControlLayer(use=use, enabled=enabled) for enabled, use in layers)
    guests = [(_enabled(item), _plugin_use(item)) for item in _list(fields.pop("plugins", []))]
    plugins = tuple(PluginLayer(use=use, enabled=enabled) for enabled, use in guests)
    origin, sources = fields.pop("origin", None), _dict(fields.pop("sources", {}))
    draft: Draft = _build(Draft, fields, controls=controls, plugins=plugins)
    draft = replace(
        draft, origin=_origin(origin), sources=tuple((digest, _text(id)) for digest, id in sorted(sources.items()))
    )
    all_on = replace(
        draft,
        controls=tuple(replace(layer, enabled=True) for layer in controls),
        plugins=tuple(replace(layer, enabled=True) for layer in plugins),
    )
    try:
        expand(all_on, random.Random(0))  # raises for anything out of its range
    except TypeError as error:  # a value of another kind altogether
        raise BadRecipe("The draft cannot be read.", "Nothing was changed.", str(error)) from None
    return draft


def _origin(item: object) -> Origin | None:
    if item is None:
        return None
    fields = _dict(item)
    return Origin(picture=_text(fields.get("picture")), recipe=_text(fields.get("recipe")))


def _enabled(item: object) -> bool:
    enabled = _dict(item).pop("enabled", True)
    if not isinstance(enabled, bool):
        raise BadRecipe("A layer is neither on nor off.")
    return enabled


def _schema(fields: Json) -> int:
    if any("mode" in layer for layer in fields["controls"]):
        return SCHEMA
    own = [layer for layer in fields["controls"] if "plugin" not in layer]
    new_layer = any("detector" in layer or layer["kind"] not in ("scribble", "canny") for layer in own)
    return 4 if new_layer or any(name in fields for name in _NEW) else 3


def _recipe_json(recipe: Recipe) -> Json:
    return {
        **_shared_json(recipe),
        "controls": [_control_json(use) for use in recipe.controls],
        "plugins": [_plugin_use_json(use) for use in recipe.plugins],
    }


def _shared_json(value: Recipe | Draft) -> Json:
    return {
        "prompt": value.prompt,
        "negative_prompt": value.negative_prompt,
        "seed": value.seed,
        "steps": value.steps,
        "scheduler": value.scheduler,
        "spacing": value.spacing.value,
        "guidance_scale": value.guidance_scale,
        "width": value.size.width,
        "height": value.size.height,
        "model": _model_json(value.model),
        "exact": value.exact,
        "raw_prompt": value.raw_prompt,
        **_unusual_json(value),
    }


def _unusual_json(value: Recipe | Draft) -> Json:
    """What most pictures leave alone: written only where it says something."""
    more: Json = {}
    if value.init is not None:
        more["init"] = value.init.digest
    more |= {name: getattr(value, name) for name, usual in _USUAL.items() if getattr(value, name) != usual}
    if value.freeu is not None:
        more["freeu"] = {name: getattr(value.freeu, name) for name in _FACTORS}
    if value.tiling is not Tiling.OFF:
        more["tiling"] = value.tiling.value
    return more | {name: _model_json(named) for name in _NAMED if (named := getattr(value, name)) is not None}


def _model_json(model: ModelRef) -> str | Json:
    return {"name": _clean(model.name), "sha256": model.sha256} if model.sha256 else _clean(model.name)


def _control_json(use: ControlUse) -> Json:
    more: Json = {} if use.plugin is None else {"plugin": _plugin_json(use.plugin)}
    more |= {} if use.net is None else {"net": _model_json(use.net)}
    more |= {"detector": use.detector} if use.detector else {}
    more |= {"mode": use.mode.value} if use.mode is not ControlMode.BALANCED else {}
    return {
        "kind": str(use.kind),
        "image": use.image.digest,
        "weight": use.weight,
        "start": use.start,
        "end": use.end,
        "resize": use.resize.value,
        "invert": use.invert,
        "low": use.low,
        "high": use.high,
        **more,
        **_found_json(use.found),
    }


def _found_json(found: tuple[FileRef, ...]) -> Json:
    return {"found": [{"name": file.name, "sha256": file.sha256} for file in found]} if found else {}


def _plugin_json(plugin: PluginRef) -> Json:
    return {"id": plugin.id, "version": plugin.version, "digest": plugin.digest}


def _plugin_use_json(use: PluginUse) -> Json:
    return {
        "plugin": _plugin_json(use.plugin),
        "type": use.type,
        "part": use.part,
        "values": {name: _clean(value) if isinstance(value, str) else value for name, value in use.values},
        "images": {name: image.digest for name, image in use.images},
        "files": {name: {"name": file.name, "sha256": file.sha256} for name, file in use.files},
        **_found_json(use.found),
    }


def _dump(fields: Json) -> str:
    clean = {key: _clean(value) if isinstance(value, str) else value for key, value in fields.items()}
    return json.dumps(clean, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))


def _clean(text: str) -> str:
    return text.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _load(text: str, mark: str) -> Json:
    if len(text) > TEXT_MAX:
        raise BadRecipe("The recipe text is too long to be one.", detail=f"{len(text)} characters")
    try:
        fields = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise BadRecipe("The recipe cannot be read.", "Nothing was changed.", str(error)) from None
    fields = _dict(fields)
    schema = fields.pop(mark, None)
    if not isinstance(schema, int) or isinstance(schema, bool):
        raise BadRecipe("This text is not a recipe of Diffusion Studio.", "Nothing was changed.")
    if schema > SCHEMA:
        raise NewerRecipe("This recipe was written by a newer Diffusion Studio.", "Update the studio to use it.")
    if schema < 3:
        _before_weights(fields)
    return fields


def _before_weights(fields: Json) -> None:
    """Until schema 2 brackets were signs like others, and what went past 77 tokens was cut off."""
    texts = [text for text in (fields.get("prompt"), fields.get("negative_prompt")) if isinstance(text, str)]
    if any(set(text) & set("()[]\\") or len(text) > 77 for text in texts):
        fields["weights"] = False


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _control(item: object) -> ControlUse:
    fields = dict(_dict(item))
    try:
        kind = _text(fields.get("kind"))
        fields["kind"] = ControlKind(kind) if kind in set(ControlKind) else kind
        if "plugin" in fields:
            fields["plugin"] = _plugin(fields["plugin"])
        if "net" in fields:
            fields["net"] = _model(fields["net"])
        fields["detector"] = _text(fields.get("detector", ""))
        fields["resize"] = ResizeMode(_text(fields.get("resize", "crop")))
        fields["mode"] = ControlMode(_text(fields.get("mode", "balanced")))
        fields["image"] = ImageRef(digest=_text(fields.get("image")))
        fields["found"] = tuple(_file(file) for file in _list(fields.get("found", [])))
        for name in ("weight", "start", "end"):
            fields[name] = _number(fields[name]) if name in fields else fields.get(name, {"start": 0.0}.get(name, 1.0))
        if not isinstance(fields.get("invert", False), bool):
            raise BadRecipe("A control layer is neither inverted nor not.")
        return ControlUse(**fields)
    except (ValueError, TypeError) as error:
        raise BadRecipe("A control layer of the recipe cannot be read.", "Nothing was changed.", str(error)) from None


def _plugin(item: object) -> PluginRef:
    fields = _dict(item)
    return PluginRef(
        id=_text(fields.get("id")), version=_text(fields.get("version", "")), digest=_text(fields.get("digest", ""))
    )


def _plugin_use(item: object) -> PluginUse:
    fields = _dict(item)
    files = _dict(fields.get("files", {}))
    return PluginUse(
        plugin=_plugin(fields.get("plugin")),
        type=_text(fields.get("type")),
        part=_text(fields.get("part")),
        values=tuple(sorted(_dict(fields.get("values", {})).items())),
        images=tuple((name, ImageRef(digest=_text(d))) for name, d in sorted(_dict(fields.get("images", {})).items())),
        files=tuple((name, _file(file)) for name, file in sorted(files.items())),
        found=tuple(_file(file) for file in _list(fields.get("found", []))),
    )


def _file(item: object) -> FileRef:
    fields = _dict(item)
    return FileRef(name=_text(fields.get("name")), sha256=_text(fields.get("sha256")))


def _build(
    kind: type[Any], fields: Json, controls: tuple[Any, ...], plugins: tuple[Any, ...]
) -> Any:  # Any: Recipe or Draft, decided by the caller
    try:
        size = Size(width=fields.pop("width", 256), height=fields.pop("height", 256))
        fields["spacing"] = Spacing(fields.get("spacing", "normal"))
        fields["guidance_scale"] = _number(fields.get("guidance_scale", 5.0))
        model = _model(fields.pop("model", "mini"))
        for name in ("exact", "weights"):
            if not isinstance(fields.get(name, False), bool):
                raise BadRecipe(f"“{name}” is neither true nor false.")
        for name in ("prompt", "negative_prompt", "raw_prompt"):
            fields[name] = _clean(_text(fields.get(name, "")))
        if "init" in fields:
            fields["init"] = ImageRef(digest=_text(fields["init"]))
        fields |= {name: _number(fields[name]) for name in _NUMBERS if name in fields}
        fields |= {name: _model(fields[name]) for name in _NAMED if name in fields}
        if "freeu" in fields:
            fields["freeu"] = FreeU(**{name: _number(factor) for name, factor in _dict(fields["freeu"]).items()})
        fields["tiling"] = Tiling(_text(fields.get("tiling", "off")))
        return kind(size=size, model=model, controls=controls, plugins=plugins, **fields)
    except (ValueError, TypeError) as error:
        raise BadRecipe("The recipe cannot be read.", "Nothing was changed.", str(error)) from None


def _model(item: object) -> ModelRef:
    if isinstance(item, dict):
        return ModelRef(name=_clean(_text(item.get("name"))), sha256=_text(item.get("sha256")))
    return ModelRef(name=_clean(_text(item)))


def _dict(value: object) -> Json:
    if not isinstance(value, dict):
        raise BadRecipe("The recipe is not an object of names and values.")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise BadRecipe("The control layers of the recipe are not a list.")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadRecipe(f"{value!r} stands where a text is expected.")
    return value


def _number(value: object) -> float:
    if not is_finite(value):
        raise BadRecipe(f"{value!r:.60} stands where a number is expected.")
    return float(value)
