"""What InvokeAI's layers ask for, one line each: those of 4 (`controlLayers`), of the canvas since 5, of 6 (`ref_images`).

Their pictures stay in InvokeAI's own database; what can be said of them is models, weights, steps and texts.
"""

from __future__ import annotations

from collections.abc import Iterator

from studio.gallery.foreign.values import Json, number_of, shown_value, text_of

KEYS = ("controlLayers", "canvas_v2_metadata", "ref_images", "regions")  # of the metadata, read here
LAYERS_MAX = 100
_KINDS = {
    "controlnet": "ControlNet",
    "t2i_adapter": "T2I-Adapter",
    "control_lora": "Control LoRA",
    "ip_adapter": "IP-Adapter",
    "flux_redux": "FLUX Redux",
}
_DRAWN = {
    "inpaintMasks": "Inpaint mask",
    "rasterLayers": "Painted layer",
    "vectorLayers": "Vector layer",
    "initial_image_layer": "Initial picture",
}
_PICTURE = "its picture is not in the file"


def layer_notes(card: Json) -> Iterator[tuple[str, str]]:
    """Titles and words of what is laid over a picture."""
    old, canvas = card.get("controlLayers"), card.get("canvas_v2_metadata")
    for layer in _items(old.get("layers") if isinstance(old, dict) else None):
        yield from _layer(layer)
    lists: Json = canvas if isinstance(canvas, dict) else {}
    for key in ("controlLayers", "referenceImages", "regionalGuidance"):
        for layer in _items(lists.get(key)):
            yield from _layer(layer)
    for key in ("ref_images", "regions"):
        for layer in _items(card.get(key)):
            yield from _layer(layer)
    for key in ("inpaintMasks", "rasterLayers", "vectorLayers"):
        for layer in _items(lists.get(key)):
            yield _DRAWN[key] + " (not in the file)", _together(_name(layer), _off(layer))
    for key in KEYS:
        if (value := card.get(key)) and not isinstance(value, dict | list):
            yield key, shown_value(value)


def _layer(layer: Json) -> Iterator[tuple[str, str]]:
    """An adapter stands under one of three names; a region has texts and any number of adapters of its own."""
    if (drawn := _DRAWN.get(text_of(layer.get("type")))) is not None:
        yield f"{drawn} (not in the file)", _off(layer)
        return
    for key in ("controlAdapter", "ipAdapter", "config"):
        if isinstance(adapter := layer.get(key), dict):
            yield _title(adapter, key), _together(_name(layer), _adapter(adapter), _off(layer))
    prompt, negative = layer.get("positivePrompt"), layer.get("negativePrompt")
    inner = [*_items(layer.get("ipAdapters")), *_items(layer.get("referenceImages"))]
    adapters = [
        found if isinstance(found := item.get("ipAdapter", item.get("config")), dict) else item for item in inner
    ]
    texts = [
        f"“{shown_value(prompt, 80)}”" if prompt else "",
        f"without “{shown_value(negative, 60)}”" if negative else "",
    ]
    if prompt or negative or adapters:
        guests = [f"{_title(item, 'ipAdapter', short=True)} {_adapter(item)}" for item in adapters]
        yield "Region (its shape is not in the file)", _together(_name(layer), *texts, *guests, _off(layer))


def _title(adapter: Json, key: str, short: bool = False) -> str:
    kind = _KINDS.get(text_of(adapter.get("type")), "ControlNet" if key == "controlAdapter" else "IP-Adapter")
    return kind if short else f"{kind} ({_PICTURE})"


def _adapter(adapter: Json) -> str:
    """ "canny-sd15, weight 0.8, from 0 to 0.75, more control": only what is there."""
    model, steps = adapter.get("model"), adapter.get("beginEndStepPct")
    title = model.get("name") or model.get("model_name") if isinstance(model, dict) else model
    weight, words = number_of(adapter.get("weight")), []
    if weight is not None:
        words.append(f"weight {weight:g}")
    if isinstance(steps, list) and len(steps) == 2 and (ends := [number_of(step) for step in steps]) != [0.0, 1.0]:
        words.append("from {:g} to {:g}".format(*(end or 0.0 for end in ends)))
    for key in ("controlMode", "method", "imageInfluence"):
        words.append(shown_value(text_of(adapter.get(key)), 30).replace("_", " "))
    processor = adapter.get("processorConfig")
    if isinstance(processor, dict):
        words.append(shown_value(text_of(processor.get("type")), 40).replace("_", " "))
    return _together(shown_value(text_of(title), 60), *words)


def _name(layer: Json) -> str:
    name = shown_value(text_of(layer.get("name")), 40)
    return f"“{name}”" if name else ""


def _off(layer: Json) -> str:
    return "switched off" if layer.get("isEnabled") is False else ""


def _together(*words: str) -> str:
    return ", ".join(filter(None, words))


def _items(value: object) -> list[Json]:
    return [item for item in (value if isinstance(value, list) else [])[:LAYERS_MAX] if isinstance(item, dict)]
