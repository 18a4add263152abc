"""NovelAI: `Description` is the prompt, `Comment` JSON with the rest, the same as one object where pixels hide it."""

from __future__ import annotations

import re

from studio.gallery.foreign.carrier import Carried
from studio.gallery.foreign.reading import MatchModel, Reading, Settings
from studio.gallery.foreign.values import Json, object_of, text_of

SOURCE = "NovelAI"
_MARKS = re.compile(r"\{[^{}\n]{1,500}\}|\[[^\[\]\n]{1,500}\]|-?[0-9.]{1,6}::[^:\n]{1,500}::")
_USED = {
    "prompt", "uc", "steps", "sampler", "scale", "seed", "width", "height", "noise_schedule", "v4_prompt",
    "v4_negative_prompt", "request_type", "signed_hash", "n_samples",
}  # fmt: skip
_DEFAULTS: Json = {"uncond_scale": 1, "cfg_rescale": 0, "legacy": False, "hide_debug_overlay": False}
_EMPTY: tuple[object, ...] = (None, "", [], {}, False)


def read(carried: Carried, match: MatchModel | None) -> Reading | None:
    """The settings of a NovelAI picture; None for a `Comment` of another program."""
    raw = carried.get("Comment")
    card = object_of(raw)
    named = carried.get("Software").strip() == SOURCE
    if not named and not (card is not None and "uc" in card and "sampler" in card):
        return None
    if card is None and not carried.get("Description"):
        return None
    whole = "\n".join(filter(None, (carried.get(key) for key in ("Description", "Source", "Comment"))))
    settings = Settings(SOURCE, whole, carried.pixels, match)
    if card is None:
        settings.note("The settings in Comment cannot be read", raw)
    _take(settings, card or {}, carried)
    return settings.reading()


def _take(settings: Settings, card: Json, carried: Carried) -> None:
    prompt = _caption(card.get("v4_prompt")) or text_of(card.get("prompt")) or carried.get("Description")
    negative = _caption(card.get("v4_negative_prompt")) or text_of(card.get("uc"))
    settings.prompt(prompt)
    if negative:
        settings.negative(negative)
    settings.without_weights()  # round brackets are signs there
    if mark := _MARKS.search(prompt[:20_000]):
        settings.note("Emphasis in the prompt is read as plain text here", mark[0])
    settings.seed(card.get("seed"))
    settings.steps(card.get("steps"))
    settings.guidance(card.get("scale"))
    settings.sampler(card.get("sampler"), card.get("noise_schedule"))
    if "width" in card or "height" in card:
        settings.size(card.get("width"), card.get("height"))
    settings.model(carried.get("Source"))
    _note_rest(settings, card)


def _note_rest(settings: Settings, card: Json) -> None:
    for part in ("v4_prompt", "v4_negative_prompt"):
        if people := _people(card.get(part)):
            settings.note("Characters with places of their own are joined to the prompt", len(people))
    if text_of(card.get("request_type")) not in ("", "PromptGenerateRequest"):
        settings.note("Mode", card["request_type"])
    for key, value in card.items():
        if (
            key not in _USED
            and not any(value is none or value == none for none in _EMPTY)
            and _DEFAULTS.get(key) != value
        ):
            settings.note(key, value)


def _caption(part: object) -> str:
    """The base caption of a v4 prompt and those of its characters, joined; "" where there is none."""
    caption = part.get("caption") if isinstance(part, dict) else None
    base = text_of(caption.get("base_caption")) if isinstance(caption, dict) else ""
    return ", ".join(filter(None, (base, *_people(part))))


def _people(part: object) -> list[str]:
    caption = part.get("caption") if isinstance(part, dict) else None
    people = caption.get("char_captions") if isinstance(caption, dict) else None
    found = (
        [person.get("char_caption") for person in people if isinstance(person, dict)]
        if isinstance(people, list)
        else []
    )
    return [text for person in found[:50] if (text := text_of(person))]
