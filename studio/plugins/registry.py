"""What a plugin's `enable` fills, held against its manifest: every declared part once, nothing else."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from studio import api
from studio.core.errors import PluginProblem
from studio.core.plugins import Manifest, PartType

Objects = dict[tuple[PartType, str], Any]  # Any: the `studio.api` Protocol of each type
_HOOKS = {PartType.ADAPTER: "attach", PartType.GUIDE: "prepare"}  # the others are called themselves


class PartRegistry:
    """A `studio.api.Registry`. Refuses, with a sentence that names the plugin, what the manifest does not declare."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._closed = False
        self.objects: Objects = {}

    def adapter(self, part: str, adapter: api.Adapter) -> None:
        self._add(PartType.ADAPTER, part, adapter)

    def guide(self, part: str, guide: api.Guide) -> None:
        self._add(PartType.GUIDE, part, guide)

    def preprocessor(self, part: str, preprocessor: api.Preprocessor) -> None:
        self._add(PartType.PREPROCESSOR, part, preprocessor)

    def prompt_tool(self, part: str, tool: api.PromptTool) -> None:
        self._add(PartType.PROMPT_TOOL, part, tool)

    def picture_tool(self, part: str, tool: api.PictureTool) -> None:
        self._add(PartType.PICTURE_TOOL, part, tool)

    def scorer(self, part: str, scorer: api.Scorer) -> None:
        self._add(PartType.SCORER, part, scorer)

    def sampler(self, part: str, sampler: api.Sampler) -> None:
        self._add(PartType.SAMPLER, part, sampler)

    def metadata_reader(self, part: str, reader: api.MetadataReader) -> None:
        self._add(PartType.METADATA_READER, part, reader)

    def close(self) -> Objects:
        """All parts, once `enable` is through; later calls are refused. Raises `PluginProblem` if one is missing."""
        self._closed = True
        for part in self._manifest.parts:
            if (part.type, part.part) not in self.objects:
                raise self._problem(f"declares the {part.type} “{part.part}”, but does not register it")
        return self.objects

    def _add(self, type: PartType, part: str, thing: object) -> None:
        if self._closed:
            raise self._problem("registers something after its enable() was over")
        if not isinstance(part, str) or self._manifest.part(type, part) is None:
            raise self._problem(f"registers the {type} {part!r:.60}, which its plugin.toml does not declare")
        if (type, part) in self.objects:
            raise self._problem(f"registers the {type} “{part}” twice")
        hook = _HOOKS.get(type)
        if not callable(getattr(thing, hook, None) if hook else thing):
            raise self._problem(f"registers as {type} “{part}” something without the method {hook or '__call__'}()")
        self.objects[type, part] = thing

    def _problem(self, why: str) -> PluginProblem:
        return PluginProblem(f"The plugin {self._manifest.id} {why}.", "It was not used; tell its author.")


def enable(module: ModuleType, manifest: Manifest) -> Objects:
    """Call a plugin's `enable`; whatever it raises comes through. Raises `PluginProblem` if it does not keep its word."""
    hook = getattr(module, "enable", None)
    if not callable(hook):
        raise PluginProblem(f"The plugin {manifest.id} has no enable(registry).", "It was not used; tell its author.")
    registry = PartRegistry(manifest)
    hook(registry)
    return registry.close()
