"""A shelf in memory with a handful of plugins in different states; nothing of them exists on disk, nothing runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from studio.core.errors import PluginProblem
from studio.core.plugins import Manifest, Parameter, ParameterType, Part, PartType, PluginInfo, PluginState

FLOAT, INT, BOOL, TEXT = ParameterType.FLOAT, ParameterType.INT, ParameterType.BOOL, ParameterType.TEXT
CHOICE, PICTURE, FILE = ParameterType.CHOICE, ParameterType.PICTURE, ParameterType.FILE

START = Parameter(name="start", type=FLOAT, title="Start", default=0.0)
END = Parameter(name="end", type=FLOAT, title="End", default=1.0)
CLIP = Part(
    type=PartType.GUIDE,
    part="clip",
    title="Guidance by CLIP",
    description="Pulls every step towards a text or a picture.",
    parameters=(
        Parameter(
            name="scale", type=FLOAT, title="Strength", default=2.0, maximum=20.0, step=0.1, help="How strongly."
        ),
        START,
        END,
        Parameter(name="text", type=TEXT, title="Text", lines=2, help="What the picture shall come to show."),
        Parameter(name="picture", type=PICTURE, title="Reference", help="What it shall come to look like."),
        Parameter(name="exact", type=BOOL, title="Through the whole model", default=False, help="Slower, truer."),
    ),
)
LORA = Part(
    type=PartType.ADAPTER,
    part="lora",
    title="LoRA",
    description="A style or a thing, learned by small additions to the model.",
    parameters=(
        Parameter(name="file", type=FILE, title="File", required=True, suffixes=(".safetensors",)),
        Parameter(name="weight", type=FLOAT, title="Weight", default=1.0, minimum=-2.0, maximum=2.0, step=0.05),
        Parameter(name="blocks", type=CHOICE, title="Blocks", default="all", choices=("all", "down", "mid", "up")),
    ),
)
WILDCARDS = Part(
    type=PartType.PROMPT_TOOL,
    part="wildcards",
    title="Wildcards",
    description="Chooses from {a|b} and from lists, by the seed.",
    parameters=(Parameter(name="list", type=TEXT, title="Own list"),),
)
CONTINUE = Part(
    type=PartType.PROMPT_TOOL,
    part="continue",
    title="Prompt expander",
    description="A small language model goes on with the prompt.",
    parameters=(Parameter(name="length", type=INT, title="Length", default=24, minimum=1, maximum=80, unit="tokens"),),
)
RANK = Part(type=PartType.SCORER, part="clip", title="Score by CLIP", description="How well picture and prompt agree.")
INVERT = Part(type=PartType.PICTURE_TOOL, part="invert", title="Invert", description="Light becomes dark.")
SKETCH = Part(
    type=PartType.ADAPTER,
    part="sketch",
    title="Sketch (T2I-Adapter)",
    description="Follows a line drawing, computed once for all steps.",
    control="t2i-sketch",
    preprocess="grey",
)


def info_of(
    id: str,
    *parts: Part,
    name: str = "",
    state: PluginState = PluginState.ENABLED,
    shipped: bool = True,
    about: str = "",
) -> PluginInfo:
    """A plugin with these parts, as the shelf would tell of it."""
    manifest = Manifest(
        id=id,
        name=name or id,
        version="1.0.0",
        api=1,
        author="Diffusion Studio" if shipped else "A friend",
        description=about or (parts[0].description if parts else ""),
        parts=parts,
    )
    return PluginInfo(
        id=id,
        state=state,
        manifest=manifest,
        digest=(id.encode().hex() * 64)[:64],
        folder=f"plugins/{id}",
        shipped=shipped,
        files=(("__init__.py", 2143), ("plugin.toml", 812)),
    )


SHIPPED = (
    info_of("guidance", CLIP, name="Guidance"),
    info_of("lora", LORA, name="LoRA"),
    info_of("wildcards", WILDCARDS, name="Wildcards"),
    info_of("prompt_expander", CONTINUE, name="Prompt expander"),
    info_of("clip_rank", RANK, name="CLIP ranking"),
    info_of("invert", INVERT, name="Invert"),
    info_of("t2i_adapter", SKETCH, name="T2I-Adapter"),
)
FRIEND = info_of("friend", INVERT, name="Film grain", state=PluginState.NEW, shipped=False)


class MemoryShelf:
    """Keeps infos by id and what was asked of it; `refuse` makes the next wish fail."""

    def __init__(self, *infos: PluginInfo) -> None:
        self.kept = {info.id: info for info in infos}
        self.asked: list[tuple[str, ...]] = []
        self.refuse: PluginProblem | None = None
        self.comes: PluginInfo = FRIEND  # what `install` finds

    def infos(self) -> tuple[PluginInfo, ...]:
        return tuple(self.kept.values())

    def rescan(self) -> tuple[PluginInfo, ...]:
        return self.infos()

    def allow(self, id: str, digest: str) -> PluginInfo:
        self._note("allow", id, digest)
        return self._become(id, PluginState.ENABLED)

    def enable(self, id: str) -> PluginInfo:
        self._note("enable", id)
        return self._become(id, PluginState.ENABLED)

    def disable(self, id: str) -> PluginInfo:
        self._note("disable", id)
        return self._become(id, PluginState.DISABLED)

    def install(self, source: Path) -> PluginInfo:
        self._note("install", source.name)
        self.kept[self.comes.id] = self.comes
        return self.comes

    def remove(self, id: str) -> None:
        self._note("remove", id)
        del self.kept[id]

    def reload(self, id: str) -> PluginInfo:
        self._note("reload", id)
        return self._become(id, PluginState.CHANGED)

    def _note(self, *words: str) -> None:
        if self.refuse is not None:
            refuse, self.refuse = self.refuse, None
            raise refuse
        self.asked.append(words)

    def _become(self, id: str, state: PluginState) -> PluginInfo:
        self.kept[id] = replace(self.kept[id], state=state)
        return self.kept[id]
