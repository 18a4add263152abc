"""The host: loads what was allowed and stands behind every call into it. The engine's `PluginHost`, in its thread."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from studio.api import Use
from studio.core.choices import ControlMode
from studio.core.errors import BadInputImage, PluginProblem
from studio.core.plugins import Manifest, ParameterType, Part, PartType, PluginInfo, PluginState, Value
from studio.core.recipe import ControlUse, ImageRef, PluginRef, PluginUse
from studio.plugins.bundle import Bundle
from studio.plugins.fence import Fence
from studio.plugins.files import FileFinder
from studio.plugins.importer import finder, interpreter_kept
from studio.plugins.parameters import INPUTS, filled
from studio.plugins.probe import Died, probe
from studio.plugins.registry import Objects, enable
from studio.plugins.shelf import PluginShelf
from studio.plugins.watch import LIMIT_SECONDS, Call, Tell, Watch

ReadImage = Callable[[ImageRef], bytes]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A plugin that runs: what it registered, and the generation of the shelf it belongs to."""

    bundle: Bundle
    objects: Objects
    generation: int


class Host:
    """Mutable state: what is loaded. Called in the engine thread, and for metadata readers in the one that reads files.

    `file_folders`: where files of the artist's are looked for by name and digest, besides the plugin's own folder;
    `model_folders`: where plugins may look for weights by themselves (None: in the same folders); `tell_late`: told, in
    a thread of its own, of a call that takes longer than `limit_seconds` (10).
    """

    def __init__(
        self,
        shelf: PluginShelf,
        file_folders: Iterable[Path] = (),
        tell_late: Tell = lambda _id, _hook, _seconds: None,
        limit_seconds: float | None = None,
        model_folders: Iterable[Path] | None = None,
    ) -> None:
        self._shelf, self._file_folders = shelf, file_folders
        self._model_folders = file_folders if model_folders is None else model_folders
        self._watch = Watch(tell_late, LIMIT_SECONDS if limit_seconds is None else limit_seconds)
        self._files = FileFinder()
        self._loading = threading.RLock()  # held while plugins are imported and let go
        self._loaded: dict[str, Loaded] = {}
        self._survived: set[tuple[str, str, int]] = set()  # (id, hook, generation) that came back once

    def part(self, type: PartType, plugin: PluginRef, name: str) -> Any:  # Any: the `studio.api` Protocol of `type`
        """What the plugin registered, imported at first use. Raises `PluginProblem` if it is missing or not allowed."""
        with self._loading:
            self._let_go()
            info = self._enabled(plugin.id)
            _declared(info, type, name)
            loaded = self._loaded.get(plugin.id) or self._load(plugin.id)
            return loaded.objects[type, name]

    def control_part(self, use: ControlUse) -> Part:
        """The declared part behind a plugin's kind of control layer. Raises `PluginProblem`."""
        if use.plugin is None:
            raise PluginProblem(f"“{use.kind}” names no plugin.", "Choose the kind of this control layer again.")
        manifest = _manifest(self._enabled(use.plugin.id))
        found = next((part for part in manifest.parts if part.control and part.control == use.kind), None)
        if found is None:
            raise PluginProblem(
                f"The plugin {manifest.id} has no kind of control layer “{use.kind}”.", "Choose another."
            )
        return found

    def use(self, use: PluginUse | ControlUse, read_image: ReadImage, **images: Any) -> Use:  # Any: Pillow images
        """What was asked, checked against the declared parameters, with pictures opened and files found by digest.

        `images` are added to its pictures ("map"). Raises `StudioError`.
        """
        part = self.control_part(use) if isinstance(use, ControlUse) else self._part_of(use)
        id = use.plugin.id if use.plugin is not None else ""
        info = self._shelf.info(id)
        folder = Path(info.folder)
        self._files.check_own(_manifest(info), folder)
        asked: Mapping[str, Value] = {} if isinstance(use, ControlUse) else dict(use.values)
        values = filled(part, asked, id)
        pictures, files = ({}, {}) if isinstance(use, ControlUse) else self._inputs(use, part, folder, read_image)
        _check_required(part, {*pictures, *files, *images})
        weight, start, end = _range(use, values)
        return Use(
            plugin=id,
            part=part.part,
            folder=folder,
            data=self._shelf.data_folder(id),
            values=MappingProxyType(values),
            images=MappingProxyType({**pictures, **images}),
            files=MappingProxyType(files),
            weight=weight,
            start=start,
            end=end,
            mode=use.mode if isinstance(use, ControlUse) else ControlMode.BALANCED,
            places=tuple(self._model_folders),
            found=tuple(file.name for file in use.found),
        )

    def fence(self, plugin: str, hook: str) -> AbstractContextManager[None]:
        """Around every call into a plugin. `StudioError`, a cancel and a lack of memory pass; anything else becomes a
        `PluginProblem` that names plugin and hook, and counts towards three. The first call of each hook is written
        down while it runs: should it take the studio with it, the plugin is in quarantine at the next start."""
        key = (plugin, hook, self._shelf.generation(plugin))
        risky = key not in self._survived
        call: list[Call] = []

        def begin() -> None:
            if risky:
                self._shelf.breadcrumbs.drop(plugin, hook)
            call.append(self._watch.begin(plugin, hook))

        def end(good: bool) -> bool:
            if risky:
                self._shelf.breadcrumbs.take(plugin, hook)
                if good:
                    self._survived.add(key)
            return self._watch.end(call[0])

        return Fence(begin, end, lambda error: self._shelf.fault(plugin, hook, error))

    def digest(self, file: Path) -> str:
        """SHA-256 in hex of a file that a plugin reads. Raises `PluginProblem` if it cannot be read."""
        try:
            return self._files.digest(file)
        except OSError as error:
            raise PluginProblem(f"The file “{file.name}” cannot be read.", "Put it there again.", str(error)) from None

    def give_up(self) -> tuple[tuple[str, str], ...]:
        """Do not wait any longer for calls that are late: (plugin, hook) of each. Any thread. See `studio.plugins.watch`."""
        return self._watch.give_up()

    def stuck(self) -> tuple[tuple[str, str], ...]:
        """(plugin, hook) of every call that was given up and has not come back all the same. Any thread."""
        return self._watch.stuck()

    def reference(self, id: str) -> PluginRef:
        """The plugin with the version and digest it has now. Raises `PluginProblem`."""
        info = self._enabled(id)
        loaded = self._loaded.get(id)
        if loaded is not None and loaded.generation == self._shelf.generation(id):
            return PluginRef(id=id, version=loaded.bundle.manifest.version, digest=loaded.bundle.digest)
        return PluginRef(id=id, version=_manifest(info).version, digest=info.digest)

    def _enabled(self, id: str) -> PluginInfo:
        info = self._shelf.info(id)
        if info.state is not PluginState.ENABLED:
            self._shelf.code(id)  # says why not
        return info

    def _part_of(self, use: PluginUse) -> Part:
        return _declared(self._enabled(use.plugin.id), use.type, use.part)

    def _inputs(
        self, use: PluginUse, part: Part, folder: Path, read_image: ReadImage
    ) -> tuple[dict[str, Any], dict[str, Path]]:
        declared = {parameter.name: parameter.type for parameter in part.parameters}
        for names, type_ in ((use.images, ParameterType.PICTURE), (use.files, ParameterType.FILE)):
            for name, _ in names:
                if declared.get(name) is not type_:
                    raise PluginProblem(f"“{part.title}” of {use.plugin.id} takes no {type_} named “{name}”.")
        pictures = {name: _open(read_image(ref)) for name, ref in use.images}
        places = (folder, *self._file_folders)
        return pictures, {name: self._files.find(ref, places, use.plugin.id) for name, ref in use.files}

    def _load(self, id: str) -> Loaded:
        generation = self._shelf.generation(id)
        bundle = self._shelf.code(id)
        info = self._shelf.info(id)
        if not self._shelf.probed(info):
            self._probe(bundle)
            self._shelf.set_probed(info)
            self._enabled(id)  # a probe takes seconds: the artist may have switched it off meanwhile
        with self.fence(id, "import"), interpreter_kept():
            module = finder().load(bundle)
        try:
            with self.fence(id, "enable"), interpreter_kept():
                objects = enable(module, bundle.manifest)
        except BaseException:
            finder().forget(id)
            raise
        loaded = self._loaded[id] = Loaded(bundle, objects, generation)
        return loaded

    def _probe(self, bundle: Bundle) -> None:
        id = bundle.manifest.id
        try:
            probe(bundle)
        except Died as died:
            self._shelf.switch_off(id, PluginState.QUARANTINED, died.headline)
            raise
        except PluginProblem:
            self._shelf.note_fault(id, "import")
            raise

    def _let_go(self) -> None:
        """Forget the code of plugins that were switched off, removed or reloaded since; here, as nothing of it runs."""
        for id, loaded in list(self._loaded.items()):
            if loaded.generation != self._shelf.generation(id):
                del self._loaded[id]
                finder().forget(id)


def _manifest(info: PluginInfo) -> Manifest:
    if info.manifest is None:
        raise PluginProblem(f"The plugin {info.id} cannot be used: {info.problem}")
    return info.manifest


def _declared(info: PluginInfo, type: str, name: str) -> Part:
    manifest = _manifest(info)
    found = next((part for part in manifest.parts if (part.type, part.part) == (type, name)), None)
    if found is None:
        raise PluginProblem(
            f"The plugin {info.id} {manifest.version} has no {type} “{name}”.", "Another version of it may have one."
        )
    return found


def _check_required(part: Part, given: set[str]) -> None:
    for parameter in part.parameters:
        if parameter.required and parameter.type in INPUTS and parameter.name not in given:
            raise PluginProblem(f"“{part.title}” needs “{parameter.title}” ({parameter.name}).", "Choose one.")


def _range(use: PluginUse | ControlUse, values: Mapping[str, Value]) -> tuple[float, float, float]:
    if isinstance(use, ControlUse):
        return use.weight, use.start, use.end
    weight, start, end = (
        float(values.get(name, usual)) for name, usual in (("weight", 1.0), ("start", 0.0), ("end", 1.0))
    )
    if start > end:
        raise PluginProblem(f"A layer of {use.plugin.id} starts at {start:g} but ends at {end:g}.", "Let it end later.")
    return weight, start, end


def _open(data: bytes) -> Any:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadInputImage("A picture for a plugin cannot be opened.", "Choose it again.", str(error)) from None
