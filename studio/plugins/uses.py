"""Uses of plugins as a recipe holds them, made from what panels and command lines say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from studio.core.errors import PluginProblem
from studio.core.plugins import Manifest, Parameter, ParameterType, Part, PartType, PluginInfo, PluginState, Value
from studio.core.recipe import FileRef, ImageRef, PluginRef, PluginUse
from studio.plugins.parameters import filled

PICKLED = (".pt", ".pth", ".ckpt", ".bin", ".pkl", ".pickle")


def make_use(
    manifest: Manifest,
    part: Part,
    values: Mapping[str, str | Value] | None = None,
    images: Mapping[str, ImageRef] | None = None,
    files: Mapping[str, FileRef] | None = None,
    digest: str = "",
) -> PluginUse:
    """A part at work: every declared value, defaults filled in, text of the command line converted, all sorted.

    Raises `PluginProblem` in one sentence: unknown name, wrong type, outside the limits, a file of another kind. A
    required picture or file may still be missing; that is asked when the picture is made.
    """
    images, files = dict(images or {}), dict(files or {})
    _check_inputs(manifest, part, ParameterType.PICTURE, images)
    _check_inputs(manifest, part, ParameterType.FILE, files)
    for parameter in part.parameters:
        file = files.get(parameter.name)
        if file is not None and parameter.suffixes and not file.name.lower().endswith(parameter.suffixes):
            raise PluginProblem(
                f"“{file.name}” is no file for “{parameter.title}” of {manifest.id}.",
                wanted_words(parameter, file.name),
            )
    return PluginUse(
        plugin=PluginRef(id=manifest.id, version=manifest.version, digest=digest),
        type=part.type.value,
        part=part.part,
        values=tuple(sorted(filled(part, values or {}, manifest.id).items())),
        images=tuple(sorted(images.items())),
        files=tuple(sorted(files.items())),
    )


def wanted_words(parameter: Parameter, name: str) -> str:
    """Which files a parameter takes, and why a pickled one is not among them."""
    takes = f"It takes {', '.join(parameter.suffixes)}."
    if not name.lower().endswith(PICKLED):
        return takes
    return f"{takes} A {Path(name).suffix.lower()} file can run code when it is opened, so the studio never opens one."


def control_kinds(infos: Iterable[PluginInfo]) -> tuple[tuple[str, Part, PluginInfo], ...]:
    """(kind, part, plugin) of every kind of control layer that enabled plugins add, by title; the first of a kind."""
    found: dict[str, tuple[str, Part, PluginInfo]] = {}
    for info in infos:
        if info.state is PluginState.ENABLED and info.manifest is not None:
            for part in info.manifest.parts:
                if part.control and part.type is PartType.ADAPTER:
                    found.setdefault(part.control, (part.control, part, info))
    return tuple(sorted(found.values(), key=lambda kind: kind[1].title.casefold()))


def _check_inputs(manifest: Manifest, part: Part, type: ParameterType, given: Mapping[str, object]) -> None:
    declared = [parameter.name for parameter in part.parameters if parameter.type is type]
    for name in given:
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise PluginProblem(f"“{part.title}” of {manifest.id} takes no {type} named “{name}”.", f"It has: {known}.")
