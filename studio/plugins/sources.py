"""Where plugins lie: the studio's folder, the artist's folder, pip packages. Looks at names only; imports nothing."""

from __future__ import annotations

import importlib.machinery
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from studio.core.errors import PluginProblem
from studio.plugins.shipped import SHIPPED

GROUP = "studio.plugins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A place where a plugin is said to be. `own`: in the artist's folder, so it may be removed."""

    id: str
    folder: Path
    shipped: bool = False
    own: bool = False
    problem: str = ""


def sources(shipped: Path, own: Path) -> tuple[Source, ...]:
    """All places, the first of an id being the one that counts; what a later one says under `problem`."""
    found: dict[str, Source] = {}
    for source in (*_folders(shipped, own=False), *_folders(own, own=True), *_packages()):
        found.setdefault(source.id, source)
    return tuple(found[id] for id in sorted(found))


def _folders(parent: Path, own: bool) -> Iterator[Source]:
    try:
        children = sorted(parent.iterdir())
    except OSError:
        return  # there is no such folder yet
    for child in children:
        if child.name.startswith((".", "_")) or not child.is_dir():
            continue
        shipped = not own and child.name in SHIPPED
        if shipped and not (child / "plugin.toml").exists():
            continue
        yield Source(id=child.name, folder=child, shipped=shipped, own=own)


def _packages() -> Iterator[Source]:
    for point in entry_points(group=GROUP):
        try:
            yield Source(id=point.name, folder=_folder_of(point))
        except PluginProblem as problem:
            yield Source(id=point.name, folder=Path(), problem=problem.headline)


def _folder_of(point: EntryPoint) -> Path:
    """The folder of the package an entry point names, found part by part: `find_spec("a.b")` would import a."""
    if EntryPoint.pattern.match(point.value) is None:
        raise PluginProblem(f"The installed package of the plugin names “{point.value[:80]}”, which is no package.")
    path: list[str] | None = None
    for i, name in enumerate(point.module.split(".")):
        spec = importlib.machinery.PathFinder.find_spec(".".join(point.module.split(".")[: i + 1]), path)
        if spec is None or not spec.submodule_search_locations:
            raise PluginProblem(f"The installed package of the plugin names “{point.module}”, where no “{name}” is.")
        path = list(spec.submodule_search_locations)
    return Path(path[0] if path else "").resolve()
