"""Plugins in words: states, what they add, uses in a recipe. Plain text, made when it is shown."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication

from studio.core.plugins import Part, PartType, PluginInfo, PluginState
from studio.core.recipe import ControlUse, FileRef, PluginUse

PartOf = Callable[[ControlUse | PluginUse], Part | None]  # what a layer was declared as; None if its plugin is not here
_TEXT_MAX = 60


def tr(text: str) -> str:
    """Translate a whole sentence now."""
    return QCoreApplication.translate("plugin_words", text)


def part_words(kind: str) -> str:
    """What a part of this type is to an artist."""
    known: dict[str, str] = {
        PartType.ADAPTER: tr("Adapter"),
        PartType.GUIDE: tr("Guidance"),
        PartType.PREPROCESSOR: tr("Preprocessor"),
        PartType.PROMPT_TOOL: tr("Prompt tool"),
        PartType.PICTURE_TOOL: tr("Picture tool"),
        PartType.SCORER: tr("Scorer"),
        PartType.SAMPLER: tr("Scheduler"),
        PartType.METADATA_READER: tr("Reader of other programs' pictures"),
    }
    return known.get(kind, kind)


def state_words(state: PluginState) -> tuple[str, str]:
    """A state in one word or two, and what it means."""
    return {
        PluginState.NEW: (tr("Not allowed yet"), tr("It has never run. Allow it if you trust who made it.")),
        PluginState.CHANGED: (
            tr("Changed"),
            tr("Its code is not what you allowed. It does not run until you allow it again."),
        ),
        PluginState.ENABLED: (tr("On"), tr("It works when a picture asks for it.")),
        PluginState.DISABLED: (tr("Off"), tr("Allowed, and switched off by you.")),
        PluginState.FAULTY: (tr("Failed"), tr("Switched off after three faults. Switch it on to try again.")),
        PluginState.QUARANTINED: (
            tr("Set aside"),
            tr("The studio ended while it was at work. Switch it on to try again."),
        ),
        PluginState.BROKEN: (tr("Cannot be used"), tr("Its plugin.toml has a mistake.")),
    }[state]


def plugin_name(info: PluginInfo | None, plugin_id: str = "") -> str:
    """The name it goes by; an unknown one by its id."""
    return (
        info.manifest.name if info is not None and info.manifest is not None else plugin_id or (info.id if info else "")
    )


def adds_lines(info: PluginInfo) -> tuple[str, ...]:
    """What it adds, a line for each part; below a heading where several are of one kind."""
    kinds: dict[str, list[str]] = {}
    for part in info.manifest.parts if info.manifest is not None else ():
        kind = tr("Kind of control layer") if part.control else part_words(part.type)
        kinds.setdefault(kind, []).append(f"{short_title(part, info)} – {part.description}".removesuffix(" – "))
    lines = []
    for kind, parts in kinds.items():
        if len(parts) == 1:
            lines.append(f"{kind}: {parts[0]}")
            continue
        heading = tr("Kinds of control layer") if kind == tr("Kind of control layer") else kind
        lines += [f"{heading}:", *(f"  •  {part}" for part in parts)]
    return tuple(lines)


def short_title(part: Part, info: PluginInfo) -> str:
    """A part's title where its plugin is named beside it: "Sketch (T2I-Adapter)" is "Sketch"."""
    return part.title.removesuffix(f"({plugin_name(info)})").rstrip() or part.title


def file_size(count: int) -> str:
    """Bytes as a file manager writes them."""
    if count < 1000:
        return tr("{n} bytes").replace("{n}", str(count))
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def needs_words(info: PluginInfo | None, plugin_id: str, has_part: bool) -> str:
    """Why a layer of this plugin cannot work now, "" if it can."""
    name = f"“{plugin_name(info)}”" if info is not None else plugin_id
    if info is None:
        return tr("Needs the plugin {id}, which is not here.").replace("{id}", name)
    if info.state is not PluginState.ENABLED:
        why = {
            PluginState.NEW: tr("Needs the plugin {id}, which is not allowed yet."),
            PluginState.CHANGED: tr("Needs the plugin {id}, which has changed and must be allowed again."),
            PluginState.DISABLED: tr("Needs the plugin {id}, which is switched off."),
            PluginState.FAULTY: tr("Needs the plugin {id}, which failed and was switched off."),
            PluginState.QUARANTINED: tr("Needs the plugin {id}, which was set aside after a crash."),
            PluginState.BROKEN: tr("Needs the plugin {id}, which cannot be used."),
        }
        return why[info.state].replace("{id}", name)
    if not has_part:
        return tr("The plugin {id} that is here does not have this part.").replace("{id}", name)
    return ""


def plugin_use_line(use: PluginUse, part: Part | None = None) -> str:
    """One use of a plugin in a line: "Classifier guidance (guidance 1.0.0): Kind = house, Strength = 3".

    By ids where the plugin is not here and so `part` is not known: "guidance 1.0.0, classifier: class = house, scale = 3".
    """
    name = f"{use.plugin.id} {use.plugin.version}".strip()
    titles = {parameter.name: parameter.title for parameter in part.parameters} if part is not None else {}
    said = [f"{titles.get(key, key)} = {file.name}" for key, file in use.files]
    said += [f"{titles.get(key, key)} = {tr('a picture')}" for key, _ in use.images]
    said += [f"{titles.get(key, key)} = {_value(value)}" for key, value in use.values]
    what = name if use.part == use.plugin.id else f"{name}, {use.part}"
    what = f"{part.title} ({name})" if part is not None else what
    return (f"{what}: {', '.join(said)}" if said else what) + found_words(use.found)


def found_words(found: tuple[FileRef, ...]) -> str:
    """The files that a plugin found by itself, as the end of a line; "" for none."""
    named = ", ".join(file.name for file in found)
    return f", {tr('with {files}').replace('{files}', named)}" if found else ""


def score_words(scores: tuple[tuple[str, float], ...]) -> str:
    """Scores in a line: "clip_rank:clip 0.312"."""
    return "  ·  ".join(f"{name} {score_figure(score)}" for name, score in scores)


def score_figure(score: float) -> str:
    """A score as short as it may be and still tell two pictures apart."""
    return f"{score:.3f}" if abs(score) < 10 else f"{score:.1f}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return tr("yes") if value else tr("no")
    if isinstance(value, float):
        return f"{value:g}"
    text = " ".join(str(value).split())
    return f"“{text[:_TEXT_MAX]}…”" if len(text) > _TEXT_MAX else text
