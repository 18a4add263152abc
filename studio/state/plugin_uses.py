"""Uses of plugins as the panels make them: new ones at their defaults, and why one cannot work now. Runs nothing."""

from __future__ import annotations

from dataclasses import replace

from studio.core.errors import PluginProblem
from studio.core.lora_marks import LoraMark
from studio.core.plugins import Parameter, ParameterType, Part, PluginInfo, PluginState, Value
from studio.core.recipe import PluginRef, PluginUse

OPEN_PAGE = "Look under Plugins > Plugins …, or remove the layer."


def new_use(info: PluginInfo, part: Part) -> PluginUse:
    """A part as it begins: every parameter at its default."""
    from studio.plugins.uses import make_use

    if info.manifest is None:
        raise PluginProblem(f"The plugin {info.id} cannot be used: {info.problem}")
    return make_use(info.manifest, part, digest=info.digest)


def weighed(use: PluginUse, part: Part, mark: LoraMark) -> PluginUse:
    """A LoRA's use as strong as a mark in the prompt says, within what the part takes."""
    weight = next((one for one in part.parameters if one.name == "weight"), None)
    if mark.weight is None or weight is None:
        return use
    strength = min(max(mark.weight, float(weight.minimum)), float(weight.maximum))
    return replace(use, values=tuple(sorted({**dict(use.values), "weight": strength}.items())))


def reference(info: PluginInfo) -> PluginRef:
    """The plugin as a recipe names it, with the version and digest it has here."""
    return PluginRef(id=info.id, version=info.manifest.version if info.manifest else "", digest=info.digest)


def default_of(parameter: Parameter) -> Value:
    """The default in the parameter's own type."""
    value = parameter.default
    if parameter.type is ParameterType.BOOL:
        return bool(value)
    if parameter.type in (ParameterType.FLOAT, ParameterType.INT):
        number = parameter.minimum if isinstance(value, str) else value
        return float(number) if parameter.type is ParameterType.FLOAT else int(number)
    return str(value) or (parameter.choices[0] if parameter.choices else "")


def missing(info: PluginInfo | None, plugin: PluginRef, part: Part | None, name: str) -> PluginProblem | None:
    """Why this part of a plugin cannot work: it is not here, not switched on, or has no such part."""
    if info is None:
        return PluginProblem(f"This picture needs the plugin {plugin.id}, which is not here.", OPEN_PAGE)
    if info.state is not PluginState.ENABLED:
        return PluginProblem(f"This picture needs the plugin {plugin.id}, which is not switched on.", OPEN_PAGE)
    if part is None:
        return PluginProblem(f"The plugin {plugin.id} that is here has no part “{name}”.", OPEN_PAGE)
    return None


def lacking(part: Part, use: PluginUse) -> PluginProblem | None:
    """What the part needs and was not given yet."""
    given = {name for name, _ in (*use.images, *use.files)}
    for parameter in part.parameters:
        chosen = parameter.type in (ParameterType.PICTURE, ParameterType.FILE)
        if chosen and parameter.required and parameter.name not in given:
            return PluginProblem(
                f"“{part.title}” still needs “{parameter.title}”.",
                "Choose one on its card in the Plugins panel, or switch the layer off.",
            )
    return None
