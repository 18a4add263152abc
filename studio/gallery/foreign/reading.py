"""What was understood of a foreign picture, and the one place where foreign settings become a recipe. Knows no format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from studio.core.choices import Tiling
from studio.core.installed import Installed, match_installed
from studio.core.recipe import (
    CLIP_SKIP_MAX,
    GUIDANCE_MAX,
    PROMPT_MAX,
    SEED_MAX,
    SIDE_MAX,
    SIDE_MIN,
    SIDE_STEP,
    STEPS_MAX,
    ModelRef,
    Recipe,
    Size,
)
from studio.gallery.foreign.samplers import sampler_of
from studio.gallery.foreign.values import number_of, plain, shown_value, text_of, whole_of

RAW_MAX = 2_000_000  # characters of the original text that are kept beside the recipe
NOTES_MAX = 200
_ENDINGS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft")
_FIELDS = {  # of a recipe, and what it is called in a note
    "seed": "Seed",
    "steps": "Steps",
    "scheduler": "Sampler",
    "guidance_scale": "Guidance",
    "size": "Size",
    "model": "Model",
}
_FIELD_OF = {name: field for field, name in _FIELDS.items()} | {
    "Prompt": "prompt",
    "Negative prompt": "negative_prompt",
}
_HASH_MAX, _LORAS_MAX = 80, 50

MatchModel = Callable[[str, str], str | None]  # name and hash (each may be "") to the name of a model that is here


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a picture says of how it was made.

    `source` is the program, `recipe` None when nothing could be used, `raw` the text as it stood in the file,
    `not_understood` one line for each thing that the recipe does not hold or holds differently, `found` the names of
    the recipe's fields that the file gave; the others have the studio's defaults.

    `remarks` are those lines of `not_understood` that are about a field, with its name; `defaults` those that only say
    which default stands in for what is not there. `model_hash` is the model's as it stood there, `loras` the names and
    weights of LoRAs.
    """

    source: str
    recipe: Recipe | None
    raw: str = ""
    not_understood: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()
    defaults: tuple[str, ...] = ()
    model_hash: str = ""
    loras: tuple[tuple[str, str], ...] = ()

    @property
    def unknown(self) -> tuple[str, ...]:
        """The lines that are about nothing the studio has."""
        told = {line for _, line in self.remarks} | set(self.defaults)
        told |= {lora_line(name, weight) for name, weight in self.loras}
        return tuple(line for line in self.not_understood if line not in told)


class Settings:
    """Gathers what a reader finds; every value is checked, what does not fit a recipe becomes a note. One per picture.

    `pixels`: the picture's own (width, height), used where the text gives no size; (0, 0) when not known.
    """

    def __init__(
        self, source: str, raw: str, pixels: tuple[int, int] = (0, 0), match: MatchModel | None = None
    ) -> None:
        self.source, self.raw = source, plain(raw[:RAW_MAX])
        self._pixels, self._match = pixels, match
        self._fields: dict[str, Any] = {}  # Any: arguments of Recipe, checked where they are set
        self._notes: dict[str, None] = {}
        self._remarks: dict[str, str] = {}  # a line to the field it is about
        self._defaults: list[str] = []
        self._loras: list[tuple[str, str]] = []
        self._model_hash = ""

    def note(self, key: str, value: object = "") -> None:
        """One line of what is not in the recipe; the same line only once."""
        line = _line(key, value)
        if isinstance(key, str) and key in _FIELD_OF:
            self._remarks[line] = _FIELD_OF[key]
        if len(self._notes) < NOTES_MAX:
            self._notes[line] = None
        elif len(self._notes) == NOTES_MAX:
            self._notes["… and more"] = None

    def prompt(self, value: object) -> None:
        self._text("prompt", "Prompt", value)

    def negative(self, value: object) -> None:
        self._text("negative_prompt", "Negative prompt", value)

    def seed(self, value: object) -> None:
        """A seed above 2**32 - 1 (ComfyUI has 64 bits) cannot be kept: its low 32 bits are, and a note."""
        seed = whole_of(value)
        if seed is None:
            return self._unreadable("Seed", value)
        if not 0 <= seed <= SEED_MAX:
            self.note("Seed", f"{seed} does not fit into 32 bits; {seed % (SEED_MAX + 1)} is used")
        self._fields["seed"] = seed % (SEED_MAX + 1)
        return None

    def steps(self, value: object) -> None:
        steps = whole_of(value)
        if steps is None:
            return self._unreadable("Steps", value)
        self._fields["steps"] = self._within("Steps", steps, 1, STEPS_MAX)
        return None

    def guidance(self, value: object) -> None:
        scale = number_of(value)
        if scale is None:
            return self._unreadable("Guidance", value)
        self._fields["guidance_scale"] = self._within("Guidance", scale, 0.0, GUIDANCE_MAX)
        return None

    def sampler(self, name: object, schedule: object = "") -> None:
        """A sampler and a schedule by the names of any of the programs."""
        if not text_of(name):
            return self._unreadable("Sampler", name)
        found = sampler_of(text_of(name), text_of(schedule))
        whole = " ".join(filter(None, (text_of(name), text_of(schedule))))
        if found is None:
            self.note("Sampler", whole)
            return None
        if found.note:
            self.note("Sampler", f"{shown_value(whole)} is not here; {found.note} is used")
        self._fields.update(scheduler=found.scheduler, spacing=found.spacing)
        return None

    def size(self, width: object, height: object) -> None:
        """Sides in pixels; brought to multiples of 8 in 64 ... 2048 where they are not, with a note."""
        sides = whole_of(width), whole_of(height)
        if sides[0] is None or sides[1] is None or min(sides[0], sides[1]) < 1:
            return self._unreadable("Size", f"{shown_value(width, 40)}x{shown_value(height, 40)}")
        size = Size(width=_side(sides[0]), height=_side(sides[1]))
        if str(size) != f"{sides[0]}x{sides[1]}":
            self.note("Size", f"{sides[0]}x{sides[1]} cannot be made here; {size} is used")
        self._fields["size"] = size
        return None

    def clip_skip(self, value: object) -> None:
        """As A1111 counts it: 1 is the last layer, 2 the one before, which diffusers calls 1."""
        if value in ("", None):
            return None
        count = whole_of(value)
        if count is None:
            return self._unreadable("Clip skip", value)
        skip = self._within("Clip skip", max(count, 1), 1, CLIP_SKIP_MAX + 1) - 1
        if skip:
            self._fields["clip_skip"] = skip
        return None

    def tiling(self, across: bool, down: bool) -> None:
        """Seamless from left to right, from top to bottom, or both."""
        if across or down:
            self._fields["tiling"] = Tiling.BOTH if across and down else Tiling.X if across else Tiling.Y

    def without_weights(self) -> None:
        """Brackets in the prompts are signs, not weights."""
        self._fields["weights"] = False

    def model(self, name: object, digest: object = "") -> None:
        """A model by its file or name and its hash: one that is here, else the name is kept and noted as missing."""
        named, inside = _with_hash(text_of(name))
        title, mark = model_title(named), text_of(digest).strip() or inside
        self._model_hash = mark[:_HASH_MAX]
        here = self._match(title, mark) if self._match is not None else None
        if here is None and self._match is not None:
            missing = "missing: model " + " ".join(filter(None, (title, f"[{mark}]" if mark else "")))
            self.note(missing)
            self._remarks[_line(missing)] = "model"
        if here or title:
            self._fields["model"] = ModelRef(name=here or title)

    def lora(self, name: object, weights: object = "") -> None:
        """A LoRA by name: its file is not in the picture, so it can only be named."""
        title = model_title(text_of(name))
        self.note(f"missing: LoRA {title}", weights)
        if len(self._loras) < _LORAS_MAX:
            self._loras.append((title, shown_value(weights) if weights not in ("", None) else ""))

    def has(self, field: str) -> bool:
        return field in self._fields

    def reading(self) -> Reading:
        """The reading; its recipe is None when neither a prompt nor a seed nor a number of steps was found."""
        if "size" not in self._fields and min(self._pixels) > 0:
            self.size(*self._pixels)
        usable = any(field in self._fields for field in ("prompt", "seed", "steps"))
        recipe = Recipe(**{"prompt": "", "seed": 0, **self._fields}) if usable else None
        if recipe is not None:
            self._note_defaults(recipe)
        return Reading(
            source=self.source,
            recipe=recipe,
            raw=self.raw,
            not_understood=tuple(self._notes),
            found=tuple(field for field in self._fields if recipe is not None),
            remarks=tuple((field, line) for line, field in self._remarks.items() if line in self._notes),
            defaults=tuple(self._defaults),
            model_hash=self._model_hash,
            loras=tuple(dict.fromkeys(self._loras)),
        )

    def _note_defaults(self, recipe: Recipe) -> None:
        for field, name in _FIELDS.items():
            if field not in self._fields:
                value = recipe.model.name if field == "model" else getattr(recipe, field)
                line = _line(name, f"not in the picture; {value} is used")
                self.note(name, f"not in the picture; {value} is used")
                self._defaults.append(line)
                self._remarks.pop(line, None)

    def _text(self, field: str, name: str, value: object) -> None:
        if not isinstance(value, str):
            return self._unreadable(name, value)
        text = plain(value)
        if len(text) > PROMPT_MAX:
            self.note(name, f"{len(text):,} characters; the first {PROMPT_MAX:,} are used")
        self._fields[field] = text[:PROMPT_MAX]
        return None

    def _within(self, name: str, value: Any, low: float, high: float) -> Any:  # Any: int stays int, float stays float
        inside = min(max(value, type(value)(low)), type(value)(high))
        if inside != value:
            self.note(name, f"{value} cannot be used here; {inside} is used")
        return inside

    def _unreadable(self, name: str, value: object) -> None:
        if value not in ("", None):
            self.note(name, value)


def lora_line(name: str, weight: str) -> str:
    """The line of `not_understood` that names a LoRA."""
    return _line(f"missing: LoRA {name}", weight)


def match_models(installed: Iterable[Installed]) -> MatchModel:
    """A `MatchModel` over the models that are here: by hash, then by name."""
    here = tuple(installed)

    def match(name: str, mark: str) -> str | None:
        found = match_installed(name, (mark,), here)
        return None if found is None else found.found.name

    return match


def model_title(name: str) -> str:
    """The name of a model file without folder and ending, at most 200 characters: it never becomes a path."""
    last = re.split(r"[/\\]", name.strip().rstrip("/\\ ")[-1000:])[-1].strip()
    for ending in _ENDINGS:
        if last.lower().endswith(ending):
            last = last[: -len(ending)]
    return "".join(c for c in last if c.isprintable()).replace(":", "_").strip()[:200]


def _with_hash(name: str) -> tuple[str, str]:
    """A1111's checkpoint titles: “name.safetensors [6ce0161689]”."""
    found = re.fullmatch(r"(.{1,500}\S) {0,3}\[([0-9a-fA-F]{6,64})\]", name.strip()[:600])
    return (found[1], found[2]) if found else (name, "")


def _line(key: object, value: object = "") -> str:
    return shown_value(key, 80) + (f": {shown_value(value)}" if value not in ("", None) else "")


def _side(side: int) -> int:
    inside = min(max(side, SIDE_MIN), SIDE_MAX)
    return min(max(round(inside / SIDE_STEP) * SIDE_STEP, SIDE_MIN), SIDE_MAX)
