"""The files that plugins found by themselves: written down by digest, and compared with those of an earlier picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from studio.api import Use
from studio.core.errors import ModelMissing
from studio.core.recipe import FOUND_MAX, ControlUse, FileRef, PluginUse, Recipe

Asked = TypeVar("Asked", PluginUse, ControlUse)
Stamp = tuple[Path, int, int]  # a file with its size and the time it was written, to see whether it is still the same
_NAME_MAX = 255


@dataclass(slots=True)
class FoundFiles:
    """What the layers of one recipe have read so far. State: `_of`, by the identity of the layer, and `stamps`.

    `digest` gives the SHA-256 of a file in hex.
    """

    digest: Callable[[Path], str]
    stamps: list[Stamp] = field(default_factory=list)
    _of: dict[int, list[FileRef]] = field(default_factory=dict)

    def noting(self, asked: PluginUse | ControlUse | None, use: Use) -> Use:
        """The same use, whose `reads` writes down what it is told."""
        return use if asked is None else replace(use, reads=lambda file: self._note(asked, use, Path(file)))

    def with_found(self, recipe: Recipe) -> Recipe:
        """The recipe with what its layers have read; layers that have read nothing yet stay as they were."""
        return replace(
            recipe,
            controls=tuple(self._with(use) for use in recipe.controls),
            plugins=tuple(self._with(use) for use in recipe.plugins),
        )

    def differences(self, recipe: Recipe) -> Iterable[str]:
        """A sentence for each file that an earlier picture was made with and this one was not."""
        uses: tuple[ControlUse | PluginUse, ...] = (*recipe.controls, *recipe.plugins)
        for use in uses:
            now = self._of.get(id(use), [])
            for then in use.found if now else ():
                if then.sha256 not in {file.sha256 for file in now}:
                    same_name = any(file.name == then.name for file in now)
                    other = "it holds other bytes now" if same_name else f"{_listed(now)} was used instead"
                    yield f"The recipe was made with the file “{then.name}” of {_layer(use)}; {other}."

    def _with(self, use: Asked) -> Asked:
        found = self._of.get(id(use))
        return use if found is None else replace(use, found=tuple(found[:FOUND_MAX]))

    def _note(self, asked: PluginUse | ControlUse, use: Use, file: Path) -> None:
        file = file.resolve()
        if file.is_relative_to(use.folder.resolve()):
            return  # the plugin's own: its digest stands for it
        status = file.stat() if file.is_file() else None
        found = self._of.setdefault(id(asked), [])
        ref = FileRef(name=_name(file, use), sha256=self.digest(file))
        if ref not in found:
            found.append(ref)
        if status is not None:
            self.stamps.append((file, status.st_size, status.st_mtime_ns))


def still_there(stamps: Iterable[Stamp]) -> bool:
    """Whether these files are what they were."""
    try:
        return all((status := file.stat()).st_size == size and status.st_mtime_ns == at for file, size, at in stamps)
    except OSError:
        return False


def recalled(error: ModelMissing, asked: object) -> ModelMissing:
    """The error with the files that the earlier picture was made with, where it names some."""
    found = asked.found if isinstance(asked, ControlUse | PluginUse) else ()
    if not found:
        return error
    hint = f"{error.hint} The recipe was made with {_listed(found)}.".strip()
    known = "\n".join(f"{file.name}  SHA-256 {file.sha256}" for file in found)
    return ModelMissing(error.headline, hint, "\n".join(filter(None, (error.detail, known))))


def _name(file: Path, use: Use) -> str:
    """Below the plugin's data folder, or with the folder that it lies in beside the model: never a whole path."""
    data = use.data.resolve()
    inner = file.relative_to(data) if file.is_relative_to(data) else Path(*file.parts[-2:])
    name = "".join(sign if sign.isprintable() else "_" for sign in inner.as_posix())
    return name[-_NAME_MAX:]


def _listed(files: Iterable[FileRef]) -> str:
    return ", ".join(f"“{file.name}”" for file in files)


def _layer(use: PluginUse | ControlUse) -> str:
    return f"“{use.kind}”" if isinstance(use, ControlUse) else f"the plugin “{use.plugin.id}” ({use.part})"
