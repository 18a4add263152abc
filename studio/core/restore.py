"""What a picture says of how it was made against what the panels say and what is here: found, applies, cannot (why).

Pure: `plan` changes nothing, `apply` gives the new draft. The window shows the plan before anything happens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields, replace
from enum import StrEnum

from studio.core.choices import MODE_NAMES, ControlMode
from studio.core.differences import freeu_words
from studio.core.draft import ControlLayer, Draft, PluginLayer, draft_of
from studio.core.found import Found, Here, NamedLora
from studio.core.installed import How, bases, match_installed
from studio.core.plugins import PluginState
from studio.core.recipe import (
    CONTROLS_MAX,
    PLUGINS_MAX,
    ControlUse,
    FreeU,
    ImageRef,
    ModelRef,
    PluginRef,
    PluginUse,
    Recipe,
)
from studio.core.schedulers import scheduler_name

NONE = "–"
_SHORT = 10  # hex digits of a digest that are shown


class Group(StrEnum):
    """Where a field stands in the list."""

    PROMPT = "prompt"
    SAMPLING = "sampling"
    SIZE = "size"
    MODEL = "model"
    CONTROLS = "controls"
    PLUGINS = "plugins"
    OTHER = "other"  # what the picture says besides, and the studio has no place for


class Outcome(StrEnum):
    """What would become of a field."""

    SAME = "same"  # the panels say so already
    APPLIES = "applies"
    CHANGED = "changed"  # applies, but not quite as it was: `FieldPlan.why`
    CANNOT = "cannot"  # `FieldPlan.why`


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlan:
    """One field: what the picture says, what the panels say, what would happen. `why` is a sentence or ""."""

    key: str
    group: Group
    title: str
    found: str
    now: str
    outcome: Outcome
    why: str = ""

    @property
    def can_apply(self) -> bool:
        return self.outcome in (Outcome.APPLIES, Outcome.CHANGED)


_PLAIN = {  # fields of a recipe that are one value: title and group
    "negative_prompt": ("Negative prompt", Group.PROMPT),
    "seed": ("Seed", Group.SAMPLING),
    "steps": ("Steps", Group.SAMPLING),
    "scheduler": ("Scheduler", Group.SAMPLING),
    "guidance_scale": ("Guidance", Group.SAMPLING),
    "exact": ("Exact", Group.SAMPLING),
    "size": ("Size", Group.SIZE),
}
_ELSEWHERE = ("prompt", "raw_prompt", "weights", "spacing", "model", "controls", "plugins")
_RARE_GROUPS = {"refiner": Group.MODEL, "vae": Group.MODEL, "init": Group.CONTROLS, "strength": Group.CONTROLS}
_RARE_TITLES = {
    "init": "Begin with a picture",
    "vae": "VAE",
    "clip_skip": "CLIP skip",
    "freeu": "FreeU",
    "tiling": "Seamless tiling",
}


def plan(found: Found, draft: Draft, here: Here) -> tuple[FieldPlan, ...]:
    """Field by field, what restoring would do to the draft, in the order of the groups."""
    rows = [] if found.recipe is None else list(_rows(found, found.recipe, draft, here))
    told = {row.key for row in rows}
    for field, sentence in found.remarks:
        if field not in told:
            title, group = _PLAIN.get(field, (field.replace("_", " ").capitalize(), Group.OTHER))
            group = {"prompt": Group.PROMPT, "model": Group.MODEL}.get(field, group)
            why = "It could not be read." if field != "scheduler" else "There is no such sampler here."
            now = _value(draft, field) if hasattr(draft, field) else NONE
            rows.append(_row(field, group, title, _said(sentence), now, Outcome.CANNOT, why))
    for number, line in enumerate(found.unknown):
        name, colon, value = line.partition(": ")
        title, said = (name, value) if colon and len(name) <= 40 else ("Also says", line)
        why = "The studio has no such setting."
        rows.append(_row(f"other[{number}]", Group.OTHER, title, said, "", Outcome.CANNOT, why))
    order = list(Group)
    return tuple(sorted(rows, key=lambda row: order.index(row.group)))


def asks(plans: Collection[FieldPlan]) -> bool:
    """Whether the list should be shown first: something cannot be applied."""
    return any(row.outcome is Outcome.CANNOT for row in plans)


def apply(found: Found, draft: Draft, here: Here, keys: Collection[str]) -> Draft:
    """The draft with the fields of these keys taken over; keys of fields that cannot be applied count for nothing."""
    recipe = found.recipe
    if recipe is None:
        return draft
    rows = plan(found, draft, here)
    wanted = {row.key for row in rows if row.key in keys and row.can_apply}
    kept = {row.key for row in rows if row.outcome is Outcome.SAME}
    whole = draft_of(recipe)
    changed = draft
    for key in wanted & {field.name for field in fields(Recipe)} - {"controls", "plugins", "model"}:
        changed = replace(changed, **{key: getattr(whole, key)})
    if "prompt" in wanted:
        changed = replace(changed, raw_prompt=whole.raw_prompt, weights=whole.weights)
    if "scheduler" in wanted:
        changed = replace(changed, spacing=whole.spacing)
    if "seed" in wanted:
        changed = replace(changed, count=1)  # the one picture of this seed
    if "model" in wanted:
        changed = replace(changed, model=_model_here(found, recipe.model, here))
    taken = [use for i, use in enumerate(recipe.controls) if f"controls[{i}]" in wanted | kept]
    if "controls" in wanted or any(key.startswith("controls[") for key in wanted):
        changed = replace(changed, controls=tuple(ControlLayer(use=use) for use in taken))
    guests = [use for i, use in enumerate(recipe.plugins) if f"plugins[{i}]" in wanted | kept]
    if "plugins" in wanted or any(key.startswith("plugins[") for key in wanted):
        changed = replace(changed, plugins=tuple(PluginLayer(use=use) for use in guests))
    loras = (use for i, use in enumerate(here.lora_uses) if use is not None and f"loras[{i}]" in wanted)
    return replace(changed, plugins=(*changed.plugins, *(PluginLayer(use=use) for use in loras)))


def _row(key: str, group: Group, title: str, found: str, now: str, outcome: Outcome, why: str = "") -> FieldPlan:
    return FieldPlan(key=key, group=group, title=title, found=found, now=now, outcome=outcome, why=why)


def _rows(found: Found, recipe: Recipe, draft: Draft, here: Here) -> Iterator[FieldPlan]:
    remarks = {field: _said(line) for field, line in found.remarks}
    whole = draft_of(recipe)
    if "prompt" in found.given:
        yield _plain("prompt", "Prompt", Group.PROMPT, whole, draft, remarks)
    for field, (title, group) in _PLAIN.items():
        if field in found.given:
            row = _plain(field, title, group, whole, draft, remarks)
            yield _guest_scheduler(row, recipe, here) if field == "scheduler" else row
    if "model" in found.given:
        yield _model_row(found, recipe.model, draft, here)
    yield from _rare(found, recipe, draft, here)
    yield from _control_rows(found, recipe, draft, here)
    yield from _plugin_rows(found, recipe, draft, here)
    for number, lora in enumerate(found.loras):
        use = here.lora_uses[number] if number < len(here.lora_uses) else None
        yield _lora_row(number, lora, use, draft)


def _said(line: str) -> str:
    """A remark without the name of its field in front."""
    name, colon, rest = line.partition(": ")
    return rest if colon and len(name) <= 40 else line


def _plain(field: str, title: str, group: Group, whole: Draft, draft: Draft, remarks: dict[str, str]) -> FieldPlan:
    same = getattr(whole, field) == getattr(draft, field)
    if field == "scheduler":
        same = same and whole.spacing == draft.spacing
    if field == "prompt":
        same = same and (whole.raw_prompt, whole.weights) == (draft.raw_prompt, draft.weights)
    why = remarks.get(field, "")
    why = f"{why[:1].upper()}{why[1:]}." if why and why[-1] not in ".…" else why
    outcome = Outcome.SAME if same else Outcome.CHANGED if why else Outcome.APPLIES
    return _row(field, group, title, _value(whole, field), _value(draft, field), outcome, why)


def _value(draft: Draft, field: str) -> str:
    """One field of a draft as a person reads it."""
    value = getattr(draft, field)
    if field == "scheduler":
        return scheduler_name(draft.scheduler, draft.spacing) if ":" not in draft.scheduler else draft.scheduler
    if field == "seed" and value is None:
        return "open"
    if field == "size":
        return f"{draft.size.width} × {draft.size.height}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, ModelRef):
        return value.name
    if isinstance(value, FreeU):
        return freeu_words(value)
    if isinstance(value, ImageRef):
        return f"picture {value.digest[:_SHORT]}"
    return NONE if value in ("", None) else str(value)


def _guest_scheduler(row: FieldPlan, recipe: Recipe, here: Here) -> FieldPlan:
    plugin, colon, _ = recipe.scheduler.partition(":")
    if not colon:
        return row
    outcome, why = _plugin_outcome(PluginRef(id=plugin), here)
    return row if outcome is Outcome.APPLIES else replace(row, outcome=outcome, why=why)


def _hashes(found: Found, ref: ModelRef) -> tuple[str, ...]:
    made = found.made_with.model_digest if found.made_with is not None else ""
    return tuple(filter(None, (ref.sha256, made, *found.hashes)))


def _model_here(found: Found, ref: ModelRef, here: Here) -> ModelRef:
    match = match_installed(ref.name, _hashes(found, ref), bases(here.models))
    return ref if match is None else replace(ref, name=match.found.name)


def _model_row(found: Found, ref: ModelRef, draft: Draft, here: Here) -> FieldPlan:
    hashes = _hashes(found, ref)
    match = match_installed(ref.name, hashes, bases(here.models))
    mark = f" [{hashes[-1][:_SHORT]}]" if hashes and not found.is_ours else ""
    said = f"{ref.name}{mark}"
    if match is None:
        return _row("model", Group.MODEL, "Model", said, draft.model.name, Outcome.CANNOT, f"missing: {said}")
    why = ""
    if match.how is How.NAME_ONLY:
        why = "The model of this name that is here has other weights, so the picture will be another one."
    elif match.found.name != ref.name:
        why = f"Here it is called “{match.found.name}”."
    same = draft.model.name == match.found.name
    changed = match.how is How.NAME_ONLY
    outcome = Outcome.SAME if same and not changed else Outcome.CHANGED if changed else Outcome.APPLIES
    return _row("model", Group.MODEL, "Model", said, draft.model.name, outcome, why)


def _rare(found: Found, recipe: Recipe, draft: Draft, here: Here) -> Iterator[FieldPlan]:
    """Fields that most pictures leave alone: only where the picture or the panels say something else than usual."""
    usual, whole = Draft(), draft_of(recipe)
    for field in fields(Recipe):
        name = field.name
        if name in _PLAIN or name in _ELSEWHERE or name not in found.given or not hasattr(draft, name):
            continue
        value, now = getattr(whole, name), getattr(draft, name)
        if value == now == getattr(usual, name):
            continue
        title = _RARE_TITLES.get(name, name.replace("_", " ").capitalize())
        outcome, why = (Outcome.SAME if value == now else Outcome.APPLIES), ""
        if isinstance(value, ImageRef) and value.digest in found.lost:
            outcome, why = Outcome.CANNOT, "Its picture is neither in the file nor here."
        elif isinstance(value, ModelRef) and match_installed(value.name, (value.sha256,), here.models) is None:
            outcome, why = Outcome.CANNOT, f"missing: {value.name}"
        group = _RARE_GROUPS.get(name, Group.SAMPLING)
        yield _row(name, group, title, _value(whole, name), _value(draft, name), outcome, why)


def _control_rows(found: Found, recipe: Recipe, draft: Draft, here: Here) -> Iterator[FieldPlan]:
    if "controls" not in found.given:
        return
    now = draft.controls
    if not recipe.controls and now:
        yield _row("controls", Group.CONTROLS, "Control layers", "none", _count(len(now)), Outcome.APPLIES)
    for i, use in enumerate(recipe.controls[:CONTROLS_MAX]):
        was = now[i].use if i < len(now) and now[i].enabled else None
        outcome, why = (Outcome.SAME, "") if was == use and len(now) == len(recipe.controls) else (Outcome.APPLIES, "")
        if use.image.digest in found.lost:
            outcome, why = Outcome.CANNOT, "Its picture is neither in the file nor here."
        elif use.plugin is not None and outcome is not Outcome.SAME:
            outcome, why = _plugin_outcome(use.plugin, here)
        title = str(use.kind).replace("-", " ").capitalize()
        yield _row(f"controls[{i}]", Group.CONTROLS, title, control_words(use), control_words(was), outcome, why)


def _plugin_rows(found: Found, recipe: Recipe, draft: Draft, here: Here) -> Iterator[FieldPlan]:
    if "plugins" not in found.given:
        return
    now = draft.plugins
    if not recipe.plugins and now:
        yield _row("plugins", Group.PLUGINS, "Plugin layers", "none", _count(len(now)), Outcome.APPLIES)
    for i, use in enumerate(recipe.plugins[:PLUGINS_MAX]):
        was = now[i].use if i < len(now) and now[i].enabled else None
        if was == use and len(now) == len(recipe.plugins):
            outcome, why = Outcome.SAME, ""
        else:
            outcome, why = _plugin_outcome(use.plugin, here)
            lack = _lacking(use, found, here)
            if lack and outcome is not Outcome.CANNOT:
                outcome, why = Outcome.CANNOT, lack
        title = use.plugin.id.replace("_", " ").capitalize() if use.plugin.id != "lora" else "LoRA"
        now_words = use_words(was) if was is not None and was.plugin.id == use.plugin.id else NONE
        yield _row(f"plugins[{i}]", Group.PLUGINS, title, use_words(use), now_words, outcome, why)


def _lora_row(number: int, lora: NamedLora, use: PluginUse | None, draft: Draft) -> FieldPlan:
    said = " ".join(filter(None, (lora.name, lora.weight)))
    key = f"loras[{number}]"
    if use is None:
        why = f"missing: LoRA {lora.name}. Put its file into models/loras, then restore again."
        return _row(key, Group.PLUGINS, "LoRA", said, NONE, Outcome.CANNOT, why)
    same = any(layer.enabled and layer.use == use for layer in draft.plugins)
    full = len(draft.plugins) + number >= PLUGINS_MAX
    outcome = Outcome.SAME if same else Outcome.CANNOT if full else Outcome.APPLIES
    why = f"At most {PLUGINS_MAX} plugin layers work together." if outcome is Outcome.CANNOT else ""
    return _row(key, Group.PLUGINS, "LoRA", said, NONE, outcome, why)


def _plugin_outcome(plugin: PluginRef, here: Here) -> tuple[Outcome, str]:
    if here.plugins is None:
        return Outcome.APPLIES, ""
    info = next((info for info in here.plugins if info.id == plugin.id), None)
    if info is None:
        return Outcome.CANNOT, f"missing: the plugin {plugin.id}"
    if info.state is not PluginState.ENABLED:
        return Outcome.CHANGED, f"The plugin {plugin.id} is here, but not switched on."
    version = info.manifest.version if info.manifest is not None else ""
    if plugin.version and plugin.version != version:
        return Outcome.CHANGED, f"Made with version {plugin.version} of the plugin; {version} is here."
    if plugin.digest and plugin.digest != info.digest:
        return Outcome.CHANGED, "The plugin has changed since, under the same version."
    return Outcome.APPLIES, ""


def _lacking(use: PluginUse, found: Found, here: Here) -> str:
    if any(ref.digest in found.lost for _, ref in use.images):
        return "Its picture is neither in the file nor here."
    for _, file in use.files:
        match = match_installed(file.name, (file.sha256,), here.files)
        if match is None:
            return f"missing: the file {file.name} [{file.sha256[:_SHORT]}]"
        if match.how is How.NAME_ONLY:
            return f"The file {file.name} that is here has other bytes than the picture’s [{file.sha256[:_SHORT]}]."
    return ""


def control_words(use: ControlUse | None) -> str:
    """A control layer in a few words."""
    if use is None:
        return NONE
    said = [f"weight {use.weight:g}", f"{use.start:.0%} to {use.end:.0%}", *(["inverted"] if use.invert else [])]
    said += [f"found by {use.detector}"] if use.detector else []
    said += [MODE_NAMES[use.mode]] if use.mode is not ControlMode.BALANCED else []
    return ", ".join(said)


def use_words(use: PluginUse) -> str:
    """What is asked of a plugin, in a few words."""
    said = [file.name for _, file in use.files] + ["a picture" for _ in use.images]
    said += [f"{name.replace('_', ' ')} {_short(value)}" for name, value in use.values]
    return ", ".join(said) or use.part.replace("_", " ")


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else " ".join(str(value).split())[:60] or NONE


def _count(number: int) -> str:
    return "1 layer" if number == 1 else f"{number} layers"
