"""InvokeAI's three generations: `invokeai_metadata` (3 and later), `sd-metadata` (2), `Dream` (1, a command line)."""

from __future__ import annotations

import re

from studio.gallery.foreign.carrier import Carried
from studio.gallery.foreign.invokelayers import KEYS as LAYER_KEYS
from studio.gallery.foreign.invokelayers import layer_notes
from studio.gallery.foreign.reading import MatchModel, Reading, Settings
from studio.gallery.foreign.values import Json, object_of, shown_value, text_of

SOURCE = "InvokeAI"
_USED = {
    "positive_prompt", "negative_prompt", "width", "height", "seed", "cfg_scale", "steps", "scheduler", "model",
    "app_version", "loras", "controlnets", "ipAdapters", "t2iAdapters", "generation_mode", "seamless_x", "seamless_y",
}  # fmt: skip
_DEFAULTS: Json = {
    "rand_device": "cpu",
    "clip_skip": 0,
    "cfg_rescale_multiplier": 0,
}
_GUESTS = {"controlnets": "ControlNet", "ipAdapters": "IP-Adapter", "t2iAdapters": "T2I-Adapter"}
_OLD_USED = {"prompt", "steps", "cfg_scale", "height", "width", "seed", "sampler", "type"}
_OPTIONS = {"s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfg_scale", "A": "sampler"}
_LONG = {"steps": "steps", "seed": "seed", "width": "width", "height": "height", "cfg_scale": "cfg_scale",
         "cfg-scale": "cfg_scale", "sampler": "sampler"}  # fmt: skip
_BRACKETS = re.compile(r"(?<!\\)\[([^\[\]]{0,20000})(?<!\\)\]")
_PROMPT_END = re.compile(r'"(?=\s+-|\s*$)')
_OPTION_START = re.compile(r"\s-{1,2}[A-Za-z]")
_OPTION = re.compile(
    r"(?<!\S)(?:--([A-Za-z_\-]{2,40})|-([A-Za-z]))(?:[ =]{0,3}([^\s\-][^\s]{0,200}|-[0-9.][^\s]{0,50}))?"
)


def read(carried: Carried, match: MatchModel | None) -> Reading | None:
    """The settings in the newest of the three that can be read; None when none is there."""
    for key, take in (("invokeai_metadata", _take_new), ("sd-metadata", _take_old)):
        raw = carried.get(key)
        card = object_of(raw) if raw else None
        if card is not None:
            settings = Settings(SOURCE, raw, carried.pixels, match)
            take(settings, card)
            return settings.reading()
    if carried.get("Dream").strip():
        settings = Settings(SOURCE, carried.get("Dream"), carried.pixels, match)
        _take_dream(settings, carried.get("Dream"))
        return settings.reading()
    raw = carried.get("invokeai_graph") or carried.get("invokeai_workflow")
    if not raw:
        return None
    settings = Settings(SOURCE, raw, carried.pixels, match)
    settings.note("Only a node graph of InvokeAI is in the file; it is not read")
    return Reading(source=SOURCE, recipe=None, raw=settings.raw, not_understood=settings.reading().not_understood)


def _take_new(settings: Settings, card: Json) -> None:
    settings.prompt(card.get("positive_prompt"))
    if card.get("negative_prompt"):
        settings.negative(card["negative_prompt"])
    settings.seed(card.get("seed"))
    settings.steps(card.get("steps"))
    settings.guidance(card.get("cfg_scale"))
    settings.sampler(*_scheduler(text_of(card.get("scheduler"))))
    settings.tiling(card.get("seamless_x") is True, card.get("seamless_y") is True)
    if "width" in card or "height" in card:
        settings.size(card.get("width"), card.get("height"))
    _take_model(settings, card.get("model"))
    _take_guests(settings, card)
    if "txt2img" not in (mode := text_of(card.get("generation_mode"))) and mode:
        settings.note("Mode", mode)
    for key, value in card.items():
        if (
            key not in _USED
            and key not in LAYER_KEYS
            and value not in (None, "", [], {})
            and _DEFAULTS.get(key, ...) != value
        ):
            settings.note(key, value)


def _take_model(settings: Settings, model: object) -> None:
    """`hash` is "blake3:..." since 4.0, which no other program uses; the name is what can be matched."""
    if isinstance(model, dict):
        name = model.get("name") or model.get("model_name")
        settings.model(name, model.get("hash", ""))
    elif isinstance(model, str):
        settings.model(model)


def _take_guests(settings: Settings, card: Json) -> None:
    for item in _items(card.get("loras")):
        model = item.get("model", item.get("lora"))
        fields = model if isinstance(model, dict) else {}
        settings.lora(fields.get("name") or fields.get("model_name") or text_of(model), item.get("weight", ""))
    for key, title in _GUESTS.items():
        for item in _items(card.get(key)):
            settings.note(f"{title} (its picture is not in the file)", _guest(item))
    for title, words in layer_notes(card):
        settings.note(title, words)


def _guest(item: Json) -> str:
    """What is asked of a network, models by their names: with hash and key little else would fit into a note."""
    said = {key: value for key, value in item.items() if "image" not in key or "model" in key}
    for key, value in said.items():
        if isinstance(value, dict) and (name := value.get("name") or value.get("model_name")):
            said[key] = name
    return ", ".join(f"{key}: {shown_value(value, 60)}" for key, value in said.items() if value is not None)


def _items(value: object) -> list[Json]:
    return [item for item in (value if isinstance(value, list) else [])[:100] if isinstance(item, dict)]


def _scheduler(name: str) -> tuple[str, str]:
    """The last letters "_k" mean Karras' schedule; "k_" at the front, in old names, only the library."""
    return (name.removesuffix("_k"), "karras") if name.endswith("_k") else (name, "")


def _take_old(settings: Settings, card: Json) -> None:
    image = card.get("image")
    fields: Json = image if isinstance(image, dict) else {}
    _take_bracketed(settings, _joined(settings, fields.get("prompt")))
    _take_common(settings, fields)
    settings.model(card.get("model_weights", ""), card.get("model_hash", ""))
    if fields.get("type") not in (None, "txt2img"):
        settings.note("Mode", fields["type"])
    for key, value in fields.items():
        if key not in _OLD_USED and value not in (None, "", [], {}, 0, False):
            settings.note(key, value)


def _joined(settings: Settings, prompt: object) -> str:
    """A prompt as text, or as a list of {prompt, weight}."""
    if isinstance(prompt, str):
        return prompt
    pieces = _items(prompt)
    if any(piece.get("weight", 1) != 1 for piece in pieces):
        settings.note("Weights of the prompt's parts", [piece.get("weight", 1) for piece in pieces])
    return " ".join(text_of(piece.get("prompt")) for piece in pieces)


def _take_bracketed(settings: Settings, prompt: str) -> None:
    """The negative prompt stands in [ ] within the prompt."""
    negative = " ".join(found.strip() for found in _BRACKETS.findall(prompt))
    settings.prompt(" ".join(_BRACKETS.sub(" ", prompt).split()).replace(" ,", ","))
    if negative:
        settings.negative(negative)


def _take_common(settings: Settings, fields: Json) -> None:
    settings.seed(fields.get("seed"))
    settings.steps(fields.get("steps"))
    settings.guidance(fields.get("cfg_scale"))
    settings.sampler(text_of(fields.get("sampler")))
    if "width" in fields or "height" in fields:
        settings.size(fields.get("width"), fields.get("height"))


def _take_dream(settings: Settings, line: str) -> None:
    line = line.strip()[:100_000]
    quoted = line.startswith('"')
    end = _PROMPT_END.search(line, 1) if quoted else _OPTION_START.search(line)
    cut = len(line) if end is None else end.start()
    prompt, options = line[int(quoted) : cut], line[cut:].removeprefix('"')
    fields: Json = {}
    for long, short, value in _OPTION.findall(options):
        key = _LONG.get(long) or _OPTIONS.get(short)
        if key:
            fields[key] = value
        else:
            settings.note(f"--{long}" if long else f"-{short}", value)
    _take_bracketed(settings, prompt.replace('\\"', '"'))
    _take_common(settings, fields)
