"""A plugin host for tests: parts handed in as plain objects, a fence as the protocol asks for. Knows no plugin room."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from studio.api import Use
from studio.core.errors import PluginProblem, StudioError
from studio.core.plugins import Part, PartType
from studio.core.recipe import ControlUse, ImageRef, PluginRef, PluginUse
from studio.engine.protocol import ReadImage, RenderCancelled

DIGEST = "ab" * 32


@dataclass
class ToyHost:
    """Obeys `studio.engine.protocol.PluginHost`. Every part belongs to the plugin "toy"; `faults` lists (id, hook)."""

    parts: dict[tuple[PartType, str], Any] = field(default_factory=dict)
    controls: dict[str, Part] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    version: str = "1.0.0"
    folder: Path = Path("toy")
    data: Path = Path("toy/data")

    def add(self, type: PartType, name: str, does: Any, control: str = "", preprocess: str = "") -> PluginUse:
        self.parts[type, name] = does
        if control:
            self.controls[control] = Part(type=type, part=name, title=name, control=control, preprocess=preprocess)
        return use(type, name)

    def part(self, type: PartType, plugin: PluginRef, name: str) -> Any:
        if (type, name) not in self.parts:
            raise PluginProblem(f"The plugin “{plugin.id}” has no {type} named “{name}”.")
        return self.parts[type, name]

    def control_part(self, use: ControlUse) -> Part:
        if use.kind not in self.controls:
            raise PluginProblem(f"No plugin adds “{use.kind}”.")
        return self.controls[use.kind]

    def use(self, use: PluginUse | ControlUse, read_image: ReadImage, **images: Any) -> Use:
        assert use.plugin is not None
        where = {"plugin": use.plugin.id, "folder": self.folder, "data": self.data, "images": images}
        if isinstance(use, ControlUse):
            return Use(part=str(use.kind), weight=use.weight, start=use.start, end=use.end, **where)
        values = dict(use.values)
        return Use(part=use.part, values=values, weight=float(values.get("weight", 1.0)), **where)

    def digest(self, file: Path) -> str:
        return hashlib.sha256(file.read_bytes()).hexdigest()

    @contextmanager
    def fence(self, plugin: str, hook: str) -> Iterator[None]:
        self.calls.append(hook)
        try:
            yield
        except RenderCancelled:
            raise
        except PluginProblem:
            self.faults.append((plugin, hook))
            raise
        except StudioError:
            raise
        except BaseException as error:
            self.faults.append((plugin, hook))
            raise PluginProblem(f"The plugin “{plugin}” failed in {hook}: {type(error).__name__}.") from error

    def reference(self, id: str) -> PluginRef:
        if id != "toy":
            raise PluginProblem(f"The plugin “{id}” is not here.")
        return PluginRef(id=id, version=self.version, digest=DIGEST)


def use(type: PartType, name: str, **values: Any) -> PluginUse:
    """A use of a part of "toy" as a recipe names it, version and digest unknown."""
    return PluginUse(plugin=PluginRef(id="toy"), type=type.value, part=name, values=tuple(sorted(values.items())))


def control(kind: str, image: ImageRef, **options: Any) -> ControlUse:
    return ControlUse(kind=kind, image=image, plugin=PluginRef(id="toy"), **options)


class Attaching:
    """An adapter that is a function from (denoiser, use) to a context manager."""

    def __init__(self, attach: Callable[..., Any]) -> None:
        self.attach = attach


class Guiding:
    """A guide that is a function from (denoiser, use) to a function of a guess."""

    def __init__(self, prepare: Callable[..., Any]) -> None:
        self.prepare = prepare
