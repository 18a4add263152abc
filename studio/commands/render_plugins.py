"""Plugins on the command line: --plugin, --lora, kinds of control layers and schedulers of plugins. No Qt, no torch."""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from studio.core.errors import BadRecipe, PluginProblem
from studio.core.paths import Folders
from studio.core.plugins import Parameter, ParameterType, Part, PartType, PluginInfo, PluginState
from studio.core.recipe import FileRef, ImageRef, PluginRef, PluginUse

if TYPE_CHECKING:
    from studio.api import Reading
    from studio.engine.protocol import PluginHost
    from studio.gallery.store import GalleryStore
    from studio.plugins.shelf import PluginShelf

LAYERS = (PartType.ADAPTER, PartType.GUIDE, PartType.PROMPT_TOOL, PartType.PICTURE_TOOL, PartType.SCORER)
_WRITE = "Write ID[:KEY=VALUE[,KEY=VALUE]...], for example invert or guidance:class=house,scale=3."
_WHY = {
    PluginState.NEW: "was never allowed; “main.py plugin allow {id}” does that",
    PluginState.CHANGED: "has changed since it was allowed; “main.py plugin allow {id}” allows it again",
    PluginState.DISABLED: "is switched off; “main.py plugin enable {id}” turns it on",
    PluginState.FAULTY: "was switched off after three faults",
    PluginState.QUARANTINED: "was running when the studio died, and was switched off",
}


@dataclass(frozen=True, slots=True)
class PluginWish:
    """One --plugin or --lora argument. `part` is "" where the keys decide."""

    id: str
    values: dict[str, str] = field(default_factory=dict)
    part: str = ""


def read_plugin(text: str) -> PluginWish:
    """Read a --plugin argument; a value may hold commas and colons, as long as no “,name=” stands in it.

    Raises `BadRecipe`.
    """
    id, colon, rest = text.partition(":")
    pairs = [pair.partition("=") for pair in re.split(r",(?=[a-z][a-z0-9_]*=)", rest)] if colon else []
    values = {key: value for key, _, value in pairs}
    whole = all(equals and re.fullmatch(r"[a-z][a-z0-9_]*", key) for key, equals, _ in pairs)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", id) or not whole or len(values) < len(pairs):
        raise BadRecipe(f"“{text}” is not a plugin with its parameters.", _WRITE)
    return PluginWish(id, values, values.pop("part", ""))


def read_lora(text: str) -> PluginWish:
    """Read a --lora argument, FILE|NAME[=WEIGHT]: the part “lora” of the plugin of that name. Raises `BadRecipe`."""
    file, equals, weight = text.rpartition("=")
    if not equals or Path(text).expanduser().exists():
        file, weight = text, "1"
    try:
        float(weight)
    except ValueError:
        raise BadRecipe(f"“{weight}” is not the weight of a LoRA.", "Write FILE or NAME, or FILE=0.8.") from None
    if not file:
        raise BadRecipe(f"“{text}” names no LoRA.", "Write FILE or NAME, or FILE=0.8.")
    return PluginWish("lora", {"file": file, "weight": weight}, "lora")


class PluginRoom:
    """The plugins that the command line may use; nothing is read before one is asked for. To be closed.

    State: the shelf, and a folder with links to the files given by path, so that the host finds them without
    searching through whatever lies beside them.
    """

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._shelf: PluginShelf | None = None
        self._infos: dict[str, PluginInfo] = {}
        self._links: tempfile.TemporaryDirectory[str] | None = None
        self._places: list[Path] = [folders.loras]

    def close(self) -> None:
        """Take the links away."""
        if self._links is not None:
            self._links.cleanup()

    def host(self) -> PluginHost | None:
        """What the engine asks, after every wish was read; None if no plugin was asked for."""
        if self._shelf is None:
            return None
        from studio.core.settings import load_settings
        from studio.engine.intake.places import own_folders
        from studio.plugins.host import Host

        places = (*([Path(self._links.name)] if self._links else []), *self._places)
        models = (self._folders.models, *own_folders(load_settings(self._folders.settings)[0]))
        return Host(self._shelf, places, _tell_late, model_folders=models)

    def read_metadata(self, data: bytes, name: str) -> Reading:
        """What the metadata readers of enabled plugins make of a picture. Raises nothing."""
        from studio.plugins.host import Host
        from studio.plugins.readers import Readers

        shelf = self._opened()
        return Readers(shelf, Host(shelf, tell_late=_tell_late))(data, name)

    def control_kinds(self) -> dict[str, tuple[Part, PluginRef]]:
        """Kinds of control layers that enabled plugins add."""
        from studio.plugins.uses import control_kinds

        return {kind: (part, _reference(info)) for kind, part, info in control_kinds(self._known().values())}

    def check_scheduler(self, name: str) -> None:
        """Raise `StudioError` unless "plugin_id:part" is a scheduler that may run."""
        id, _, part = name.partition(":")
        if not any(known.part == part for known in _parts(self._info(id)) if known.type is PartType.SAMPLER):
            raise BadRecipe(f"The plugin “{id}” has no scheduler named “{part}”.")

    def use(self, wish: PluginWish, store: GalleryStore) -> PluginUse:
        """The layer that a wish asks for; its pictures are taken into the store. Raises `StudioError`."""
        from studio.plugins.uses import make_use

        info = self._info(wish.id)
        part = chosen_part(info, wish)
        kinds = {parameter.name: parameter for parameter in part.parameters}
        pictures, files, values = (
            {name: value for name, value in wish.values.items() if name in kinds and kinds[name].type in types}
            for types in ({ParameterType.PICTURE}, {ParameterType.FILE}, _PLAIN)
        )
        images: dict[str, ImageRef] = {name: store.inputs.add(_file(value)) for name, value in pictures.items()}
        found = {name: self._file_ref(info, kinds[name], value) for name, value in files.items()}
        assert info.manifest is not None  # `chosen_part` found a part in it
        return make_use(info.manifest, part, values, images, found, info.digest)

    def _known(self) -> dict[str, PluginInfo]:
        self._opened()
        return self._infos

    def _opened(self) -> PluginShelf:
        if self._shelf is None:
            from studio.plugins.shelf import PluginShelf

            self._shelf = PluginShelf(self._folders)
            self._infos = {info.id: info for info in self._shelf.rescan()}
        return self._shelf

    def _info(self, id: str) -> PluginInfo:
        info = self._known().get(id)
        if info is None:
            known = ", ".join(sorted(self._infos)) or "none"
            raise PluginProblem(f"There is no plugin named “{id}”.", f"Plugins found: {known}.")
        if info.state is not PluginState.ENABLED:
            why = _WHY.get(info.state, f"cannot be used: {info.problem}").format(id=id)
            raise PluginProblem(f"The plugin “{id}” {why}.", "Nothing was made.")
        return info

    def _file_ref(self, info: PluginInfo, parameter: Parameter, name: str) -> FileRef:
        """A file by path, or by name (its suffix may be missing) in the loras folder and the plugin's own."""
        from studio.plugins.uses import wanted_words

        path = Path(name).expanduser()
        if not path.is_file():
            below = (self._folders.loras, Path(info.folder) / "mini")
            path = _by_name(path, parameter.suffixes, below)
        if parameter.suffixes and path.suffix.lower() not in parameter.suffixes:
            raise BadRecipe(f"“{path.name}” is not a file of the kind wanted.", wanted_words(parameter, path.name))
        self._link(path.resolve())
        with path.open("rb") as stream:
            return FileRef(name=path.name, sha256=hashlib.file_digest(stream, "sha256").hexdigest())

    def _link(self, path: Path) -> None:
        if self._links is None:
            self._links = tempfile.TemporaryDirectory(prefix="studio-files-")
        try:
            place = Path(tempfile.mkdtemp(dir=self._links.name))  # a folder each: two files may have one name
            (place / path.name).symlink_to(path)
        except OSError:  # some systems ask for a privilege
            self._places.append(path.parent)


def _tell_late(id: str, hook: str, seconds: float) -> None:
    print(f"The plugin {id} has not answered in “{hook}” for {seconds:.0f} s; Ctrl+C stops.", file=sys.stderr)


_PLAIN = set(ParameterType) - {ParameterType.PICTURE, ParameterType.FILE}


def chosen_part(info: PluginInfo, wish: PluginWish) -> Part:
    """The part that a wish names, or the first one that declares all of its keys. Raises `BadRecipe`."""
    parts = [part for part in _parts(info) if part.type in LAYERS and not part.control]
    if wish.part:
        parts = [part for part in parts if part.part == wish.part]
    keys = set(wish.values)
    for part in parts:
        if keys <= {parameter.name for parameter in part.parameters}:
            return part
    if not parts:
        named = f" named “{wish.part}”" if wish.part else " that is no control layer"
        raise BadRecipe(f"The plugin “{info.id}” has no part{named}.", _offer(_parts(info)))
    raise BadRecipe(f"No part of the plugin “{info.id}” takes {', '.join(sorted(keys))} together.", _offer(parts))


def _offer(parts: Sequence[Part]) -> str:
    said = [
        f"--control {part.control}=FILE"
        if part.control
        else f"part={part.part}: {', '.join(parameter.name for parameter in part.parameters) or 'no parameters'}"
        for part in parts
    ]
    return f"It has {'; '.join(said)}."


def _parts(info: PluginInfo) -> tuple[Part, ...]:
    return info.manifest.parts if info.manifest is not None else ()


def _reference(info: PluginInfo) -> PluginRef:
    version = info.manifest.version if info.manifest is not None else ""
    return PluginRef(id=info.id, version=version, digest=info.digest)


def _file(name: str) -> Path:
    return Path(name).expanduser()


def _by_name(path: Path, suffixes: Sequence[str], folders: Sequence[Path]) -> Path:
    names = {path.name, *(path.name + suffix for suffix in suffixes)}
    if len(path.parts) == 1:
        for folder in folders:
            for entry in sorted(folder.rglob("*")) if folder.is_dir() else ():
                if entry.name in names and entry.is_file():
                    return entry
    known = sorted({e.stem for f in folders if f.is_dir() for e in f.rglob("*") if e.suffix.lower() in suffixes})
    raise BadRecipe(f"There is no file “{path}”.", f"Known by name: {', '.join(known) or 'none'}.")
