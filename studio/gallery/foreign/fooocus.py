"""Fooocus: its JSON scheme, and its A1111-like scheme with raw prompts. Lists written as Python text are never evaluated."""

from __future__ import annotations

import re

from studio.gallery.foreign import a1111
from studio.gallery.foreign.carrier import PARAMETERS, SCHEME, Carried
from studio.gallery.foreign.reading import MatchModel, Reading, Settings
from studio.gallery.foreign.values import Json, object_of, text_of

SOURCE = "Fooocus"
_PAIR = re.compile(r"\s*[(\[]?\s*([0-9]{1,6})\s*[,x×]\s*([0-9]{1,6})\s*[)\]]?\s*")
_STRINGS = re.compile(r"""'((?:[^'\\]|\\.){0,300})'|"((?:[^"\\]|\\.){0,300})\"""")
_STEPS = {"quality": 60, "speed": 30, "extreme speed": 8, "lightning": 4, "hyper-sd": 4}  # of each performance
_USED = {
    "prompt", "full_prompt", "negative_prompt", "full_negative_prompt", "resolution", "guidance_scale", "base_model",
    "base_model_hash", "seed", "sampler", "scheduler", "steps", "version", "metadata_scheme", "loras", "styles",
    "performance", "created_by",
}  # fmt: skip
_LOG_NAMES = {  # the private log of older versions names its fields in words
    "Prompt": "prompt", "Negative Prompt": "negative_prompt", "Styles": "styles", "Performance": "performance",
    "Resolution": "resolution", "Guidance Scale": "guidance_scale", "Base Model": "base_model", "Seed": "seed",
    "Sampler": "sampler", "Scheduler": "scheduler", "Steps": "steps", "Version": "version", "Sharpness": "sharpness",
    "ADM Guidance": "adm_guidance", "Refiner Model": "refiner_model", "Refiner Switch": "refiner_switch", "VAE": "vae",
}  # fmt: skip
_NONE: tuple[object, ...] = (None, "", "None", "[]", [], "Default (model)")


def read(carried: Carried, match: MatchModel | None) -> Reading | None:
    """The settings in `parameters` if Fooocus wrote them, by its scheme chunk or by what stands there; else None."""
    raw = carried.get(PARAMETERS)
    card = object_of(raw)
    if card is None:
        ours = carried.get(SCHEME) == "a1111" or re.search(r"\bVersion: Fooocus", raw[-5000:]) is not None
        return _read_lines(raw, carried, match) if raw.strip() and ours else None
    card = {_LOG_NAMES.get(key, key): value for key, value in card.items()}
    if carried.get(SCHEME) != "fooocus" and not ("base_model" in card and ("performance" in card or "styles" in card)):
        return None
    settings = Settings(SOURCE, raw, carried.pixels, match)
    _take(settings, card)
    return settings.reading()


def _read_lines(raw: str, carried: Carried, match: MatchModel | None) -> Reading:
    return a1111.read_text(raw, carried, match, source=SOURCE)


def _take(settings: Settings, card: Json) -> None:
    _take_prompts(settings, card)
    settings.seed(card.get("seed"))
    _take_steps(settings, card)
    settings.guidance(card.get("guidance_scale"))
    settings.sampler(card.get("sampler"), card.get("scheduler"))
    _take_size(settings, card.get("resolution"))
    settings.model(card.get("base_model"), card.get("base_model_hash", ""))
    _take_loras(settings, card)
    for key, value in card.items():
        if key not in _USED and not key.startswith("lora_combined") and not _empty(value):
            settings.note(key, value)


def _take_prompts(settings: Settings, card: Json) -> None:
    """The artist's own words; the styles that were put around them become a note."""
    full, full_negative = (_first_text(card.get(f"full_{name}")) for name in ("prompt", "negative_prompt"))
    prompt = text_of(card.get("prompt"))
    settings.prompt(a1111.strip_loras(settings, prompt or full))
    negative = text_of(card.get("negative_prompt")) or ("" if prompt else full_negative)
    if negative:
        settings.negative(negative)
    styles = strings_in(card.get("styles"))
    if styles:
        settings.note("Styles", ", ".join(styles))
        if full and full != prompt:
            settings.note("The prompt with its styles", full)


def _take_steps(settings: Settings, card: Json) -> None:
    performance = text_of(card.get("performance"))
    settings.steps(card.get("steps") or _STEPS.get(performance.lower(), ""))
    if performance:
        settings.note("Performance", performance)


def _take_size(settings: Settings, resolution: object) -> None:
    """ "(1152, 896)", "1152x896" or a list of two."""
    if isinstance(resolution, list) and len(resolution) == 2:
        settings.size(*resolution)
    elif pair := _PAIR.fullmatch(text_of(resolution)[:60]):
        settings.size(pair[1], pair[2])
    elif resolution:
        settings.note("Size", resolution)


def _take_loras(settings: Settings, card: Json) -> None:
    """`loras`: triples of name, weight and hash; `lora_combined_N`: "name : weight", or "True : name : weight"."""
    named: set[str] = set()
    triples = card.get("loras")
    for item in (triples if isinstance(triples, list) else [])[:50]:
        if isinstance(item, list) and len(item) >= 2 and text_of(item[0]) not in _NONE:
            named.add(item[0])
            settings.lora(item[0], item[1])
    for key, value in card.items():
        if not key.startswith("lora_combined"):
            continue
        pieces = [piece.strip() for piece in text_of(value).split(" : ")]
        on = pieces.pop(0) != "False" if pieces[0] in ("True", "False") else True
        if on and pieces and pieces[0] not in (*named, "", "None"):
            settings.lora(pieces[0], pieces[1] if len(pieces) > 1 else "")


def strings_in(value: object) -> list[str]:
    """The strings of a list, or of a Python list that was written as text, found without evaluating it."""
    if isinstance(value, list):
        return [text_of(item) for item in value[:100] if text_of(item)]
    return [single or double for single, double in _STRINGS.findall(text_of(value)[:20_000])][:100]


def _first_text(value: object) -> str:
    if isinstance(value, list):
        return "\n".join(text_of(item) for item in value[:50] if text_of(item))
    return text_of(value)


def _empty(value: object) -> bool:
    return any(value == nothing for nothing in _NONE)
