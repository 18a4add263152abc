"""Settings of A1111 and its family (Forge, SD.Next, Civitai, Krita, our own copy for others) out of an infotext."""

from __future__ import annotations

import re

from studio.core.lora_marks import MARK
from studio.gallery.foreign.carrier import PARAMETERS, Carried
from studio.gallery.foreign.infotext import Infotext, split_infotext
from studio.gallery.foreign.reading import MatchModel, Reading, Settings

SOURCE = "A1111"
_SCHEDULE = re.compile(
    r"\bBREAK\b|\[[^\[\]\n]{1,300}:[^\[\]\n]{0,300}:[0-9.]{1,6}\]|\[[^\[\]\n]{1,300}\|[^\[\]\n]{1,300}\]"
)
_SIZE = re.compile(r"\s*([0-9]{1,6})\s*[xX×]\s*([0-9]{1,6})\s*")
_USED = (
    "Steps", "Sampler", "Schedule type", "Scheduler", "CFG scale", "Seed", "Size", "Model", "Model hash", "Version",
    "App", "Raw prompt", "Raw negative prompt", "Clip skip", "Tiling",
)  # fmt: skip
_DEFAULTS = {"VAE": "Automatic", "RNG": "GPU"}  # what A1111 takes where nothing is said
_USUAL_UNIT = {  # what a unit of the ControlNet extension says and is so anyway, in lower case
    "low vram: false", "pixel perfect: false", "control mode: balanced", "hr option: both", "save detected map: true",
    "guidance start: 0", "guidance start: 0.0", "guidance end: 1", "guidance end: 1.0",
    "processor res: -1", "threshold a: -1", "threshold a: -1.0", "threshold b: -1", "threshold b: -1.0",
}  # fmt: skip


def read(carried: Carried, match: MatchModel | None) -> Reading | None:
    """The settings in `parameters`; None when there is no text, JSON of another program, or a camera's comment."""
    text = carried.get(PARAMETERS)
    if not text.strip() or text.lstrip().startswith("{") or not (carried.labelled or has_settings(carried)):
        return None
    return read_text(text, carried, match)


def has_settings(carried: Carried) -> bool:
    """Whether `parameters` holds a line of settings, not only words."""
    return bool(split_infotext(carried.get(PARAMETERS)).pairs)


def read_text(text: str, carried: Carried, match: MatchModel | None, source: str = "") -> Reading:
    """The settings in an infotext. `source` overrides what the text says of its program."""
    parts = split_infotext(text)
    fields: dict[str, str] = {}
    for key, value in parts.pairs:
        fields.setdefault(key, value)
    settings = Settings(source or _source(fields), text, carried.pixels, match)
    _take_prompts(settings, parts, fields)
    _take_fields(settings, fields)
    _take_unknown(settings, parts, fields)
    return settings.reading()


def strip_loras(settings: Settings, prompt: str) -> str:
    """A prompt without its `<lora:name:weight>` marks, each of which becomes a note: as text they mean nothing."""

    def named(mark: re.Match[str]) -> str:
        settings.lora(mark[2] if mark[1] == "lora" else f"{mark[2]} ({mark[1]})", mark[3].strip(":"))
        return ""

    bare, count = MARK.subn(named, prompt) if "<" in prompt else (prompt, 0)
    return bare.strip(" ,\n") if count else prompt


def note_schedules(settings: Settings, *prompts: str) -> None:
    """Say once that marks like [cat:dog:0.5] and BREAK are plain text for the studio; weights like (word:1.2) are not."""
    for prompt in prompts:
        if found := _SCHEDULE.search(prompt[:20_000]):
            settings.note("Schedules and BREAK in the prompt are read as plain text here", found[0])
            return


def _take_prompts(settings: Settings, parts: Infotext, fields: dict[str, str]) -> None:
    prompt = strip_loras(settings, fields.get("Raw prompt", parts.prompt))
    negative = strip_loras(settings, fields.get("Raw negative prompt", parts.negative))
    note_schedules(settings, prompt, negative)
    settings.prompt(prompt)
    if negative:
        settings.negative(negative)
    if parts.negatives > 1:
        settings.note("“Negative prompt:” stands in several lines; the first is taken as its beginning")
    if not parts.pairs:
        settings.note("No line of settings was found; all of the text is taken as the prompt")


def _take_fields(settings: Settings, fields: dict[str, str]) -> None:
    settings.seed(fields.get("Seed", ""))
    settings.steps(fields.get("Steps", ""))
    settings.guidance(fields.get("CFG scale", ""))
    settings.sampler(fields.get("Sampler", ""), fields.get("Schedule type") or fields.get("Scheduler", ""))
    settings.clip_skip(fields.get("Clip skip", ""))
    tiled = fields.get("Tiling", "") == "True"
    settings.tiling(tiled, tiled)
    if size := _SIZE.fullmatch(fields.get("Size", "")[:40]):
        settings.size(size[1], size[2])
    elif fields.get("Size"):
        settings.note("Size", fields["Size"])
    if "Model" in fields or "Model hash" in fields:
        settings.model(fields.get("Model", ""), fields.get("Model hash", ""))


def _take_unknown(settings: Settings, parts: Infotext, fields: dict[str, str]) -> None:
    first: dict[str, str] = {}
    for key, value in parts.pairs:
        again = key in first and first[key] != value
        if (key not in _USED or again) and _DEFAULTS.get(key) != value:
            if key.startswith("ControlNet"):
                settings.note(f"{key} (its picture is not in the file)", _unit(value))
            else:
                settings.note(key, value)
        first.setdefault(key, value)
    if parts.rest:
        settings.note("Behind the settings", parts.rest)


def _unit(value: str) -> str:
    """What is special about a unit: its mode stands last, and a note is cut."""
    return ", ".join(part for part in value[:2000].split(", ") if part.strip().lower() not in _USUAL_UNIT)


def _source(fields: dict[str, str]) -> str:
    """The program, by what each of the family writes into its Version."""
    version = fields.get("Version", "")
    if version.startswith("Diffusion Studio"):
        return "Diffusion Studio"
    if version.startswith("Fooocus"):
        return "Fooocus"
    if "SD.Next" in fields.get("App", "") or "Backend" in fields or re.fullmatch(r"[0-9a-f]{7,10}", version):
        return "SD.Next"
    if re.match(r"f[0-9]+\.|neo|forge", version, re.IGNORECASE):
        return "Forge"
    return SOURCE
