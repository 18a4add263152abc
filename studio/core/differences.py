"""What two recipes differ in, in words: for the details of a picture, for comparing, for the edges of a family tree.

A pure function of two values. A field that a later Recipe gains shows up here by itself, under its own name, until it
is given a better one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from studio.core.choices import MODE_NAMES, ControlMode
from studio.core.recipe import ControlUse, FileRef, FreeU, ImageRef, ModelRef, PluginRef, PluginUse, Recipe, Size
from studio.core.schedulers import scheduler_name

U = TypeVar("U", ControlUse, PluginUse)
NONE = "–"  # stands where one of the two has nothing
_SHORT_DIGEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One setting that differs. `field` names it for programs: "seed", "controls[0].weight", "plugins[1].weight".

    The number in it counts the layers of the first recipe, and those only in the second after them. `title` names the
    setting for people; `before` and `after` are its values in words, "–" where there is none.
    """

    field: str
    title: str
    before: str
    after: str


def differences(a: Recipe, b: Recipe) -> tuple[Difference, ...]:
    """What changes on the way from recipe `a` to recipe `b`, in the order of the Recipe's fields; empty if nothing does.

    Layers are matched by what they are (kind and picture, plugin part and file), then by kind alone, so that a
    changed weight reads as a changed weight and not as one layer gone and another come.
    """
    found: list[Difference] = []
    for field in fields(Recipe):
        before, after = getattr(a, field.name), getattr(b, field.name)
        if field.name == "controls":
            found += _controls(before, after)
        elif field.name == "plugins":
            found += _plugins(before, after)
        elif field.name == "strength":  # says something only where a picture is begun with
            before, after = (recipe.strength if recipe.init is not None else None for recipe in (a, b))
            found += _one("strength", "Strength", before, after)
        elif field.name == "scheduler":  # and its spacing: artists know the two by one name
            before, after = (scheduler_name(recipe.scheduler, recipe.spacing) for recipe in (a, b))
            found += _one("scheduler", "Scheduler", before, after)
        elif field.name != "spacing":
            found += _one(field.name, _title(field.name), before, after)
    return tuple(found)


_TITLES = {
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
    "raw_prompt": "Typed prompt",
    "seed": "Seed",
    "steps": "Steps",
    "guidance_scale": "Guidance",
    "size": "Size",
    "model": "Model",
    "exact": "Exact",
    "low": "Lower edge threshold",
    "high": "Upper edge threshold",
    "invert": "Inverted",
    "resize": "Resize",
    "image": "Picture",
    "init": "Begins with",
    "vae": "VAE",
    "clip_skip": "CLIP skip",
    "refine_at": "Refiner takes over at",
    "weights": "Prompt weights",
    "net": "ControlNet",
    "detector": "Detector",
    "freeu": "FreeU",
    "tiling": "Seamless tiling",
}
_SHARES = ("start", "end")  # fractions of the steps
_NAMES_A_LAYER = ("kind", "type", "part")  # matched layers have them in common


def _title(name: str) -> str:
    return _TITLES.get(name, name.replace("_", " ").capitalize())


def _words(value: object, name: str = "") -> str:
    """A value as a person reads it."""
    if value is None or value == "" or value == ():
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0%}" if name in _SHARES else f"{value:g}"
    if isinstance(value, Size):
        return f"{value.width} × {value.height}"
    if isinstance(value, ImageRef):
        return f"picture {value.digest[:_SHORT_DIGEST]}"
    if isinstance(value, FileRef | ModelRef):
        return value.name
    if isinstance(value, PluginRef):
        return f"{value.id} {value.version}".strip()
    if isinstance(value, ControlMode):
        return MODE_NAMES[value]
    if isinstance(value, FreeU):
        return freeu_words(value)
    return " ".join(str(value).split()) or NONE


def freeu_words(freeu: FreeU) -> str:
    """FreeU's factors in one line."""
    return f"s {freeu.s1:g}, {freeu.s2:g}; b {freeu.b1:g}, {freeu.b2:g}"


def _one(field: str, title: str, before: object, after: object, name: str = "") -> list[Difference]:
    if before == after or _same_as_known(before, after):
        return []
    was, now = _words(before, name), _words(after, name)
    if was == now:  # differ in what the words leave out: the bytes of a file or of a plugin, white space in a text
        was, now = f"{was} ({_within(before)})", f"{now} ({_within(after)})"
        if was == now:
            was, now = repr(before), repr(after)
    return [Difference(field=field, title=title, before=was, after=now)]


def _same_as_known(before: object, after: object) -> bool:
    """Whether two models are called the same and the bytes of one are not known: pictures from before digests stood in
    recipes do not differ for that."""
    if not isinstance(before, ModelRef) or not isinstance(after, ModelRef):
        return False
    return before.name == after.name and not (before.sha256 and after.sha256)


def _within(value: object) -> str:
    digest = getattr(value, "sha256", "") or getattr(value, "digest", "")
    return digest[:_SHORT_DIGEST] or "no digest"


def _controls(before: tuple[ControlUse, ...], after: tuple[ControlUse, ...]) -> list[Difference]:
    found: list[Difference] = []
    pairs = _matched(before, after, lambda use: (use.kind, use.image), lambda use: use.kind)
    names = _numbered([f"Control {(was or now).kind}" for was, now in pairs])  # type: ignore[union-attr]  # one is there
    for number, (was, now) in enumerate(pairs):
        field, name = f"controls[{number}]", names[number]
        if was is None or now is None:
            found.append(_came_or_went(field, name, _control_words(was), _control_words(now)))
            continue
        found += _files(field, name, was.found, now.found)
        for part in fields(ControlUse):
            if part.name not in (*_NAMES_A_LAYER, "found"):
                title = f"{name}: {_title(part.name).lower()}"
                found += _one(
                    f"{field}.{part.name}", title, getattr(was, part.name), getattr(now, part.name), part.name
                )
    return found + _moved("controls", "Order of the control layers", pairs, after, lambda use: str(use.kind))


def _plugins(before: tuple[PluginUse, ...], after: tuple[PluginUse, ...]) -> list[Difference]:
    found: list[Difference] = []
    pairs = _matched(before, after, lambda use: (_part(use), use.files), _part)
    names = _numbered([_plugin_name(was or now) for was, now in pairs])  # type: ignore[arg-type]  # one is there
    for number, (was, now) in enumerate(pairs):
        field, name = f"plugins[{number}]", names[number]
        if was is None or now is None:
            found.append(_came_or_went(field, name, _plugin_words(was), _plugin_words(now)))
            continue
        found += _one(f"{field}.plugin", f"{name}: version", was.plugin, now.plugin)
        found += _files(field, name, was.found, now.found)
        asked_before, asked_after = _asked(was), _asked(now)
        for key in sorted(asked_before.keys() | asked_after.keys()):
            title = f"{name}: {_title(key).lower()}"
            found += _one(f"{field}.{key}", title, asked_before.get(key), asked_after.get(key))
    return found + _moved("plugins", "Order of the plugin layers", pairs, after, _plugin_name)


def _files(field: str, name: str, before: tuple[FileRef, ...], after: tuple[FileRef, ...]) -> list[Difference]:
    """Of the files that a plugin found; what was not made yet has none, which says nothing."""
    if not before or not after or set(before) == set(after):
        return []
    was, now = (", ".join(f"{file.name} ({_within(file)})" for file in files) for files in (before, after))
    return [Difference(field=f"{field}.found", title=f"{name}: weight files", before=was, after=now)]


def _came_or_went(field: str, name: str, before: str, after: str) -> Difference:
    return Difference(field=field, title=name, before=before, after=after)


def _control_words(use: ControlUse | None) -> str:
    if use is None:
        return NONE
    said = [_words(use.image), f"weight {use.weight:g}", f"{use.start:.0%} to {use.end:.0%}"]
    said += ["inverted"] if use.invert else []
    return ", ".join([*said, *([MODE_NAMES[use.mode]] if use.mode is not ControlMode.BALANCED else [])])


def _plugin_words(use: PluginUse | None) -> str:
    if use is None:
        return NONE
    return ", ".join(f"{key} {_words(value)}" for key, value in _asked(use).items()) or "on"


def _asked(use: PluginUse) -> dict[str, Any]:
    """All that was asked of a part, by parameter name; files first, they say most."""
    return dict((*use.files, *use.images, *use.values))


def _part(use: PluginUse) -> Hashable:
    return use.plugin.id, use.type, use.part


def _plugin_name(use: PluginUse) -> str:
    what = use.plugin.id if use.part == use.plugin.id else f"{use.plugin.id} {use.part}"
    name = what.replace("_", " ")
    shown = "LoRA" if name == "lora" else name.capitalize()
    return f"{shown} {use.files[0][1].name}" if len(use.files) == 1 else shown


def _matched(
    before: tuple[U, ...], after: tuple[U, ...], exact: Callable[[U], Hashable], loose: Callable[[U], Hashable]
) -> list[tuple[U | None, U | None]]:
    """Pairs of the same layer before and after; those only there before, and at the end those only there after."""
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for key in (exact, loose):
        for i, was in enumerate(before):
            free = (j for j, now in enumerate(after) if j not in taken and i not in partner and key(now) == key(was))
            if (j := next(free, None)) is not None:
                partner[i] = j
                taken.add(j)
    pairs: list[tuple[U | None, U | None]] = [
        (was, after[partner[i]] if i in partner else None) for i, was in enumerate(before)
    ]
    return pairs + [(None, now) for j, now in enumerate(after) if j not in taken]


def _moved(
    field: str,
    title: str,
    pairs: Iterable[tuple[U | None, U | None]],
    after: tuple[U, ...],
    name: Callable[[U], str],
) -> list[Difference]:
    """Layers work in their order: one more difference if those in both recipes stand in another one."""
    both = [now for was, now in pairs if was is not None and now is not None]
    places = [next(j for j, other in enumerate(after) if other is now) for now in both]
    if places == sorted(places):
        return []
    sorted_now = [now for _, now in sorted(zip(places, both, strict=True), key=lambda pair: pair[0])]
    before_words, after_words = (", ".join(name(use) for use in order) for order in (both, sorted_now))
    return [Difference(field=field, title=title, before=before_words, after=after_words)]


def _numbered(names: list[str]) -> list[str]:
    """The names, with a number behind those that are there more than once."""
    seen: dict[str, int] = {}
    made = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made.append(f"{name} {seen[name]}" if names.count(name) > 1 else name)
    return made
